"""Codes, sessions, tokens, tickets and keys: what the gateway's tests cannot reach, as addresses and clocks."""

import asyncio
import secrets
from typing import Any

from tests.support.services import Asker, World
from tests.support.waiting import eventually

from tidings.auth.keys import rotate
from tidings.platform import rpc
from tidings.rpc.v1 import auth_pb2
from tidings.rpc.v1.auth_pb2_grpc import AuthServiceStub


def phone() -> str:
    return f"+49151{secrets.randbelow(10**8):08d}"


async def code_of(world: World, number: str) -> str:
    return str((await world.auth.as_("").ask("GET", "/dev/sms", phone=number))["code"])


async def sign_in(world: World, number: str) -> dict[str, Any]:
    anybody = world.auth.as_("")
    await anybody.ask("POST", "/auth/request-otp", {"phone": number}, gives=202)
    body = {"phone": number, "otp": await code_of(world, number)}
    found: dict[str, Any] = await anybody.ask("POST", "/auth/verify-otp", body)
    return found


async def verdicts(world: World, *credentials: auth_pb2.Credential) -> list[Any]:
    peers = rpc.Peers("auth", [world.environ["TIDINGS_AUTH_GRPC"]], AuthServiceStub, world.auth.token)
    request = auth_pb2.ValidateTokenRequest(credentials=credentials)
    found = list((await peers.call(peers.stub().ValidateToken, request)).results)
    await peers.close()
    return found


def from_(world: World, n: int) -> Asker:
    return world.auth.as_("", **{"x-client-address": f"198.51.100.{n}", "x-forwarded-for": f"198.51.100.{n}"})


async def test_row_2_five_guesses_over_all_addresses_burn_a_code(world: World) -> None:
    number = phone()
    await world.auth.as_("").ask("POST", "/auth/request-otp", {"phone": number}, gives=202)
    right = await code_of(world, number)
    wrong = "000000" if right != "000000" else "000001"
    for n in range(5):
        assert await from_(world, n).code("POST", "/auth/verify-otp", {"phone": number, "otp": wrong}) == "otp_invalid"
    for otp in (right, wrong):
        assert await world.auth.as_("").code("POST", "/auth/verify-otp", {"phone": number, "otp": otp}) == "otp_expired"
    answer = await from_(world, 9).raw("POST", "/auth/request-otp", {"phone": number})
    assert (answer.status_code, int(answer.headers["retry-after"]) > 30) == (429, True)


async def test_row_3_codes_to_one_range_from_many_addresses_are_counted(world: World) -> None:
    prefix = phone()[:-4]
    async with world.instance("auth", "auth-2", wired=False, TIDINGS_AUTH_OTP_RANGE_HOUR="3") as auth:
        world.running["auth"] = auth
        for n in range(3):
            await from_(world, n).ask("POST", "/auth/request-otp", {"phone": f"{prefix}000{n}"}, gives=202)
        answer = await from_(world, 7).raw("POST", "/auth/request-otp", {"phone": f"{prefix}0007"})
        assert (answer.status_code, answer.headers["ratelimit-limit"]) == (429, "3")
        # Another range goes on, and a code that is used makes room: people use theirs, machines do not.
        await from_(world, 8).ask("POST", "/auth/request-otp", {"phone": phone()}, gives=202)
        body = {"phone": f"{prefix}0001", "otp": await code_of(world, f"{prefix}0001")}
        await from_(world, 9).ask("POST", "/auth/verify-otp", body)
        await from_(world, 7).ask("POST", "/auth/request-otp", {"phone": f"{prefix}0008"}, gives=429)


async def test_row_4_a_code_ends_and_is_used_by_one_of_two(world: World) -> None:
    number = phone()
    await world.auth.as_("").ask("POST", "/auth/request-otp", {"phone": number}, gives=202)
    body = {"phone": number, "otp": await code_of(world, number)}
    codes = await asyncio.gather(*(world.auth.as_("").code("POST", "/auth/verify-otp", body) for _ in range(5)))
    assert sorted(codes) == ["200", *["otp_expired"] * 4]
    async with world.instance("auth", "auth-2", wired=False, TIDINGS_AUTH_OTP_LIFETIME_S="1") as brief:
        world.running["auth"] = brief
        await brief.as_("").ask("POST", "/auth/request-otp", {"phone": number}, gives=202)
        body["otp"] = await code_of(world, number)

        async def too_old() -> bool:
            return await brief.as_("").code("GET", "/dev/sms", phone=number) == "not_found"

        await eventually(too_old, "the code is too old")
        assert await brief.as_("").code("POST", "/auth/verify-otp", body) == "otp_expired"


async def test_a_sign_in_that_user_service_failed_keeps_the_code(world: World) -> None:
    number = phone()
    anybody = world.auth.as_("")
    await anybody.ask("POST", "/auth/request-otp", {"phone": number}, gives=202)
    body = {"phone": number, "otp": await code_of(world, number)}
    world.wires["user"].cut = True
    assert await anybody.code("POST", "/auth/verify-otp", body) == "unavailable"
    world.wires["user"].cut = False
    assert (await anybody.ask("POST", "/auth/verify-otp", body))["user"]["isNewUser"]


async def test_row_9_of_two_that_refresh_at_once_one_is_a_thief_and_the_session_ends(world: World) -> None:
    pair = await sign_in(world, phone())
    body = {"refreshToken": pair["refreshToken"]}
    anybody = world.auth.as_("")
    codes = await asyncio.gather(*(anybody.code("POST", "/auth/refresh", body) for _ in range(4)))
    assert sorted(codes) == ["200", *["token_revoked"] * 3]
    (verdict,) = await verdicts(world, auth_pb2.Credential(access_token=pair["accessToken"]))
    assert verdict.code == "token_revoked"


async def test_refreshing_goes_on_and_a_session_is_listed_and_ended(world: World) -> None:
    number = phone()
    one, two = await sign_in(world, number), await sign_in(world, number)
    user_id = one["user"]["id"]
    (first, second) = await verdicts(world, *(auth_pb2.Credential(access_token=p["accessToken"]) for p in (one, two)))
    me = world.auth.as_(user_id, second.session_id)
    for _ in range(3):
        one |= await world.auth.as_("").ask("POST", "/auth/refresh", {"refreshToken": one["refreshToken"]})
    items = (await me.ask("GET", "/auth/sessions"))["items"]
    assert {i["id"]: i["current"] for i in items} == {first.session_id: False, second.session_id: True}
    device = {"kind": "fcm", "token": "t"}
    user = world.user.as_(user_id, first.session_id)
    await user.ask("POST", "/users/me/devices", device, gives=201)
    # The push targets go with the session, even if user-service is away just then.
    world.wires["user"].cut = True
    await me.ask("DELETE", f"/auth/sessions/{first.session_id}", gives=204)
    (gone,) = await verdicts(world, auth_pb2.Credential(access_token=one["accessToken"]))
    assert gone.code == "token_revoked"
    refused = await world.auth.as_("").code("POST", "/auth/refresh", {"refreshToken": one["refreshToken"]})
    assert refused == "token_revoked"
    assert len((await user.ask("GET", "/users/me/devices"))["items"]) == 1
    world.wires["user"].cut = False

    async def dropped() -> bool:
        return (await user.ask("GET", "/users/me/devices"))["items"] == []

    await eventually(dropped, "the push targets are gone", 60)
    await me.ask("DELETE", f"/auth/sessions/{first.session_id}", gives=204)


async def test_row_12_a_ticket_is_good_once(world: World) -> None:
    pair = await sign_in(world, phone())
    (mine,) = await verdicts(world, auth_pb2.Credential(access_token=pair["accessToken"]))
    me = world.auth.as_(mine.user_id, mine.session_id, authorization=f"Bearer {pair['accessToken']}")
    ticket = auth_pb2.Credential(ticket=(await me.ask("POST", "/auth/ws-ticket"))["ticket"])
    answers = await asyncio.gather(*(verdicts(world, ticket) for _ in range(3)))
    good = [a[0] for a in answers if not a[0].code]
    assert [(g.user_id, g.session_id, g.expires_at_ms) for g in good] == [
        (mine.user_id, mine.session_id, mine.expires_at_ms)
    ]
    assert {a[0].code for a in answers} == {"", "unauthenticated"}


async def test_after_a_rotation_new_tokens_have_the_new_key_and_old_ones_are_good(world: World) -> None:
    pair = await sign_in(world, phone())
    kid = rotate(world.auth.settings.data_dir)

    async def known() -> bool:
        keys = (await world.auth.as_("").http.get("http://tidings.test/.well-known/jwks.json")).json()["keys"]
        return kid in [key["kid"] for key in keys]

    await eventually(known, "the key is told")
    fresh = await world.auth.as_("").ask("POST", "/auth/refresh", {"refreshToken": pair["refreshToken"]})
    found = await verdicts(world, *(auth_pb2.Credential(access_token=p["accessToken"]) for p in (pair, fresh)))
    assert [v.code for v in found] == ["", ""]
    import jwt

    assert jwt.get_unverified_header(fresh["accessToken"])["kid"] == kid
    assert jwt.get_unverified_header(pair["accessToken"])["kid"] != kid

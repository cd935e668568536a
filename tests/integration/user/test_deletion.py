"""An account is deleted in steps; whoever dies in between, the deletion ends, and the number's next owner is new."""

import asyncio
import secrets
from typing import Any

import nats
import pytest
from tests.support.services import World
from tests.support.waiting import eventually

from tidings.contracts.events import USER_DELETED


async def sign_in(world: World, phone: str) -> dict[str, Any]:
    anybody = world.auth.as_("")
    await anybody.ask("POST", "/auth/request-otp", {"phone": phone}, gives=202)
    code = (await anybody.ask("GET", "/dev/sms", phone=phone))["code"]
    answer = await anybody.ask("POST", "/auth/verify-otp", {"phone": phone, "otp": code})
    found: dict[str, Any] = answer["user"]
    return found


def phone() -> str:
    return f"+49151{secrets.randbelow(10**8):08d}"


async def deletions(world: World) -> list[str]:
    client = await nats.connect(world.stores.nats_url)
    js, stream = client.jetstream(), f"{world.namespace}_USERS"
    last = (await js.stream_info(stream)).state.last_seq
    found = [str((await js.get_msg(stream, n)).data) for n in range(1, last + 1)]
    await client.close()
    return found


async def test_a_deleted_accounts_number_gets_a_new_id(world: World) -> None:
    number = phone()
    old = await sign_in(world, number)
    assert old["isNewUser"]
    await world.user.as_(old["id"]).ask("DELETE", "/users/me", gives=204)
    new = await sign_in(world, number)
    assert (new["id"] != old["id"], new["isNewUser"]) == (True, True)
    assert (await world.user.as_(new["id"]).ask("GET", "/users/me"))["phone"] == number
    shell = await world.user.as_(new["id"]).ask("GET", f"/users/{old['id']}")
    assert (shell["deleted"], shell["phone"], shell["about"]) == (True, None, None)
    assert len(await deletions(world)) == 1


@pytest.mark.parametrize("where", ["auth is done", "auth is away", "nats is away"])
async def test_an_interrupted_deletion_ends_at_the_next_sign_in(world: World, where: str) -> None:
    """Each with the process that would have gone on dead."""
    number = phone()
    old = await sign_in(world, number)
    async with world.database("user") as users, world.database("auth") as auth:
        if where == "auth is done":  # and user-service never wrote down that it was asked
            await auth.execute("DELETE FROM identities WHERE user_id = $1", old["id"])
        elif where == "auth is away":
            world.wires["auth"].cut = True
            assert await world.user.as_(old["id"]).code("DELETE", "/users/me") == "unavailable"
        else:  # all is done but telling
            await auth.execute("DELETE FROM identities WHERE user_id = $1", old["id"])
            await users.execute(
                "UPDATE people SET phone = NULL, deleted = true, erasing = true WHERE id = $1", old["id"]
            )
        new = await sign_in(world, number)
        assert (new["id"] != old["id"], new["isNewUser"]) == (True, True)
        me = await world.user.as_(new["id"]).ask("GET", "/users/me")
        assert (me["phone"], me["name"], me["deleted"]) == (number, "", False)
        world.wires["auth"].cut = False
        async with world.instance("user", "user-2", wired=False):  # as restarted

            async def ended() -> bool:
                return not await users.fetchval("SELECT count(*) FROM people WHERE erasing")

            await eventually(ended, "the deletion is finished")
        assert await users.fetchval("SELECT deleted AND phone IS NULL FROM people WHERE id = $1", old["id"])
        assert await auth.fetchval(
            "SELECT count(*) FROM sessions WHERE user_id = $1 AND ended_at IS NULL", old["id"]
        ) == (0)
    assert old["id"] in "".join(await deletions(world))


async def test_a_deletion_asked_for_while_auth_is_away_is_finished_without_anybody(world: World) -> None:
    number = phone()
    old = await sign_in(world, number)
    async with world.instance("user", "user-2", wired=False, TIDINGS_USER_ERASE_INTERVAL_S="0.2") as other:
        world.wires["auth"].cut = True
        assert await other.as_(old["id"]).code("DELETE", "/users/me") == "unavailable"
        assert await deletions(world) == []
        world.wires["auth"].cut = False

        async def told() -> bool:
            return len(await deletions(world)) == 1

        await eventually(told, "it is told")
        await asyncio.sleep(0.5)
    assert len(await deletions(world)) == 1
    assert USER_DELETED == "user.deleted"

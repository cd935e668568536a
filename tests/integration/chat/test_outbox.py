"""From a committed change to its notice and its event: slow neighbours, races, crashes between the steps."""

import asyncio
import json
from collections import Counter
from typing import Any

import nats
import pytest
from tests.support.services import World
from tests.support.waiting import eventually

from tidings.platform import rpc
from tidings.rpc.v1 import chat_pb2
from tidings.rpc.v1.chat_pb2_grpc import ChatServiceStub


class Heard:
    """All events of CHATS, as they are stored in the stream."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def events(self, subject: str = "") -> list[dict[str, Any]]:
        client = await nats.connect(self.world.stores.nats_url)
        js = client.jetstream()
        stream = f"{self.world.namespace}_CHATS"
        info = await js.stream_info(stream)
        found = []
        for seq in range(1, info.state.last_seq + 1):
            message = await js.get_msg(stream, seq)
            if message.subject.endswith(subject):
                found.append(json.loads(message.data or b""))
        await client.close()
        return found


async def waiting_rows(world: World) -> int:
    async with world.database("chat") as db:
        return int(await db.fetchval("SELECT count(*) FROM outbox"))


async def told(world: World) -> None:
    async def empty() -> bool:
        return await waiting_rows(world) == 0

    await eventually(empty, "the outbox is empty")


def slow(seconds: float) -> Any:
    async def wait() -> None:
        await asyncio.sleep(seconds)

    return wait


async def test_a_slow_notice_holds_no_connection(world: World) -> None:
    ann, ben = [await world.person() for _ in range(2)]
    groups = [await world.group(ann) for _ in range(20)]
    before = world.wires["message"].calls["AppendNotice"]
    world.wires["message"].before["AppendNotice"] = slow(1.5)
    adding = [
        asyncio.create_task(world.chat.as_(ann).ask("POST", f"/chats/{g}/members", {"userIds": [ben]})) for g in groups
    ]
    wire = world.wires["message"]
    await eventually(lambda: wire.calls["AppendNotice"] - before >= 20, "every change is being numbered")
    async with world.database("chat") as db:
        busy = await db.fetch(
            "SELECT state, query FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
            " AND pid <> pg_backend_pid()"
        )
        assert [row for row in busy if row["state"] != "active"] == [], "a transaction waits for another service"
        # Nor does it lock the row: another may look at it, and put it off.
        assert await db.fetchval("SELECT count(*) FROM (SELECT id FROM outbox FOR UPDATE NOWAIT) AS free") == 20
    answers = await asyncio.gather(*adding)
    assert all(answer["added"] == [ben] for answer in answers)
    await told(world)


async def test_a_change_is_told_once_whoever_tells_it(world: World) -> None:
    """Two instances' relays, and requests that wait for the same rows."""
    ann, ben, cat = [await world.person() for _ in range(3)]
    relay = {"TIDINGS_CHAT_RELAY_INTERVAL_S": "0.02"}
    async with (
        world.instance("chat", "chat-2", wired=False, **relay) as two,
        world.instance("chat", "chat-3", wired=False, **relay) as three,
    ):
        async with world.database("chat") as db:  # the relays need not wait for the requests
            await db.execute("ALTER TABLE outbox ALTER next_ms SET DEFAULT 0")
            await db.execute(
                "CREATE FUNCTION now_due() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.next_ms = 0; RETURN NEW; END'"
            )
            await db.execute("CREATE TRIGGER due BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION now_due()")
        world.wires["message"].before["AppendNotice"] = slow(0.05)
        groups = [await world.group(ann) for _ in range(3)]
        for n, group in enumerate(groups):
            for instance in (world.chat, two, three):
                path = f"/chats/{group}/members"
                await asyncio.gather(
                    instance.as_(ann).ask("POST", path, {"userIds": [ben]}),
                    instance.as_(ann).ask("POST", path, {"userIds": [cat]}),
                )
                await instance.as_(ann).ask("DELETE", f"{path}/{ben}", gives=204)
                await instance.as_(ann).ask("PUT", f"/chats/{group}/settings", {"pinned": bool(n)})
        await told(world)
    events = await Heard(world).events()
    assert Counter(e["eventId"] for e in events).most_common(1)[0][1] == 1
    assert len(await Heard(world).events("chat.created")) == len(groups)
    for group in groups:
        numbers = [e["seq"] for e in events if e["chatId"] == group and e.get("seq")]
        assert numbers == sorted(numbers), "told in the order of the log"


async def test_one_that_died_after_publishing_is_told_under_the_same_id(world: World) -> None:
    ann = await world.person()
    group = await world.group(ann)
    await told(world)
    async with world.database("chat") as db:  # as if the row had not been taken away
        (event,) = await Heard(world).events("chat.created")
        await db.execute(
            "INSERT INTO outbox (change_id, chat_id, actor_id, subject, audience, next_ms, seq, at_ms)"
            " VALUES ($1, $2, $3, 'chat.created', $4, 0, 1, 1)", event["eventId"], group, ann, [ann],
        )  # fmt: skip
    await told(world)
    assert len(await Heard(world).events("chat.created")) == 1


async def test_who_lost_the_claim_writes_nothing_more(world: World) -> None:
    """A process that slept past its claim finds another's numbers in place and leaves them."""
    ann, ben = [await world.person() for _ in range(2)]
    group = await world.group(ann, ben)
    held, go = asyncio.Event(), asyncio.Event()

    async def sleep() -> None:
        world.wires["message"].after.clear()
        held.set()
        await go.wait()

    short = {"TIDINGS_CHAT_CLAIM_S": "0.3"}
    async with (
        world.instance("chat", "chat-2", wired=False, **short) as two,
        world.instance("chat", "chat-3", wired=False, **short) as three,
    ):
        world.wires["message"].after["AppendNotice"] = sleep
        removing = asyncio.create_task(two.as_(ann).ask("DELETE", f"/chats/{group}/members/{ben}", gives=204))
        await held.wait()
        await asyncio.sleep(0.5)
        await three.as_(ann).ask("POST", f"/chats/{group}/members", {"userIds": [ben]})
        back = await three.as_(ben).ask("GET", f"/chats/{group}")
        go.set()
        await removing
        await told(world)
        seen = await three.as_(ben).ask("GET", f"/chats/{group}")
    assert (seen["membership"], seen["joinedSeq"], seen["leftSeq"]) == ("member", back["joinedSeq"], None)
    assert seen["joinedSeq"] == 3


async def test_what_a_killed_process_left_is_taken_up_by_the_next(world: World) -> None:
    ann, ben = [await world.person() for _ in range(2)]
    group = await world.group(ann)
    await told(world)
    async with world.instance("chat", "chat-2", wired=False) as two:
        world.wires["message"].cut = True
        adding = asyncio.create_task(two.as_(ann).raw("POST", f"/chats/{group}/members", {"userIds": [ben]}))
        await eventually(lambda: world.wires["message"].calls["AppendNotice"] > 1, "it is tried")
        adding.cancel()
    async with world.database("chat") as db:  # killed, it would not have given its claims back
        await db.execute(
            "INSERT INTO outbox_claims VALUES ($1, 'x', 'chat-2', $2) ON CONFLICT (name) DO UPDATE SET until_ms = $2",
            f"{group} number", 2**52,
        )  # fmt: skip
    world.wires["message"].cut = False
    assert await waiting_rows(world) == 1
    async with world.instance("chat", "chat-2", wired=False, TIDINGS_SLOT_RESTARTED="true"):
        await told(world)
    assert (await world.chat.as_(ben).ask("GET", f"/chats/{group}"))["joinedSeq"] == 2


@pytest.mark.parametrize("slowly", [0.6, 2.0])
async def test_whoever_asks_for_windows_waits_for_their_numbers(world: World, slowly: float) -> None:
    """And a lane, for which chat-service may be waiting, does not."""
    ann, ben = [await world.person() for _ in range(2)]
    group = await world.group(ann)
    peers = rpc.Peers("chat", [world.environ["TIDINGS_CHAT_GRPC"]], ChatServiceStub, world.chat.token)

    async def windows(**how: bool) -> Any:
        request = chat_pb2.GetChatParticipantsRequest(chat_ids=[group], **how)
        (found,) = (await peers.call(peers.stub().GetChatParticipants, request)).chats
        return {p.user_id: p.joined_seq for p in found.participants}, found.unsettled

    world.wires["message"].before["AppendNotice"] = slow(slowly)
    adding = asyncio.create_task(world.chat.as_(ann).ask("POST", f"/chats/{group}/members", {"userIds": [ben]}))
    await eventually(lambda: world.wires["message"].calls["AppendNotice"] > 1, "the notice is on its way")
    assert await windows(as_it_is=True) == ({ann: 1}, True)
    # Who writes meanwhile is served: the lane does not wait for the notice that may stand behind it.
    await asyncio.wait_for(world.say(group, ann), 4)
    assert await windows() == ({ann: 1, ben: 3}, False)
    await adding
    mine = await world.chat.as_(ben).ask("GET", "/chats")
    assert [c["id"] for c in mine["items"]] == [group]
    await world.message.as_(ben).ask("GET", f"/chats/{group}/messages", after=0)
    await peers.close()


async def test_without_message_service_a_change_is_unavailable_and_made_later(world: World) -> None:
    ann, ben = [await world.person() for _ in range(2)]
    group = await world.group(ann)
    world.wires["message"].cut = True
    asking = asyncio.create_task(world.chat.as_(ann).code("POST", f"/chats/{group}/members", {"userIds": [ben]}))
    assert await asyncio.wait_for(asking, 9.9) == "unavailable"
    world.wires["message"].cut = False
    await told(world)
    assert (await world.chat.as_(ben).ask("GET", f"/chats/{group}"))["membership"] == "member"

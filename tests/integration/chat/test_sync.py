"""`POST /sync`: what changed is told, what did not is not, for however many chats."""

import asyncio
from typing import Any

import pytest
from tests.support.services import Asker, World
from tests.support.waiting import eventually

from tidings.contracts.ids import new_chat_id, new_id
from tidings.contracts.times import now_ms, rfc3339
from tidings.platform import rpc
from tidings.rpc.v1 import message_pb2
from tidings.rpc.v1.message_pb2_grpc import MessageServiceStub

EXACT = {"TIDINGS_CHAT_SYNC_MARGIN_S": "0.02"}  # else everything of the last half minute is told again


class Device:
    """Positions and cursor of a client, and what the last sync told it."""

    def __init__(self, me: Asker, limit: int = 500) -> None:
        self.me, self.limit = me, limit
        self.since: str | None = None
        self.positions: dict[str, int] = {}
        self.told: list[str] = []
        self.removed: list[str] = []
        self.hidden: list[str] = []
        self.entries = 0
        self.rounds = 0

    async def sync(self) -> "Device":
        await asyncio.sleep(0.1)
        self.told, self.removed, self.hidden, self.rounds, self.entries = [], [], [], 0, 0
        while True:
            body = {"since": self.since, "positions": self.positions, "limit": self.limit}
            found: dict[str, Any] = await self.me.ask("POST", "/sync", body)
            self.since = found["since"]
            self.told += [chat["id"] for chat in found["chats"]]
            self.removed += found["removed"]
            self.hidden += found["hidden"]
            for chat_id, page in found["log"].items():
                self.positions[chat_id] = max(self.positions.get(chat_id, 0), page["toSeq"])
                self.entries += len(page["items"])
            self.rounds += 1
            assert self.rounds < 60
            if not found["hasMore"]:
                await asyncio.sleep(0.1)
                return self


async def test_only_what_may_have_changed_is_told_and_all_of_that(world: World) -> None:
    ann, ben, cat, dan = [await world.person() for _ in range(4)]
    direct, other = await world.direct(ann, ben), await world.direct(ann, cat)
    group, quiet = await world.group(ann, ben, dan), await world.group(ann, cat)
    first = await world.say(direct, ben, "first")
    async with world.instance("chat", "chat-2", wired=False, **EXACT) as exact:
        device = await Device(exact.as_(ann)).sync()
        assert sorted(device.told) == sorted([direct, other, group, quiet])

        async def after(change: Any, *chats: str) -> None:
            await change
            await device.sync()
            assert sorted(device.told) == sorted(chats)

        async def nothing() -> None: ...

        me, b = world.chat.as_(ann), world.user.as_(ben)
        await after(nothing())
        await after(world.say(group, dan), group)
        await after(nothing())
        # Another's mark, and one's own.
        await after(world.message.as_(ann).ask("POST", "/messages/read", {"messageIds": [first["messageId"]]}), direct)
        mine = await world.say(direct, ann)
        await after(world.message.as_(ben).ask("POST", "/messages/read", {"messageIds": [mine["messageId"]]}), direct)
        await after(me.ask("PUT", f"/chats/{quiet}/settings", {"archived": True}), quiet)
        await after(me.ask("PATCH", f"/chats/{group}", {"name": "renamed"}), group)
        await after(world.message.as_(ann).ask(
            "DELETE", f"/messages/{first['messageId']}", gives=204, **{"for": "me"}), direct)  # fmt: skip
        # The peer's profile (and the group's members', whose marks may be hidden now), contacts and blocks.
        await after(b.ask("PATCH", "/users/me", {"name": "Benjamin"}), direct, group)
        await after(world.user.as_(ann).ask("POST", "/users/contacts", {"userId": cat, "name": "Kitty"}, gives=201),
                    other, quiet)  # fmt: skip
        await after(world.user.as_(ann).ask("DELETE", f"/users/contacts/{cat}", gives=204), other, quiet)
        await after(world.user.as_(cat).ask("PUT", f"/users/blocked/{ann}"), other, quiet)
        await after(world.user.as_(cat).ask("DELETE", f"/users/blocked/{ann}", gives=204), other, quiet)
        soon = rfc3339(now_ms() + 700)
        await after(me.ask("PUT", f"/chats/{quiet}/settings", {"mutedUntil": soon}), quiet)
        await asyncio.sleep(0.7)
        await after(nothing(), quiet)
        # A position that is behind, though nothing changed.
        device.positions[group] -= 1
        await after(nothing(), group)
        assert device.entries == 1
        del device.positions[quiet]
        await after(nothing(), quiet)
        made = await world.group(ben, ann)
        await after(nothing(), made)
        privacy = await world.user.as_(ann).ask("GET", "/users/me/privacy")
        await after(
            world.user.as_(ann).ask("PUT", "/users/me/privacy", privacy | {"readReceipts": False}),
            direct, other, group, quiet, made,
        )  # fmt: skip
        # Where it ends is passed on: a second device begins where the first is.
        assert (await Device(exact.as_(ann)).sync()).entries > 5


async def test_an_expired_message_is_a_change(world: World) -> None:
    ann, ben = [await world.person() for _ in range(2)]
    direct, other = await world.direct(ann, ben), await world.group(ann)
    body = {"clientMsgId": new_id(), "content": "brief", "expiresIn": 1}
    await world.message.as_(ben).ask("POST", f"/chats/{direct}/messages", body, gives=201)
    async with world.instance("chat", "chat-2", wired=False, **EXACT) as exact:
        device = await Device(exact.as_(ann)).sync()
        assert other in device.told
        await asyncio.sleep(1.1)
        assert (await device.sync()).told == [direct]


async def test_what_was_deleted_for_oneself_is_told_once_each_in_pages(world: World) -> None:
    ann, ben = [await world.person() for _ in range(2)]
    chats = [await world.direct(ann, ben), await world.group(ann, ben)]
    said = [(await world.say(chats[n % 2], ben, f"{n}"))["messageId"] for n in range(7)]
    for message_id in said:
        await world.message.as_(ann).ask("DELETE", f"/messages/{message_id}", gives=204, **{"for": "me"})
    async with world.instance("chat", "chat-2", wired=False, **EXACT, TIDINGS_CHAT_SYNC_HIDDEN="3") as exact:
        device = await Device(exact.as_(ann)).sync()
        assert device.hidden == said
        assert (sorted(device.told), device.rounds) == (sorted(chats), 3)
        last = (await world.say(chats[0], ben, "and this"))["messageId"]
        await world.message.as_(ann).ask("DELETE", f"/messages/{last}", gives=204, **{"for": "me"})
        assert ((await device.sync()).hidden, device.told) == ([last], [chats[0]])
        assert ((await device.sync()).hidden, device.told) == ([], [])
        # A little at a time, and everything is told all the same.
        small = await Device(exact.as_(ann), limit=2).sync()
        assert sorted(set(small.hidden)) == sorted([*said, last])


async def test_cursors_that_are_foreign_altered_or_old(world: World) -> None:
    ann, ben = [await world.person() for _ in range(2)]
    me = world.chat.as_(ann)
    since = (await me.ask("POST", "/sync", {"positions": {}}))["since"]
    assert await world.chat.as_(ben).code("POST", "/sync", {"since": since}) == "invalid_request"
    for wrong in ("", "x", "\N{SNOWMAN}", since[:-3] + ("AAA" if since[-3:] != "AAA" else "BBB"), since * 2):
        assert await me.code("POST", "/sync", {"since": wrong}) == ("200" if not wrong else "invalid_request")
    async with world.instance("chat", "chat-2", wired=False, TIDINGS_CHAT_SINCE_AGE_S="1") as hasty:
        await asyncio.sleep(1.1)
        assert await hasty.as_(ann).code("POST", "/sync", {"since": since}) == "cursor_expired"
    group = await world.group(ben)
    found = await me.ask("POST", "/sync", {"since": since, "positions": {group: 3}})
    assert (found["removed"], found["chats"], found["hasMore"]) == ([group], [], False)


@pytest.mark.timeout(90)
async def test_a_thousand_chats(world: World) -> None:
    ann, ben = [await world.person() for _ in range(2)]
    ids = [new_chat_id() for _ in range(1000)]
    at = now_ms() - 3_600_000
    async with world.database("chat") as db:
        await db.executemany(
            "INSERT INTO chats (id, type, creator_id, name, created_ms, updated_ms)"
            " VALUES ($1, 'group', $2, 'g', $3, $3)",
            [(i, ann, at) for i in ids],
        )
        await db.executemany(
            "INSERT INTO participants (chat_id, user_id, role, joined_seq, joined_ms, updated_ms)"
            " VALUES ($1, $2, 'member', 1, $3, $3)",
            [(i, u, at) for i in ids for u in (ann, ben)],
        )
    notices = [
        message_pb2.NoticeEntry(
            chat_id=i, change_id=new_id(), actor_id=ann, membership=True,
            notice_json=b'{"kind":"notice","event":"chat.created"}',
        )
        for i in ids
    ]  # fmt: skip
    token = world.message.token
    peers = rpc.Peers("message", [world.environ["TIDINGS_MESSAGE_GRPC"]], MessageServiceStub, token)
    await peers.call(peers.stub().AppendNotice, message_pb2.AppendNoticeRequest(notices=notices), timeout_s=30)
    await peers.close()
    async with world.instance("chat", "chat-2", wired=False, **EXACT) as exact:
        device = await Device(exact.as_(ann)).sync()
        assert (len(set(device.told)), len(device.told), device.rounds, device.entries) == (1000, 1000, 10, 1000)
        await world.say(ids[7], ben)
        await device.sync()
        await device.sync()
        assert device.told == []
        await world.say(ids[500], ben)
        assert (await device.sync()).told == [ids[500]]
        listed = (await exact.as_(ann).ask("GET", "/chats", limit=100))["items"]
        assert [c["id"] for c in listed[:2]] == [ids[500], ids[7]]


async def test_pages_end_where_a_little_at_a_time_is_asked_for(world: World) -> None:
    ann, ben = [await world.person() for _ in range(2)]
    chats = [await world.group(ann, ben) for _ in range(3)]
    for chat in chats:
        for _ in range(4):
            await world.say(chat, ann)
    device = await Device(world.chat.as_(ben), limit=2).sync()
    assert device.entries == 15
    assert device.positions == dict.fromkeys(chats, 5)
    await world.chat.as_(ann).ask("DELETE", f"/chats/{chats[0]}/members/{ben}", gives=204)
    await world.say(chats[0], ann)

    async def last() -> bool:
        await device.sync()
        return device.positions[chats[0]] == 6

    await eventually(last, "the removal is the last they get")
    assert (await device.sync()).positions[chats[0]] == 6
    assert device.removed == []


async def test_who_comes_back_with_many_gets_what_they_get_alone_and_few_calls_are_made(world: World) -> None:
    people = [await world.person(f"p{n}") for n in range(20)]
    pairs = [await world.direct(a, b) for a, b in zip(people[::2], people[1::2], strict=True)]
    group = await world.group(people[0], *people[1:12])
    for number, chat_id in enumerate(pairs):
        for text in range(5):
            said = await world.say(chat_id, people[2 * number], f"{number} {text}")
        # One of two has deleted the last for themselves: only the other gets it.
        reader = people[2 * number + 1]
        await world.message.as_(reader).ask("DELETE", f"/messages/{said['messageId']}", gives=204, **{"for": "me"})
    await world.say(group, people[3], "to all")
    await world.chat.as_(people[4]).ask("POST", f"/chats/{group}/leave")
    late = await world.say(group, people[5], "after one has left")
    body = {"since": None, "positions": dict.fromkeys(pairs, 3), "limit": 500}

    async def sync(person: str) -> Any:
        found = await world.chat.as_(person).ask("POST", "/sync", body)
        return {key: found[key] for key in ("chats", "log", "hidden", "removed")}

    alone = [await sync(person) for person in people]
    message, users = world.wires["message"].calls, world.wires["user"].calls
    message.clear()
    users.clear()
    together = await asyncio.gather(*(sync(person) for person in people))
    assert together == alone
    assert [len(one["hidden"]) for one in together] == [0, 1] * 10
    ids = [{item["messageId"] for page in one["log"].values() for item in page["items"]} for one in together]
    assert [late["messageId"] in each for each in ids[:12]] == [True] * 4 + [False] + [True] * 7
    calls = message["GetChatStates"], message["GetUnreadCounts"], message["GetEntries"], users["GetUsers"]
    assert max(calls) <= 10, "20 came, and were asked for together"

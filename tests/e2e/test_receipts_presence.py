"""Marks and presence: who is told what, when, and what privacy and blocks hide."""

import asyncio

from tests.support.people import Live, Person
from tests.support.running import System
from tests.support.samples import EVERYONE, NOWHERE


async def quiet(live: Live, sender: Person, receiver: Person) -> None:
    """Wait until all that came before a new message in another chat has come."""
    mark = sender.say(sender.group(receiver), "mark")
    await live.until("message.new", messageId=mark["messageId"])


async def test_marks_reach_the_peer_and_ones_own_devices(ann: Person, ben: Person, chat: str) -> None:
    a, b, other = await ann.open(), await ben.open(), await ben.open()
    sent = await a.send(chat)
    await b.ask("message.delivered", "ack", chatId=chat, seq=sent["seq"])
    for live in (a, other):
        await live.until("message.status.updated", chatId=chat, userId=ben.id, status="delivered", seq=sent["seq"])
    assert ann.chat(chat)["othersDeliveredSeq"] == sent["seq"]
    await b.ask("message.read", "ack", chatId=chat, seq=sent["seq"])
    for live in (a, other):
        await live.until("message.status.updated", userId=ben.id, status="read", seq=sent["seq"])
    assert (ann.chat(chat)["othersReadSeq"], ben.chat(chat)["readSeq"]) == (sent["seq"], sent["seq"])


async def test_a_read_mark_implies_delivered(ann: Person, ben: Person) -> None:
    room = ann.group(ben)
    sent = ann.say(room)
    live = await ben.open()
    await live.say("message.read", chatId=room, seq=sent["seq"], ref="read")
    kinds = ("ack", "message.status.updated")
    wanted = {"ack", "read"}  # in either order
    while wanted:
        frame = await live.until_any(*kinds)
        wanted.discard("ack" if frame["type"] == "ack" and frame["ref"] == "read" else frame.get("status", ""))
    shown = ann.chat(room)
    assert (shown["othersReadSeq"], shown["othersDeliveredSeq"]) == (sent["seq"], sent["seq"])


async def test_marks_only_move_forward_and_never_above_the_log(ann: Person, ben: Person) -> None:
    room = ann.group(ben)
    said = [ann.say(room)["seq"] for _ in range(3)]
    live = await ben.open()
    for seq in (said[2], said[0], 0, 2**53 - 1):
        await live.ask("message.read", "ack", chatId=room, seq=seq)
        shown = ben.ask("POST", "/messages/read", {"messageIds": []})
        assert shown["chats"] == []
        for _ in range(100):
            if ben.chat(room)["readSeq"] == said[2]:
                break
            await asyncio.sleep(0.02)
        assert ben.chat(room)["readSeq"] == said[2]
    later = ann.say(room)
    assert ben.chat(room)["unreadCount"] == 1
    assert later["seq"] == said[2] + 1


async def test_in_a_group_marks_go_to_the_authors_covered(system: System, ann: Person, ben: Person) -> None:
    third = Person(system.base_url)
    room = ann.group(ben, third)
    a, c, b = await ann.open(), await third.open(), await ben.open()
    sent = await a.send(room)
    await b.ask("message.read", "ack", chatId=room, seq=sent["seq"])
    await a.until("message.status.updated", chatId=room, userId=ben.id, status="read", seq=sent["seq"])
    await quiet(c, ann, third)
    assert not [f for f in c.seen if f["type"] == "message.status.updated"]


async def test_in_a_group_marks_are_told_once_a_second(ann: Person, ben: Person) -> None:
    room = ann.group(ben)
    a, b = await ann.open(), await ben.open()
    sent = [await a.send(room) for _ in range(8)]
    began = asyncio.get_running_loop().time()
    for frame in sent:
        await b.ask("message.delivered", "ack", chatId=room, seq=frame["seq"])
        await asyncio.sleep(0.08)  # longer than marks are gathered before they are written
    await a.until("message.status.updated", chatId=room, status="delivered", seq=sent[-1]["seq"])
    took = asyncio.get_running_loop().time() - began
    told = [f for f in a.seen if f["type"] == "message.status.updated" and f["chatId"] == room]
    assert len(told) <= 1 + took, [f["seq"] for f in told]


async def test_marks_of_outsiders_and_unknown_chats_are_refused(ann: Person, eve: Person, chat: str) -> None:
    live = await eve.open()
    for type_ in ("message.delivered", "message.read"):
        await live.refused(type_, "not_found", chatId=chat, seq=1)
        await live.refused(type_, "not_found", chatId=NOWHERE, seq=1)


async def test_without_read_receipts_reading_is_ones_own(system: System) -> None:
    one, two = Person(system.base_url), Person(system.base_url)
    room = one.direct(two)
    two.ask("PUT", "/users/me/privacy", EVERYONE | {"readReceipts": False})
    a, b, other = await one.open(), await two.open(), await two.open()
    sent = await a.send(room)
    await b.ask("message.read", "ack", chatId=room, seq=sent["seq"])
    await other.until("message.status.updated", status="read", seq=sent["seq"])
    await a.until("message.status.updated", status="delivered", seq=sent["seq"])
    back = await b.send(room)
    await a.ask("message.read", "ack", chatId=room, seq=back["seq"])
    await b.until("message.status.updated", userId=one.id, status="delivered", seq=back["seq"])
    for live, sender, receiver in ((a, two, one), (b, one, two)):
        await quiet(live, sender, receiver)
        read = [f for f in live.seen if f["type"] == "message.status.updated" and f["status"] == "read"]
        assert {f["userId"] for f in read} <= {receiver.id}  # their own alone
    assert one.chat(room)["othersReadSeq"] == 0
    assert two.chat(room)["othersReadSeq"] == 0
    receipt = one.ask("GET", f"/messages/{sent['messageId']}/receipts")["items"][0]
    assert receipt["deliveredAt"] is not None
    assert receipt["readAt"] is None


async def test_a_subscription_is_answered_and_follows(system: System, ann: Person) -> None:
    watched = Person(system.base_url)
    live = await ann.open()
    await live.say("presence.subscribe", userIds=[watched.id])
    await live.until("presence.updated", userId=watched.id, status="offline")
    theirs = await watched.open()
    await live.until("presence.updated", userId=watched.id, status="online", lastSeen=None)
    await live.ask("presence.unsubscribe", "ack", userIds=[watched.id])
    seen = len(live.seen)
    watched.ask("PUT", "/users/me/privacy", EVERYONE | {"online": "nobody"})
    await quiet(live, watched, ann)
    assert not [f for f in live.seen[seen:] if f["type"] == "presence.updated"]
    await live.say("presence.subscribe", userIds=[watched.id])
    await live.until("presence.updated", userId=watched.id, status="offline")
    await theirs.socket.close()


async def test_hidden_presence_is_offline_without_last_seen(system: System, ann: Person) -> None:
    hidden = Person(system.base_url)
    hidden.ask("PUT", "/users/me/privacy", EVERYONE | {"online": "nobody", "lastSeen": "nobody"})
    theirs, live = await hidden.open(), await ann.open()
    await live.say("presence.subscribe", userId=hidden.id)
    frame = await live.until("presence.updated", userId=hidden.id)
    assert (frame["status"], frame["lastSeen"]) == ("offline", None)
    await theirs.socket.close()


async def test_who_hides_or_blocks_comes_and_goes_unseen(system: System) -> None:
    """A frame that says nothing new would tell when."""
    watcher, hidden, blocker, shown = (Person(system.base_url) for _ in range(4))
    hidden.ask("PUT", "/users/me/privacy", EVERYONE | {"online": "nobody", "lastSeen": "nobody"})
    blocker.ask("PUT", f"/users/blocked/{watcher.id}")
    everyone = {hidden.id, blocker.id, shown.id}
    live = await watcher.open()
    await live.say("presence.subscribe", userIds=[*everyone])
    assert {(await live.until("presence.updated", status="offline"))["userId"] for _ in everyone} == everyone
    answered = len(live.seen)
    theirs = [await person.open() for person in (hidden, blocker, shown)]
    await live.until("presence.updated", userId=shown.id, status="online")
    for each in theirs:
        await each.socket.close()
    gone = await live.until("presence.updated", timeout_s=25, userId=shown.id, status="offline")
    assert gone["lastSeen"] is not None
    await live.settle()  # who left before was told of before, or in the same breath
    told = [f for f in live.seen[answered:] if f["type"] == "presence.updated"]
    assert {f["userId"] for f in told} == {shown.id}
    await live.say("presence.subscribe", userIds=[*everyone])
    assert {(await live.until("presence.updated", status="offline"))["userId"] for _ in everyone} == everyone


async def test_what_privacy_and_blocks_change_is_told_to_who_watches(system: System, ann: Person) -> None:
    watched = Person(system.base_url)
    await watched.open()
    live = await ann.open()
    await live.say("presence.subscribe", userId=watched.id)
    await live.until("presence.updated", userId=watched.id, status="online")
    answered = len(live.seen)
    hiding = EVERYONE | {"online": "nobody", "lastSeen": "nobody"}
    for method, path, body, status in (
        ("PUT", "/users/me/privacy", hiding, "offline"),
        ("PUT", "/users/me/privacy", EVERYONE, "online"),
        ("PUT", f"/users/blocked/{ann.id}", None, "offline"),
        ("DELETE", f"/users/blocked/{ann.id}", None, "online"),
    ):
        watched.ask(method, path, body, gives=204 if method == "DELETE" else 200)
        await live.until("presence.updated", userId=watched.id, status=status, lastSeen=None)
    await live.settle()
    assert len([f for f in live.seen[answered:] if f["type"] == "presence.updated"]) == 4


async def test_a_blocked_pair_neither_writes_nor_types_nor_sees(system: System, ann: Person) -> None:
    one, two = Person(system.base_url), Person(system.base_url)
    room = one.direct(two)
    a, b = await one.open(), await two.open()
    two.ask("PATCH", "/users/me", {"about": "here"})
    two.ask("PUT", f"/users/blocked/{one.id}")
    for live, person in ((a, one), (b, two)):
        await live.refused("message.send", "blocked", chatId=room, clientMsgId="x", content="x")
        person.refused("POST", f"/chats/{room}/messages", {"clientMsgId": "y", "content": "x"}, code="blocked")
    await a.say("presence.subscribe", userIds=[two.id])
    frame = await a.until("presence.updated", userId=two.id)
    assert (frame["status"], frame["lastSeen"]) == ("offline", None)
    assert one.ask("GET", f"/users/{two.id}/presence")["status"] == "offline"
    seen = one.ask("GET", f"/users/{two.id}")
    assert (seen["about"], seen["avatar"], seen["lastSeen"], seen["isBlocked"]) == (None, None, None, False)
    await a.say("typing.start", chatId=room)
    await quiet(b, ann, two)
    assert not [f for f in b.seen if f["type"] == "typing.start"]
    two.ask("DELETE", f"/users/blocked/{one.id}", gives=204)
    await a.send(room, "again")

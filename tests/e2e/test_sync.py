"""`POST /sync`: what a device that was away needs, and no less."""

from typing import Any

import pytest
from tests.support import shapes
from tests.support.people import Person
from tests.support.running import System
from tests.support.samples import NOWHERE


class Device:
    """What a client holds: positions per chat, the cursor, and every entry it was given."""

    def __init__(self, person: Person, limit: int = 500) -> None:
        self.person, self.limit = person, limit
        self.since: str | None = None
        self.positions: dict[str, int] = {}
        self.chats: dict[str, dict[str, Any]] = {}
        self.entries: dict[str, list[dict[str, Any]]] = {}
        self.hidden: set[str] = set()
        self.removed: list[str] = []
        self.rounds = 0

    def sync(self) -> "Device":
        """Until `hasMore` is false."""
        while True:
            body = {"since": self.since, "positions": self.positions, "limit": self.limit}
            found = self.person.ask("POST", "/sync", body, of=shapes.Synced)
            self.rounds += 1
            assert sum(len(page["items"]) for page in found["log"].values()) <= self.limit
            self.since = found["since"]
            self.chats |= {chat["id"]: chat for chat in found["chats"]}
            self.hidden |= set(found["hidden"])
            self.removed += found["removed"]
            for chat_id, page in found["log"].items():
                at = max(self.positions.get(chat_id, 0), self.chats[chat_id]["joinedSeq"] - 1)
                assert page["fromSeq"] <= at + 1, "a gap"
                self.entries.setdefault(chat_id, []).extend(i for i in page["items"] if i["seq"] > at)
                self.positions[chat_id] = max(at, page["toSeq"])
            if not found["hasMore"]:
                return self
            assert self.rounds < 100


def test_a_new_device_gets_every_chat_and_entry_in_pages(fresh: Person, ben: Person) -> None:
    rooms = [fresh.group(ben, name=f"r{n}") for n in range(4)]
    for room in rooms:
        for n in range(7):
            fresh.say(room, f"n{n}")
    whole, paged = Device(ben).sync(), Device(ben, limit=5).sync()
    assert paged.rounds > 3
    for room in rooms:
        assert [item["seq"] for item in whole.entries[room]] == list(range(1, 9))
        assert paged.entries[room] == whole.entries[room]
        assert paged.positions[room] == paged.chats[room]["lastSeq"] == 8


def test_what_happened_since_is_told_with_chats_that_changed(fresh: Person, ben: Person) -> None:
    room, other = fresh.group(ben), fresh.group(ben)
    device = Device(ben).sync()
    message = fresh.say(room, "new")
    fresh.ask("PUT", f"/messages/{message['messageId']}/reaction", {"emoji": "\N{THUMBS UP SIGN}"})
    made = fresh.group(ben, name="made later")
    before = {chat: len(items) for chat, items in device.entries.items()}
    device.sync()
    assert [item["kind"] for item in device.entries[room][before[room] :]] == ["message", "change"]
    assert device.entries[room][-1]["message"]["reactions"][0]["count"] == 1
    assert device.chats[room]["unreadCount"] == 1
    assert device.chats[made]["name"] == "made later"
    assert len(device.entries[other]) == before[other]
    # What changes a chat's object without an entry is told too.
    fresh.ask("PATCH", "/users/me", {"name": "Renamed"})
    ben.ask("PUT", f"/chats/{room}/settings", {"archived": True})
    ben.ask("POST", "/messages/read", {"messageIds": [message["messageId"]]})
    device.sync()
    assert device.chats[room]["settings"]["archived"] is True
    assert device.chats[room]["unreadCount"] == 0


def test_the_window_of_one_who_joined_late_left_or_was_removed(fresh: Person, ben: Person, ann: Person) -> None:
    room = fresh.group(ann)
    fresh.say(room, "before ben")
    fresh.ask("POST", f"/chats/{room}/members", {"userIds": [ben.id]})
    within = fresh.say(room, "with ben")
    fresh.ask("DELETE", f"/chats/{room}/members/{ben.id}", gives=204)
    fresh.say(room, "after ben")
    device = Device(ben).sync()
    kept = device.chats[room]
    assert kept["membership"] == "removed"
    seen = [item["seq"] for item in device.entries[room]]
    assert seen == list(range(kept["joinedSeq"], kept["leftSeq"] + 1))
    assert within["seq"] in seen


def test_positions_of_chats_one_may_not_know_are_removed(ben: Person, eve: Person, ann: Person) -> None:
    foreign = ann.group(eve)
    found = ben.ask("POST", "/sync", {"since": None, "positions": {foreign: 5, NOWHERE: 1}}, of=shapes.Synced)
    assert sorted(found["removed"]) == sorted([foreign, NOWHERE])
    assert foreign not in [chat["id"] for chat in found["chats"]]
    assert foreign not in found["log"]


def test_positions_ahead_of_the_log_get_nothing_and_no_error(fresh: Person) -> None:
    room = fresh.group()
    found = fresh.ask("POST", "/sync", {"since": None, "positions": {room: 2**53 - 1}}, of=shapes.Synced)
    assert found["log"].get(room, {"items": []})["items"] == []


def test_the_epoch_is_that_of_the_socket_and_stays(ann: Person, ben: Person) -> None:
    epochs = {p.ask("POST", "/sync", {"since": None, "positions": {}})["logEpoch"] for p in (ann, ben)}
    assert len(epochs) == 1
    assert epochs != {""}


BAD: list[Any] = [
    {"since": 5}, {"since": "nonsense"}, {"since": None, "positions": []}, {"since": None, "positions": {"x": -1}},
    {"since": None, "positions": {"x": "y"}}, {"since": None, "positions": {}, "limit": 0},
    {"since": None, "positions": {}, "limit": "x"}, [], None,
]  # fmt: skip


@pytest.mark.parametrize("body", BAD)
def test_a_bad_sync_is_refused(ann: Person, body: Any) -> None:
    ann.refused("POST", "/sync", body, code="invalid_request")


def test_anothers_cursor_is_refused(ann: Person, ben: Person) -> None:
    since = ann.ask("POST", "/sync", {"since": None, "positions": {}})["since"]
    ben.refused("POST", "/sync", {"since": since, "positions": {}}, code="invalid_request")
    altered = since[:-2] + ("AA" if since[-2:] != "AA" else "BB")
    ann.refused("POST", "/sync", {"since": altered, "positions": {}}, code="invalid_request")


async def test_old_state_and_frames_equal_a_fresh_sync(system: System, ann: Person, ben: Person) -> None:
    """Each action is told: what a device knows from frames is what a new one gets."""
    room = ann.group(ben)
    device, live = Device(ben).sync(), await ben.open()
    messages = [ann.say(room, f"m{n}")["messageId"] for n in range(4)]
    ann.ask("PATCH", f"/messages/{messages[0]}", {"content": "edited"})
    ann.ask("DELETE", f"/messages/{messages[1]}", gives=204)
    ann.ask("PUT", f"/messages/{messages[2]}/reaction", {"emoji": "\N{THUMBS UP SIGN}"})
    ann.ask("PUT", f"/messages/{messages[3]}/pin")
    ann.ask("PATCH", f"/chats/{room}", {"name": "Renamed"})
    end = ann.say(room, "end")
    await live.until("message.new", messageId=end["messageId"])
    numbers = sorted(
        {f["seq"] for f in live.seen if f.get("chatId") == room and f["type"].startswith("message.") and f.get("seq")}
    )
    assert numbers == list(range(device.positions[room] + 1, end["seq"] + 1))
    again = Device(ben).sync()
    device.sync()
    assert [item["seq"] for item in device.entries[room]] == [item["seq"] for item in again.entries[room]]

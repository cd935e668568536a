"""`tidings tail` on a store, without a server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tidings.cli.tail import _Printer
from tidings.client import Client
from tidings.client import model as m

AT = "2026-01-01T10:00:00.000Z"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client("http://127.0.0.1:9")
    client._store.begin("me")
    settings: m.Json = {"settings": {}, "permissions": {}, "disappearingSeconds": None, "pinnedMessageIds": []}
    for chat_id in ("a", "b"):
        chat: m.Json = {
            "id": chat_id, "type": "group", "name": chat_id.upper(), "description": None, "avatar": None,
            "peer": None, "memberCount": 2, "myRole": "member", "membership": "member", "joinedSeq": 1,
            "leftSeq": None, "lastSeq": 0, "lastMessage": None, "unreadCount": 0, "mentionCount": 0, "readSeq": 0,
            "deliveredSeq": 0, "othersReadSeq": 0, "othersDeliveredSeq": 0, "createdAt": AT, "updatedAt": AT,
        } | settings  # fmt: skip
        client._store.apply([m.PutChat(chat=chat)])
    client._store.put_people([{"id": "ben", "name": "Ben", "updatedAt": AT}])
    yield client
    await client.close()


def say(client: Client, chat_id: str, *seqs: int, **fields: Any) -> None:
    """Ben says something, or it is told again with other fields."""
    client._store.apply(
        [
            m.PutMessage(
                message={
                    "kind": "message", "messageId": f"{chat_id}{seq}", "chatId": chat_id, "senderId": "ben", "seq": seq,
                    "clientMsgId": f"x{seq}", "content": {"kind": "text", "text": f"line {seq}"}, "createdAt": AT,
                } | fields
            )
            for seq in seqs
        ]
    )  # fmt: skip


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.split(" ", 2)[2] for line in capsys.readouterr().out.splitlines()]


async def test_all_that_came_is_printed_at_once(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    printer = _Printer(client, "", False)
    await printer.begin(10, True)
    say(client, "a", *range(1, 1202))
    await printer.tell(frozenset({"a"}))
    assert told(capsys) == [f"[A] Ben: line {seq}" for seq in range(1, 1202)]


async def test_where_events_were_missed_all_chats_are_compared(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    say(client, "a", 1)
    say(client, "b", 1)
    printer = _Printer(client, "", False)
    await printer.begin(0, True)
    say(client, "a", 1, reactions=[{"emoji": "❤", "count": 1, "mine": False}])
    say(client, "b", 2)
    await printer.tell(None)
    assert sorted(told(capsys)) == ["[A] Somebody reacted ❤ to Ben: line 1", "[B] Ben: line 2"]
    await printer.tell(None)
    assert told(capsys) == []


async def test_who_does_not_follow_reads_what_is_shown_alone(
    client: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say(client, "a", *range(1, 9))
    read, asked = client.messages, []

    async def messages(chat_id: str, before: int | None = None, limit: int = 50) -> Any:
        asked.append(limit)
        return await read(chat_id, before, limit)

    monkeypatch.setattr(client, "messages", messages)
    await _Printer(client, "", False).begin(2, False)
    assert told(capsys) == ["[A] Ben: line 7", "[A] Ben: line 8"]
    assert set(asked) == {2}

"""The local store: secrets are private, a killed program finds what was committed, another person finds nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tidings.client import model as m
from tidings.client.session import Session, SessionFile
from tidings.client.store import Store, StoreInUseError

AT = "2026-01-01T00:00:00.000Z"


def message(seq: int, sender: str = "bob") -> m.Json:
    return {
        "kind": "message", "messageId": f"m{seq}", "chatId": "c", "senderId": sender, "seq": seq,
        "clientMsgId": f"x{seq}", "content": {"kind": "text", "text": f"line {seq}"}, "createdAt": AT,
    }  # fmt: skip


def test_secrets_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    sessions = SessionFile(tmp_path / "me")
    for token in ("first", "second"):
        sessions.save(Session(user_id="me", access_token="a", refresh_token=token, expires_at_ms=1))
    assert (tmp_path / "me" / "session.json").stat().st_mode & 0o777 == 0o600
    found = SessionFile(tmp_path / "me").load()
    assert found is not None
    assert found.refresh_token == "second"


def test_a_store_is_open_in_one_program_only(tmp_path: Path) -> None:
    store = Store(tmp_path / "me")
    with pytest.raises(StoreInUseError):
        Store(tmp_path / "me")
    store.close()
    Store(tmp_path / "me").close()


def test_words_are_found_in_any_case_and_script(tmp_path: Path) -> None:
    store = Store(None)
    store.begin("me")
    said = {1: "Grüße aus KÖLN", 2: "привет, Мир", 3: "nothing"}
    for seq, text in said.items():
        body = message(seq) | {"content": {"kind": "text", "text": text}}
        store.apply([m.PutMessage(message=body)])
    assert [row.seq for row in store.find("köln", None, 10)] == [1]
    assert [row.seq for row in store.find("мир", "c", 10)] == [2]
    assert store.find("мир", "another", 10) == []
    assert [row.seq for row in store.find("n", None, 10)] == [3, 1]
    store.close()


def chat(**fields: object) -> m.Json:
    whole: m.Json = {
        "id": "c", "type": "direct", "name": None, "description": None, "avatar": None, "peer": None,
        "memberCount": 2, "myRole": "member", "membership": "member", "joinedSeq": 1, "leftSeq": None, "lastSeq": 0,
        "lastMessage": None, "unreadCount": 0, "mentionCount": 0, "readSeq": 0, "deliveredSeq": 0, "othersReadSeq": 0,
        "othersDeliveredSeq": 0, "settings": {}, "permissions": {}, "disappearingSeconds": None,
        "pinnedMessageIds": [], "createdAt": AT, "updatedAt": AT,
    }  # fmt: skip
    return whole | fields


def test_what_is_not_stored_yet_is_last_and_the_newest_are_found_by_an_index() -> None:
    store = Store(None)
    store.begin("me")
    store.apply([m.PutMessage(message=message(seq)) for seq in (2, 1, 3)])
    for key in ("one", "two"):
        store.apply(
            [m.PutOptimistic(chat_id="c", client_msg_id=key, content={}, created_at=AT, reply_to=None, mentions=[])]
        )
    asked: list[str] = []
    store._db.set_trace_callback(asked.append)
    found = [[row.seq or row.client_msg_id for row in store.messages("c", limit=limit)] for limit in (1, 3, 9)]
    assert found == [["two"], [3, "one", "two"], [1, 2, 3, "one", "two"]]
    assert [row.seq for row in store.messages("c", before=3, limit=9)] == [1, 2]
    store._db.set_trace_callback(None)
    for query in asked:
        plan = [row["detail"] for row in store._db.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert len(plan) == 1, plan
        assert plan[0].startswith("SEARCH messages USING INDEX"), plan
    store.close()


def test_only_the_chat_with_oneself_is_notes() -> None:
    store = Store(None)
    store.begin("me")
    unknown = chat()
    store.apply([m.PutChat(chat=unknown)])
    assert [(row.notes, row.title) for row in store.chats()] == [(False, "Someone")]
    store.apply([m.PutChat(chat=unknown | {"peer": {"id": "me", "name": "Ada", "updatedAt": AT}})])
    assert [(row.notes, row.title) for row in store.chats()] == [(True, "Notes to self")]
    store.close()


def test_what_a_killed_program_committed_is_there(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from tidings.client import model as m
from tidings.client.store import Store
from tests.unit.client.test_store import message
store = Store(Path(sys.argv[1]))
store.begin("me")
for seq in range(1, 100_000):
    entry = m.Entry(id=f"a{seq}", chat_id="c", frame={"type": "message.send"})
    store.apply([m.OutboxPut(entry=entry), m.PutMessage(message=message(seq)), m.SetPosition(chat_id="c", seq=seq)])
    print(seq, flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "me")], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(50)]
    os.kill(child.pid, signal.SIGKILL)
    told += [int(line) for line in child.stdout]
    child.wait()
    store = Store(tmp_path / "me")
    state = store.load()
    position = state.positions["c"]
    assert position >= told[-1]
    assert [row.seq for row in store.messages("c", limit=200_000)] == list(range(1, position + 1))
    assert [entry.id for entry in state.outbox] == [f"a{seq}" for seq in range(1, position + 1)]
    store.close()


def test_another_person_finds_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "me")
    store.begin("me")
    store.apply([m.PutMessage(message=message(1)), m.SetPosition(chat_id="c", seq=1), m.SetSince(since="s")])
    store.begin("me")
    assert store.load().positions == {"c": 1}
    store.begin("eve")
    assert store.load() == m.State(user_id="eve")
    assert store.messages("c") == []
    store.close()


def test_a_step_that_fails_changes_nothing() -> None:
    store = Store(None)
    store.begin("me")
    broken: m.Json = {"messageId": "m1"}
    with pytest.raises(KeyError):
        store.apply([m.SetPosition(chat_id="c", seq=1), m.PutMessage(message=broken)])
    assert store.load().positions == {}
    store.close()


def test_what_has_no_number_is_shown_last() -> None:
    store = Store(None)
    store.begin("me")
    text: m.Json = {"kind": "text", "text": "mine"}
    store.apply([m.PutOptimistic(chat_id="c", client_msg_id="a", content=text, created_at=AT)])
    store.apply([m.PutMessage(message=message(seq)) for seq in (1, 2)])
    assert [row.text for row in store.messages("c")] == ["line 1", "line 2", "mine"]
    assert [row.text for row in store.messages("c", limit=2)] == ["line 2", "mine"]
    assert [row.text for row in store.messages("c", before=2)] == ["line 1"]
    store.close()

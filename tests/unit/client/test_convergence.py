"""Whatever is lost, doubled, reordered or cut, the store ends in the server's state."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.client import model as m
from tidings.client.core import Core
from tidings.client.model import Json
from tidings.client.store import Store

AT = "2026-01-01T00:00:00.000Z"


class Server:
    """One chat as the contract describes it: a log, messages as they are now, reactions per person."""

    def __init__(self) -> None:
        self.log: list[Json] = []  # what `after` answers, without the messages of changes
        self.now: dict[str, Json] = {}
        self.reactions: dict[str, dict[str, str]] = {}
        self.hidden: set[str] = set()
        self.frames: list[Json] = []  # on their way to the client
        self.delivered = 0

    def post(self, sender: str, client_id: str, text: str) -> Json:
        for entry in self.log:
            if entry["kind"] == "message" and (entry["senderId"], entry["clientMsgId"]) == (sender, client_id):
                return entry
        seq = len(self.log) + 1
        message: Json = {
            "kind": "message", "messageId": f"m{seq}", "chatId": "c", "senderId": sender, "seq": seq,
            "clientMsgId": client_id, "content": {"kind": "text", "text": text}, "mentions": [], "reactions": [],
            "createdAt": AT, "deletedAt": None, "editedAt": None,
        }  # fmt: skip
        self.log.append(message)
        self.now[message["messageId"]] = dict(message)
        if sender != "me":
            self.frames.append({"type": "message.new", **message})
        return message

    def change(self, which: int, what: str) -> None:
        targets = [e for e in self.log if e["kind"] == "message"]
        if not targets:
            return
        target = targets[which % len(targets)]
        message = self.now[target["messageId"]]
        seq = len(self.log) + 1
        frame: Json = {"messageId": target["messageId"], "chatId": "c", "seq": seq, "targetSeq": target["seq"]}
        frame["userId"] = "bob"
        if what == "hide":
            self.hidden.add(target["messageId"])
            self.frames.append(frame | {"type": "message.deleted", "seq": None, "for": "me"})
            return
        if message["deletedAt"] is not None:
            return
        if what == "edited":
            message |= {"content": {"kind": "text", "text": f"edited at {seq}"}, "editedAt": AT}
            frame |= {"type": "message.edited", "content": message["content"], "editedAt": AT}
        elif what == "deleted":
            message |= {"content": None, "deletedAt": AT, "reactions": []}
            frame |= {"type": "message.deleted", "for": "everyone", "at": AT}
        else:
            message["reactions"] = [{"emoji": f"{seq}", "count": 1, "mine": False}]
            frame |= {"type": "message.reaction", "emoji": f"{seq}"}
        self.log.append({"kind": "change", "change": what, **frame})
        self.frames.append(frame)

    def page(self, after: int, limit: int) -> Json:
        found = self.log[after : after + limit]
        items = [
            e | {"message": dict(self.now[e["messageId"]])} if e["kind"] == "change" else dict(self.now[e["messageId"]])
            for e in found
            if e["messageId"] not in self.hidden
        ]
        more = after + len(found) < len(self.log)
        return {"items": items, "fromSeq": after + 1, "toSeq": after + len(found), "hasMore": more}

    def sync(self, positions: dict[str, int], limit: int) -> Json:
        page = self.page(positions.get("c", 0), limit)
        log = {"c": page} if page["toSeq"] > positions.get("c", 0) else {}
        return {
            "chats": [], "removed": [], "hidden": sorted(self.hidden), "log": log,
            "since": "s", "hasMore": page["hasMore"], "logEpoch": "e", "serverTime": AT,
        }  # fmt: skip


class Client:
    """The core with its store and what it waits for."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.store = Store(None)
        self.store.begin("me")
        self.now = 0
        self.pending: list[m.Effect] = []
        self.core = Core(self.store.load())

    def give(self, given: m.Input) -> None:
        step = self.core.handle(given, self.now)
        self.store.apply(step.ops)
        for effect in step.effects:
            if isinstance(effect, m.SendFrame):
                self._to_server(effect.frame)
            elif isinstance(effect, m.CallSync | m.Fetch | m.Look):
                self.pending.append(effect)

    def _to_server(self, frame: Json) -> None:
        if frame["type"] == "message.send":
            got = self.server.post("me", frame["clientMsgId"], frame["content"]["text"])
            self.server.frames.append(
                {"type": "message.sent", "createdAt": AT}
                | {k: got[k] for k in ("clientMsgId", "messageId", "chatId", "seq")}
            )
        elif frame["type"] == "message.delivered":
            self.server.delivered = max(self.server.delivered, frame["seq"])

    def connect(self) -> None:
        self.server.frames.clear()  # what was on its way to the old socket
        self.give(m.Closed())
        ready = {"type": "ready", "userId": "me", "sessionId": "s", "serverTime": AT, "heartbeatSeconds": 30}
        self.give(m.Frame(frame=ready | {"logEpoch": "e"}))

    def restart(self) -> None:
        self.pending.clear()
        self.server.frames.clear()
        self.core = Core(self.store.load())

    def frame(self, index: int, *, keep: bool, lose: bool) -> None:
        frames = self.server.frames
        if frames and self.core.online:
            at = index % len(frames)
            found = frames[at] if keep else frames.pop(at)
            # An answer to a send is lost only with its socket; anything else may be lost by a missed publish.
            if not lose or found["type"] == "message.sent":
                self.give(m.Frame(frame=found))

    def answer(self, index: int, *, fail: bool, limit: int) -> None:
        if not self.pending:
            return
        asked = self.pending.pop(index % len(self.pending))
        if isinstance(asked, m.CallSync):
            if fail:
                self.give(m.SyncFailed(round=asked.round, code="unavailable"))
            else:
                self.give(m.Synced(round=asked.round, answer=self.server.sync(asked.positions, limit)))
        elif isinstance(asked, m.Fetch):
            page = self.server.page(asked.after, limit)
            if fail:
                self.give(m.FetchFailed(round=asked.round, chat_id="c", code="unavailable"))
            else:
                self.give(m.Fetched(round=asked.round, chat_id="c", after=asked.after, page=page))
        elif isinstance(asked, m.Look):
            message = self.server.now[asked.message_id]
            self.give(m.Looked(message_id=asked.message_id, message=dict(message)))

    def settle(self) -> None:
        self.connect()
        for _ in range(400):
            while self.server.frames:
                self.frame(0, keep=False, lose=False)
            while self.pending:
                self.answer(0, fail=False, limit=3)
            self.now += 1_000
            self.give(m.Tick())


index = st.integers(0, 20)
action = st.one_of(
    st.tuples(st.just("post"), index),
    st.tuples(st.just("send"), index),
    st.tuples(st.sampled_from(["edited", "deleted", "reaction", "hide"]), index),
    st.tuples(st.sampled_from(["frame", "frame", "frame", "twice", "lose"]), index),
    st.tuples(st.sampled_from(["answer", "answer", "fail"]), index),
    st.tuples(st.sampled_from(["connect", "cut", "restart"]), index),
    st.tuples(st.just("wait"), st.integers(0, 20)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(action, max_size=60))
def test_any_interleaving_ends_in_the_servers_state(actions: list[tuple[str, int]]) -> None:
    server = Server()
    client = Client(server)
    client.connect()
    sent = 0
    for what, n in actions:
        match what:
            case "post":
                server.post("bob", f"b{len(server.log)}", f"from bob {len(server.log)}")
            case "send":
                sent += 1
                content = {"kind": "text", "text": f"mine {sent}"}
                client.give(m.Send(chat_id="c", client_msg_id=f"a{sent}", content=content, created_at=AT))
            case "edited" | "deleted" | "reaction" | "hide":
                server.change(n, what)
            case "frame" | "twice" | "lose":
                client.frame(n, keep=what == "twice", lose=what == "lose")
            case "answer" | "fail":
                client.answer(n, fail=what == "fail", limit=1 + n % 4)
            case "connect":
                client.connect()
            case "cut":
                client.give(m.Closed())
            case "restart":
                client.restart()
            case "wait":
                client.now += n * 40
                client.give(m.Tick())
    client.settle()
    shown = client.store.messages("c", limit=1000)
    expected: list[Any] = [e for e in server.log if e["kind"] == "message" and e["messageId"] not in server.hidden]
    assert [row.message_id for row in shown] == [e["messageId"] for e in expected]
    assert all(row.state == "stored" for row in shown)
    for row, entry in zip(shown, expected, strict=True):
        truth = server.now[entry["messageId"]]
        assert row.content == truth["content"]
        assert [r.emoji for r in row.reactions] == [r["emoji"] for r in truth["reactions"]]
    mine = [row.client_msg_id for row in shown if row.sender_id == "me"]
    assert mine == sorted(mine, key=lambda i: int((i or "a0")[1:]))
    assert len([e for e in server.log if e["kind"] == "message" and e["senderId"] == "me"]) == sent
    state = client.store.load()
    assert (state.outbox, state.stale, state.positions.get("c", 0)) == ([], [], len(server.log))
    assert client.core.settled

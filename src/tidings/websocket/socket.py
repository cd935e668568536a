"""One connection: frames in, checked and counted; frames out, bounded."""

import asyncio
import contextlib
import functools
import random
from collections.abc import Callable
from typing import Final, cast

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport
from prometheus_client import Counter

from tidings.contracts import frames
from tidings.contracts.frames import ClientFrame, CloseCode
from tidings.contracts.limits import Limits, Rates
from tidings.contracts.times import now_ms
from tidings.platform import logging
from tidings.websocket.assembly import Assembler, ProtocolError, text_frames
from tidings.websocket.settings import Settings

_log = logging.get(__name__)

FRAMES_IN: Final = Counter("tidings_frames_received_total", "Frames from clients", ["type"])
FRAMES_OUT: Final = Counter("tidings_frames_sent_total", "Frames to clients")
RESTED: Final = Counter("tidings_sockets_rested_total", "Sockets not read for a moment, since what they say is refused")
CLOSED: Final = Counter("tidings_sockets_closed_total", "Sockets closed by the server", ["code"])
CLOSE_WAIT_S: Final = 2.0
REST_S: Final = 0.05  # between two reads of a client whose frames are refused as too many


@functools.cache
def _received(kind: str) -> Counter:
    """The counter of one type of frame: finding it anew for each frame costs more than counting."""
    return FRAMES_IN.labels(kind)


class _Named(msgspec.Struct, rename="camel"):
    """What an error can repeat of a frame that is not valid."""

    type: str = ""
    ref: str | None = None
    client_msg_id: str | None = None


_NAMED: Final = msgspec.json.Decoder(_Named)


class Identity(msgspec.Struct, frozen=True):
    """Whom the gateway let in."""

    user_id: str
    session_id: str
    expires_at_ms: int
    request_id: str


class Turn:
    """Owner of the sockets that were given frames in this turn of the loop."""

    def __init__(self) -> None:
        self._sockets: list[Socket] = []

    def add(self, socket: "Socket") -> None:
        """It has something to write."""
        if not self._sockets:
            asyncio.get_running_loop().call_soon(self._end)
        self._sockets.append(socket)

    def _end(self) -> None:
        sockets, self._sockets = self._sockets, []
        for socket in sockets:
            socket.flush()


class Socket(WSListener):
    """Owner of its own state; `act` is given each valid frame, `gone` is called once at the end."""

    def __init__(
        self,
        number: str,
        identity: Identity,
        settings: Settings,
        limits: Limits,
        rates: Rates,
        turn: Turn,
        opened: Callable[["Socket"], None],
        act: Callable[["Socket", ClientFrame], None],
        gone: Callable[["Socket"], None],
    ) -> None:
        self.id = number
        self.user_id, self.session_id = identity.user_id, identity.session_id
        self.expires_at_ms = identity.expires_at_ms
        self.request_id = identity.request_id
        # Whom it watches, and what it was told of them last (online, last seen in ms); None: nothing yet.
        self.watching: dict[str, tuple[bool, int] | None] = {}
        self.unanswered = 0
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        # Sockets that came together are not pinged together.
        self.pinged_at = now - random.uniform(0, settings.heartbeat_s)  # noqa: S311
        self._settings, self._rates = settings, rates
        self._opened, self._act, self._gone = opened, act, gone
        self._assembler = Assembler(limits.frame_bytes)
        self._transport: WSTransport | None = None
        self._early: list[ClientFrame] | None = []
        self._tokens, self._refilled = float(rates.socket_frames_burst), now
        self._flooded_since: float | None = None
        self._malformed: list[float] = []
        self._lagging = self._resting = False
        self._turn = turn
        self._out: list[bytes] = []  # of this turn of the loop
        self.closing = False

    # -- from picows ---------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=self._settings.outgoing_bytes)
        self._opened(self)

    def on_ws_disconnected(self, _: WSTransport) -> None:
        self.closing = True
        self._transport = None
        self._gone(self)

    def pause_writing(self) -> None:
        """More waits for this reader than is allowed."""
        self._lagging = True
        self.close(CloseCode.SLOW, "too slow to read")

    def resume_writing(self) -> None:
        self._lagging = False

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.closing and frame.msg_type != WSMsgType.CLOSE:
            return
        opcode = frame.msg_type.value if isinstance(frame.msg_type, WSMsgType) else int(frame.msg_type)
        payload = frame.get_payload_as_bytes()
        try:
            message = self._assembler.feed(opcode, frame.fin, frame.rsv1 or frame.rsv2 or frame.rsv3, payload)
        except ProtocolError as error:
            self.close(error.code, error.reason)
            return
        if opcode == WSMsgType.CLOSE.value:
            self.flush()
            self.closing = True
            if not transport.is_close_frame_sent:
                transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif opcode == WSMsgType.PONG.value:
            self.unanswered = 0
        elif opcode == WSMsgType.PING.value:
            if self._may_go_on(payload=b""):
                transport.send_pong(payload)
        elif message is not None and self._may_go_on(message.payload):
            self._take(message.payload, message.is_text)

    # -- in ------------------------------------------------------------------------------------------

    def _may_go_on(self, payload: bytes) -> bool:
        """The token bucket of this socket (contract: rates)."""
        now = self._loop.time()
        rate = self._rates.socket_frames_per_second
        self._tokens = min(self._rates.socket_frames_burst, self._tokens + (now - self._refilled) * rate)
        self._refilled = now
        if self._tokens >= 1:
            self._tokens -= 1
            if self._tokens > rate / 2:
                self._flooded_since = None
            return True
        if self._flooded_since is None:
            self._flooded_since = now
        if now - self._flooded_since > self._settings.flood_s:
            self.close(CloseCode.RATE, "too many frames")
        else:
            self.refuse("rate_limited", "too many frames", payload=payload, retry_after_ms=1000)
        return False

    def _take(self, payload: bytes, is_text: bool) -> None:
        if not is_text:
            self._invalid("frames are text", b"")
            return
        try:
            frame = frames.decode_client_frame(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._invalid(str(error), payload)
            return
        _received(type(frame).__name__).inc()
        if self._early is None:
            self._act(self, frame)
        elif len(self._early) < self._settings.early_frames:
            self._early.append(frame)
        else:
            self.close(CloseCode.MALFORMED, "too many frames before ready")

    def _invalid(self, reason: str, payload: bytes) -> None:
        now = asyncio.get_running_loop().time()
        self._malformed = [at for at in self._malformed if at > now - 60] + [now]
        _received("invalid").inc()
        if len(self._malformed) > self._settings.malformed_frames:
            self.close(CloseCode.MALFORMED, "repeated malformed frames")
            return
        self.refuse("invalid_frame", reason[:300], payload=payload)

    # -- out -----------------------------------------------------------------------------------------

    def ready(self, frame: bytes) -> None:
        """Registered: greet, then work on what came early."""
        early, self._early = self._early or [], None
        self.send(frame)
        for waiting in early:
            self._act(self, waiting)

    def send(self, frame: bytes, *, light: bool = False) -> None:
        """Queue a frame; before `ready` nothing is sent, since the client begins with a sync anyway. All frames of one
        turn of the loop are one write: a write costs more than making a frame."""
        if self._transport is None or self.closing or self._early is not None or (light and self._lagging):
            return
        if not self._out:
            self._turn.add(self)
        self._out.append(frame)

    def flush(self) -> None:
        """Write what was queued."""
        out, self._out = self._out, []
        if self._transport is None or not out:
            return
        FRAMES_OUT.inc(len(out))
        if len(out) == 1:
            self._transport.send(WSMsgType.TEXT, out[0])
        else:
            self._transport.underlying_transport.write(text_frames(out))

    def refuse(
        self,
        code: str,
        message: str,
        *,
        ask: ClientFrame | None = None,
        payload: bytes = b"",
        retry_after_ms: int | None = None,
    ) -> None:
        """Answer a frame with an `error`."""
        error = frames.ErrorFrame(code=code, message=message)
        if ask is not None:
            error.frame_type = str(ask.__struct_config__.tag)
            error.ref = msgspec.UNSET if ask.ref is None else ask.ref
            if isinstance(ask, frames.Send):
                error.client_msg_id = ask.client_msg_id
        elif payload:
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                known = _NAMED.decode(payload)
                error.frame_type = known.type[:64]
                error.ref = msgspec.UNSET if known.ref is None else known.ref[:64]
                error.client_msg_id = msgspec.UNSET if known.client_msg_id is None else known.client_msg_id[:64]
        if retry_after_ms is not None:
            error.retry_after_ms = retry_after_ms
        self.send(frames.encode_frame(error))
        if code == "overloaded":
            self._rest()

    def _rest(self) -> None:
        """Read nothing of it for a moment: what it goes on to say is then one read, and its refusals are one write,
        here and in the gateway. What is refused must cost little, or it costs what could be stored."""
        if self._resting or self._transport is None:
            return
        self._resting = True
        RESTED.inc()
        self._transport.underlying_transport.pause_reading()
        self._loop.call_later(REST_S, self._go_on)

    def _go_on(self) -> None:
        self._resting = False
        if self._transport is not None:
            self._transport.underlying_transport.resume_reading()

    def ack(self, ask: ClientFrame) -> None:
        """Answer a frame that has no answer of its own."""
        if ask.ref is not None:
            self.send(frames.encode_frame(frames.Ack(ref=ask.ref)))

    def ping(self, now: float) -> None:
        """The heartbeat; after two without an answer the socket is dead."""
        if self.unanswered >= 2:
            self.abort()
            return
        self.unanswered += 1
        self.pinged_at = now
        if self._transport is not None and not self.closing:
            self._transport.send_ping()

    @property
    def expired(self) -> bool:
        """Whether its access token has ended."""
        return 0 < self.expires_at_ms <= now_ms()

    def close(self, code: int, reason: str) -> None:
        """Say why, then close; a peer that does not answer is cut off."""
        if self.closing or self._transport is None:
            return
        self.flush()
        self.closing = True
        CLOSED.labels(str(code)).inc()
        _log.info("socket closed", code=code, reason=reason, user_id=self.user_id, requestId=self.request_id)
        self._transport.send_close(cast("WSCloseCode", code), reason.encode()[:120])
        self._loop.call_later(CLOSE_WAIT_S, self.abort)

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.disconnect(False)

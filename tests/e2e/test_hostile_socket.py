"""Hostile input, rows 12 to 25 of docs/protocol.md, that test_socket.py does not try: RFC 6455 byte by byte, and
peers that read too slowly or write too much."""

import asyncio
import json
import re
import struct
import time
import uuid

import httpx
import pytest
from tests.support.people import Person
from tests.support.raw import BINARY, CLOSE, PING, PONG, TEXT, RawSocket, frame
from tests.support.running import System
from tests.support.waiting import eventually

CONTINUATION = 0
PING_FRAME = b'{"type":"ping","ref":"%d"}'


async def raw(person: Person, *early: bytes) -> RawSocket:
    return await RawSocket.upgrade(person.base_url, person.token, *early)


async def ready(person: Person) -> RawSocket:
    wire = await raw(person)
    assert json.loads((await wire.read_frame())[1])["type"] == "ready"
    return wire


async def lives(wire: RawSocket) -> None:
    """It still answers."""
    wire.write(frame(TEXT, b'{"type":"ping","ref":"alive"}'))
    while True:
        opcode, payload = await wire.read_frame()
        if opcode == TEXT and json.loads(payload) == {"type": "pong", "ref": "alive"}:
            return


async def test_row_12_a_ticket_lives_30_seconds(ann: Person, system: System) -> None:
    import redis.asyncio as redis

    ann.ask("POST", "/auth/ws-ticket")
    url = system_environ(system)["TIDINGS_REDIS_URL"]
    async with redis.from_url(url) as client:
        kept = [await client.pttl(key) async for key in client.scan_iter("*:ticket:*")]
    assert kept
    assert all(0 < ms <= 30_000 for ms in kept)


def system_environ(system: System) -> dict[str, str]:
    """What a child of the supervisor is given, from the file that only its owner reads."""
    found: dict[str, str] = json.loads((system.data_dir / "state.json").read_text())["environ"]
    return found


async def test_row_14_fragments_make_one_message(ann: Person) -> None:
    wire = await ready(ann)
    text = PING_FRAME % 5
    pieces = [frame(TEXT, text[:1], fin=False)]
    pieces += [frame(CONTINUATION, bytes([byte]), fin=False) for byte in text[1:-1]]
    pieces.append(frame(CONTINUATION, text[-1:]))
    assert len(pieces) <= 64
    wire.write(pieces[0] + frame(PING, b"between") + b"".join(pieces[1:]))
    answers = [await wire.read_frame() for _ in range(2)]
    assert (PONG, b"between") in answers
    assert (TEXT, b'{"type":"pong","ref":"5"}') in answers


BROKEN: dict[str, tuple[list[bytes], set[int]]] = {
    "13 a frame of 64 KB and one byte": ([frame(TEXT, b"x" * 65_537)], {1009}),
    "14 pieces of 64 KB and one byte": (
        [frame(TEXT, b"x" * 30_000, fin=False), frame(CONTINUATION, b"x" * 30_000, fin=False),
         frame(CONTINUATION, b"x" * 5_537)], {1009},
    ),
    "14 too many pieces": (
        [frame(TEXT, b"x", fin=False), *[frame(CONTINUATION, b"x", fin=False)] * 64], {1009},
    ),
    "14 a piece of nothing": ([frame(CONTINUATION, b"x")], {1002}),
    "14 a message within another": ([frame(TEXT, b"x", fin=False), frame(TEXT, b"x")], {1002}),
    "15 RSV1": ([frame(TEXT, PING_FRAME % 1, reserved=4)], {1002}),
    "15 RSV2": ([frame(TEXT, PING_FRAME % 1, reserved=2)], {1002}),
    "15 RSV3 in a ping": ([frame(PING, b"", reserved=1)], {1002}),
    "17 bad UTF-8": ([frame(TEXT, b'{"type":"ping","x":"\xff"}')], {1007}),
    "17 bad UTF-8 in pieces": ([frame(TEXT, b'{"x":"\xc3', fin=False), frame(CONTINUATION, b'","y":1}')], {1007}),
    "18 a length with its top bit": ([frame(TEXT, b"x", size=1 << 63)], {1002, 1009}),
    "18 a length of all bits": ([frame(TEXT, b"x", size=(1 << 64) - 1)], {1002, 1009}),
    "18 a length beyond reason": ([frame(TEXT, b"x", size=1 << 40)], {1009}),
    "a control frame in pieces": ([frame(PING, b"x", fin=False)], {1002}),
    "a long control frame": ([frame(PING, b"x" * 126)], {1002}),
    "an opcode that does not exist": ([frame(3, b"x")], {1002}),
    "a control opcode that does not exist": ([frame(11, b"x")], {1002}),
    "no mask": ([struct.pack(">BB", 0x81, 2) + b"{}"], {1002}),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
async def test_rows_13_to_18_a_broken_frame_ends_the_socket(ann: Person, name: str) -> None:
    pieces, codes = BROKEN[name]
    wire = await ready(ann)
    wire.write(b"".join(pieces))
    assert await wire.closed() in codes


async def test_row_13_a_frame_of_64_kb_is_taken(ann: Person) -> None:
    wire = await ready(ann)
    text = b'{"type":"ping","ref":"big","pad":"' + b"x" * 65_500 + b'"}'
    wire.write(frame(TEXT, text[: 65_536 - 2] + b'"}'))
    assert json.loads((await wire.read_frame())[1]) == {"type": "pong", "ref": "big"}


async def test_row_16_binary_and_unknown_frames_then_4400(ann: Person) -> None:
    wire = await ready(ann)
    for n in range(5):
        wire.write(frame(BINARY if n % 2 else TEXT, b'{"type":"nonsense"}'))
        assert json.loads((await wire.read_frame())[1])["code"] == "invalid_frame"
    await lives(wire)
    wire.write(frame(TEXT, b'{"type":"nonsense"}') * 30)
    assert await wire.closed() == 4400


NUMBERS = ["NaN", "1e999", '"1"', "1.5", "-1", "123456789012345678901234567890", "9007199254740992", "true", "[1]"]


async def test_rows_19_to_21_numbers_and_depth_are_bounded(ann: Person, chat: str) -> None:
    wire = await ready(ann)
    texts = [f'{{"type":"message.read","chatId":"{chat}","seq":{number},"ref":"n"}}' for number in NUMBERS]
    texts += ['{"type":"ping","x":' + "[" * 10_000 + "]" * 10_000 + "}", "[" * 60_000, '{"a":' * 10_000]
    for n, text in enumerate(texts):
        if n % 6 == 5:  # ten malformed frames a minute are borne on one socket
            wire = await ready(ann)
        wire.write(frame(TEXT, text.encode()))
        found = json.loads((await wire.read_frame())[1])
        assert (found["type"], found["code"]) == ("error", "invalid_frame"), text[:60]
    await lives(wire)


async def test_row_22_of_two_equal_keys_the_last_counts(ann: Person) -> None:
    wire = await ready(ann)
    wire.write(frame(TEXT, b'{"type":"ping","ref":"1","ref":"2"}'))
    assert json.loads((await wire.read_frame())[1]) == {"type": "pong", "ref": "2"}


async def test_row_23_frames_before_ready_are_answered_after_it(ann: Person) -> None:
    wire = await raw(ann, *[frame(TEXT, PING_FRAME % n) for n in range(10)])
    seen = [json.loads((await wire.read_frame())[1]) for _ in range(11)]
    assert seen[0]["type"] == "ready"
    assert [pong["ref"] for pong in seen[1:]] == [str(n) for n in range(10)]


async def test_row_23_too_many_frames_before_ready_are_4400(ann: Person) -> None:
    """In one packet with the upgrade most of them are there before `ready`, unless the server was quicker: then
    all are answered."""
    for _ in range(5):
        wire = await raw(ann, *[frame(TEXT, PING_FRAME % n) for n in range(200)])
        opcode, payload = await wire.read_frame()
        if opcode == CLOSE:
            assert struct.unpack(">H", payload[:2])[0] == 4400
            continue
        assert json.loads(payload)["type"] == "ready"
        for n in range(200):
            assert json.loads((await wire.read_frame())[1]) == {"type": "pong", "ref": str(n)}


async def test_row_24_a_flood_is_refused_then_ended_with_4029(fresh: Person) -> None:
    wire, began = await ready(fresh), time.monotonic()
    codes: set[str] = set()

    async def flood() -> None:
        while time.monotonic() - began < 40:
            wire.write(frame(TEXT, PING_FRAME % 1) * 150)
            await asyncio.sleep(0.1)

    task = asyncio.create_task(flood())
    try:
        while True:
            opcode, payload = await wire.read_frame(45)
            if opcode == CLOSE:
                break
            if payload.startswith(b'{"type":"error"'):
                codes.add(json.loads(payload)["code"])
    finally:
        task.cancel()
    assert struct.unpack(">H", payload[:2])[0] == 4029
    assert codes == {"rate_limited"}
    assert 10 < time.monotonic() - began < 40


def closed_count(system: System, code: int) -> float:
    """How many sockets the server has closed with this code."""
    port = system.state().ports["websocket-1-http"]
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    found = re.search(rf'^tidings_sockets_closed_total{{code="{code}"}} (\S+)', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_a_reader_that_is_too_slow_is_closed_with_4008_and_others_are_not_held_up(
    system: System, fresh: Person, ben: Person
) -> None:
    room, before = fresh.direct(ben), closed_count(system, 4008)
    slow = await ready(ben)  # and reads no more
    sender, quick = await fresh.open(), await ben.open()
    text = "\N{PILE OF POO}" * 8192  # 32 KB
    worst, sent = 0.0, 0
    while closed_count(system, 4008) == before:
        began = time.monotonic()
        for _ in range(10):
            await sender.say("message.send", chatId=room, clientMsgId=uuid.uuid4().hex, content=text)
        for _ in range(10):
            frame_ = await sender.until("message.sent")
        await quick.until("message.new", seq=frame_["seq"])
        worst, sent = max(worst, time.monotonic() - began), sent + 10
        assert sent < 2_000, "buffers have no bound"
    assert worst < 10
    assert await slow.closed() in (4008, None)  # the code comes behind what was sent before, if they read on in time
    await quick.ask("ping", "pong")
    await eventually(lambda: ben.chat(room)["lastSeq"] >= sent, "it is all stored")

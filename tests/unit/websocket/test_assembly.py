"""RFC 6455 cases of the assembler (reliability rows 13 to 18)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.streams import StreamReader

from tidings.websocket.assembly import Assembler, ProtocolError, text_frames


def refused(*pieces: tuple[int, bool, bytes], reserved: bool = False) -> int:
    """The close code of the piece that is refused."""
    assembler = Assembler(1000)
    try:
        for opcode, fin, payload in pieces:
            assembler.feed(opcode, fin, reserved, payload)
    except ProtocolError as error:
        return error.code
    raise AssertionError("nothing was refused")


@given(st.lists(st.text(max_size=20), min_size=1, max_size=20))
def test_fragments_give_the_whole(parts: list[str]) -> None:
    assembler = Assembler(10_000)
    whole = "".join(parts).encode()
    cuts = [whole[i : i + 7] for i in range(0, len(whole), 7)] or [b""]
    results = [
        assembler.feed(1 if number == 0 else 0, number == len(cuts) - 1, False, cut) for number, cut in enumerate(cuts)
    ]
    assert next(r for r in results if r is not None).payload == whole


def test_too_large_in_sum_is_1009() -> None:
    assert refused((1, False, b"a" * 600), (0, True, b"a" * 600)) == 1009


def test_too_many_fragments_is_1009() -> None:
    assert refused((1, False, b""), *[(0, False, b"")] * 70) == 1009


@pytest.mark.parametrize(
    "pieces",
    [
        [(0, True, b"orphan")],
        [(1, False, b"a"), (1, True, b"b")],
        [(3, True, b"")],
        [(9, False, b"")],
        [(9, True, b"x" * 126)],
    ],
)
def test_what_the_rfc_forbids_is_1002(pieces: list[tuple[int, bool, bytes]]) -> None:
    assert refused(*pieces) == 1002


def test_a_reserved_bit_is_1002() -> None:
    assert refused((1, True, b"{}"), reserved=True) == 1002


def test_bad_utf8_is_1007_also_across_fragments() -> None:
    assert refused((1, True, b"\xff")) == 1007
    assert refused((1, False, b"\xe2\x82"), (0, True, b"x")) == 1007


def test_a_control_frame_may_stand_between_fragments() -> None:
    assembler = Assembler(100)
    assert assembler.feed(1, False, False, b"a") is None
    assert assembler.feed(9, True, False, b"ping") is None
    found = assembler.feed(0, True, False, b"b")
    assert found is not None
    assert found.payload == b"ab"


@given(st.lists(st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536, 70_000]), max_size=6))
def test_many_frames_in_one_piece_are_read_by_another_library(sizes: list[int]) -> None:
    payloads = [bytes(chr(97 + number), "ascii") * size for number, size in enumerate(sizes)]
    reader = StreamReader()
    reader.feed_data(text_frames(payloads))
    reader.feed_eof()
    for payload in payloads:
        parsing = Frame.parse(reader.read_exact, mask=False)
        with pytest.raises(StopIteration) as done:
            next(parsing)
        frame = done.value.value
        assert (frame.opcode, frame.fin, bytes(frame.data)) == (1, True, payload)
    assert bytes(reader.buffer) == b""

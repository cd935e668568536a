"""Encryption against the vector of RFC 8291 and another implementation; identification; what answers mean."""

import time
from email.utils import formatdate

import http_ece
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from tidings.notification.payload import MessagePush, ReadPush, fitted
from tidings.notification.webpush import (
    OVERHEAD_BYTES,
    RECORD_BYTES,
    TOKEN_LIFE_S,
    Keys,
    Tokens,
    UnusableError,
    encrypt,
    retry_after_s,
    topic,
    verdict,
)  # fmt: skip
from tidings.platform.vapid import b64, parse_key, point, public_key, unb64

# RFC 8291, appendix A
PLAIN = b"When I grow up, I want to be a watermelon"
RECEIVER = parse_key("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")
SENDER = parse_key("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
KEYS = Keys(
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "BTBZMqHH6r4Tts7J_aSIgg"
)
SALT = unb64("DGv6ra1nlYgDCS1FRnbzlw")
SEALED = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
    "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def opened(sealed: bytes) -> bytes:
    plain: bytes = http_ece.decrypt(sealed, private_key=RECEIVER, auth_secret=unb64(KEYS.auth), version="aes128gcm")
    return plain


def test_the_vector_of_the_rfc() -> None:
    assert b64(point(RECEIVER.public_key())) == KEYS.p256dh
    assert b64(encrypt(PLAIN, KEYS, private=SENDER, salt=SALT)) == SEALED


@given(st.binary(max_size=RECORD_BYTES - OVERHEAD_BYTES))
def test_what_is_sealed_opens_elsewhere(plain: bytes) -> None:
    sealed = encrypt(plain, KEYS)
    assert len(sealed) == len(plain) + OVERHEAD_BYTES
    assert opened(sealed) == plain


def test_no_two_are_alike() -> None:
    one, other = encrypt(PLAIN, KEYS), encrypt(PLAIN, KEYS)
    assert one[:16] != other[:16]
    assert one[21:86] != other[21:86]


def test_more_than_a_record_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        encrypt(b"x" * (RECORD_BYTES - OVERHEAD_BYTES + 1), KEYS)


@pytest.mark.parametrize(
    "keys",
    [Keys("B" * 87, KEYS.auth), Keys("", KEYS.auth), Keys("%%%", KEYS.auth), Keys(KEYS.p256dh, "AAAA"),
     Keys(b64(b"\x02" + unb64(KEYS.p256dh)[1:]), KEYS.auth)],
)  # fmt: skip
def test_keys_that_are_none(keys: Keys) -> None:
    with pytest.raises(UnusableError):
        encrypt(PLAIN, keys)


def test_who_sends_is_signed_once_per_push_service_and_half_a_day() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    tokens, now = Tokens(key, "mailto:a@b.example"), time.time()
    first = tokens.authorization("https://push.example.com/one", now)
    assert tokens.authorization("https://push.example.com/two", now + 3600) == first
    assert tokens.authorization("https://other.example.com/one", now) != first
    assert tokens.authorization("https://push.example.com/one", now + TOKEN_LIFE_S - 60) != first
    parts = dict(part.strip().split("=", 1) for part in first.removeprefix("vapid ").split(","))
    assert parts["k"] == public_key(key)
    claims = jwt.decode(parts["t"], key.public_key(), ["ES256"], audience="https://push.example.com")
    assert claims["sub"] == "mailto:a@b.example"
    assert 0 < claims["exp"] - now <= 24 * 3600


def test_a_topic_is_of_a_chat_on_a_device_and_tells_neither() -> None:
    assert topic("c", "t") == topic("c", "t")
    assert len({topic("c", "t"), topic("c", "u"), topic("d", "t")}) == 3
    assert len(topic("c", "t")) == 32


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(200, "sent"), (201, "sent"), (202, "sent"), (404, "gone"), (410, "gone"), (413, "too large"), (429, "later"),
     (408, "later"), (500, "later"), (503, "later"), (301, "refused"), (307, "refused"), (400, "refused"),
     (401, "refused"), (403, "refused")],
)  # fmt: skip
def test_what_answers_mean(status: int, meaning: str) -> None:
    assert verdict(status) == meaning


def test_retry_after_as_number_and_as_date() -> None:
    now = 1_800_000_000.0
    assert retry_after_s("120", now, 3600) == 120
    assert retry_after_s(formatdate(now + 90, usegmt=True), now, 3600) == 90
    assert retry_after_s(formatdate(now - 90, usegmt=True), now, 3600) == 0
    assert retry_after_s("99999999", now, 3600) == 3600
    for nothing in ("", "soon", "-5", "١٢"):
        assert retry_after_s(nothing, now, 3600) == 0


def push(text: str | None) -> MessagePush:
    return MessagePush(
        message_id="m", chat_id="c", seq=1, sender_name="Ann", chat_name="Hikers", text=text, badge=3
    )  # fmt: skip


def test_what_fits_is_left_alone() -> None:
    assert b'"text":"hello"' in fitted(push("hello"), 3000)
    assert b'"type":"read"' in fitted(ReadPush(chat_id="c", seq=1, badge=0), 10)


FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"


def test_a_text_is_cut_between_characters_as_people_see_them() -> None:
    body = fitted(push(FAMILY * 400), 1000)
    text = str(jsonable(body)["text"])
    assert 900 < len(body) <= 1000
    assert text.endswith("…")
    assert text[:-1] == FAMILY * (len(text[:-1]) // len(FAMILY))


@given(st.text(max_size=400), st.integers(150, 800))
def test_it_always_fits(text: str, most: int) -> None:
    assert len(fitted(push(text), most)) <= most


def jsonable(body: bytes) -> dict[str, object]:
    import msgspec

    found: dict[str, object] = msgspec.json.decode(body)
    return found

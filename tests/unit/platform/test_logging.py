"""What must never be read in a log, wherever it stands."""

import json

from tidings.platform.logging import redact

TOKEN = "eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ.eyJzdWIiOiIwMTkifQ.c2lnbmF0dXJl-_A"


def test_secrets_are_hidden_at_any_depth() -> None:
    event = {
        "event": f"refused Bearer {TOKEN} of +4915112345678",
        "access_token": "a",
        "url": "mongodb://tidings:word@127.0.0.1/?x=1",
        "request": {"headers": {"Authorization": "b", "x": [f"ticket={'c' * 20}", ("+4915112345678",)]}},
        "people": {"+4915112345678": 1},
        "exception": f"ValueError: {TOKEN}",
    }
    shown = json.dumps(redact(None, "", event))
    for secret in (TOKEN, "word", "4915112345678", "c" * 20, '"a"', '"b"'):
        assert secret not in shown
    assert shown.count("[token]") == 2


def test_the_rest_stays_as_it_is() -> None:
    event = {"event": "request", "ms": 1.5, "ok": True, "none": None, "path": "/api/v1/chats", "ids": ["a", "b"]}
    assert redact(None, "", dict(event)) == event

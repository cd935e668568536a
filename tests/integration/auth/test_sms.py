"""The HTTP provider of text messages against a server of the test: what it receives, and what it answers."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import pytest
from tests.support.services import Asker, World


class Provider:
    """Answers each request with the next of `answers` (0: not at all) and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.sent: list[tuple[dict[str, str], str]] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
                body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
                self.sent.append(({"request": lines[0], **headers}, body))
                status = self.answers.pop(0) if self.answers else 200
                if status == 0:
                    await asyncio.sleep(30)
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()


@asynccontextmanager
async def sending(world: World, **more: str) -> AsyncIterator[tuple[Provider, Asker]]:
    provider = Provider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    settings = {
        "TIDINGS_AUTH_SMS_PROVIDER": "http",
        "TIDINGS_AUTH_SMS_URL": f"http://127.0.0.1:{provider.port}/send?key=1",
        "TIDINGS_AUTH_SMS_AUTHORIZATION": "Basic c2VjcmV0",
        "TIDINGS_AUTH_SMS_TIMEOUT_S": "0.4",
        **more,
    }
    async with world.instance("auth", "auth-2", wired=False, **settings) as auth:
        yield provider, auth.as_("")
    server.close()


def phone() -> str:
    return f"+49151{secrets.randbelow(10**8):08d}"


async def test_a_code_is_sent_and_signs_in(world: World) -> None:
    template = '{"to": "{phone}", "text": "{text}", "raw": "{code}"}'
    text = 'Code "{code}"\n{phone}'  # values are put into the template, not into one another
    more = {"TIDINGS_AUTH_SMS_BODY": template, "TIDINGS_AUTH_SMS_TEXT": text}
    async with sending(world, **more) as (provider, anybody):
        number = phone()
        answer = await anybody.ask("POST", "/auth/request-otp", {"phone": number}, gives=202)
        assert answer["delivery"] == "sms"
        ((headers, body),) = provider.sent
        sent = json.loads(body)
        assert (headers["request"], headers["authorization"]) == ("POST /send?key=1 HTTP/1.1", "Basic c2VjcmV0")
        assert headers["content-type"] == "application/json"
        assert sent == {"to": number, "raw": sent["raw"], "text": f'Code "{sent["raw"]}"\n{{phone}}'}
        await anybody.ask("POST", "/auth/verify-otp", {"phone": number, "otp": sent["raw"]})
        assert await anybody.code("GET", "/dev/sms", phone=number) == "not_found"


async def test_a_form_is_escaped_as_a_form(world: World) -> None:
    more = {
        "TIDINGS_AUTH_SMS_CONTENT_TYPE": "application/x-www-form-urlencoded",
        "TIDINGS_AUTH_SMS_BODY": "To={phone}&Body={text}",
        "TIDINGS_AUTH_SMS_TEXT": "a & b: {code}",
    }
    async with sending(world, **more) as (provider, anybody):
        number = phone()
        await anybody.ask("POST", "/auth/request-otp", {"phone": number}, gives=202)
        form = parse_qs(provider.sent[0][1], strict_parsing=True)
        assert form["To"] == [number]
        assert form["Body"][0].startswith("a & b: ")


@pytest.mark.parametrize("first", [500, 503, 429, 0])
async def test_it_is_tried_again_after_trouble(world: World, first: int) -> None:
    async with sending(world) as (provider, anybody):
        provider.answers = [first]
        await anybody.ask("POST", "/auth/request-otp", {"phone": phone()}, gives=202)
        assert len(provider.sent) == 2
        assert provider.sent[0][1] == provider.sent[1][1]


@pytest.mark.parametrize(("answers", "tries"), [([400], 1), ([401], 1), ([500] * 9, 3), ([0] * 9, 3)])
async def test_what_cannot_be_sent_is_unavailable_and_may_be_asked_for_again(
    world: World, answers: list[int], tries: int
) -> None:
    async with sending(world) as (provider, anybody):
        provider.answers = list(answers)
        number = phone()
        started = time.monotonic()
        assert await anybody.code("POST", "/auth/request-otp", {"phone": number}) == "unavailable"
        assert time.monotonic() - started < 5
        assert len(provider.sent) == tries
        provider.answers = []
        await anybody.ask("POST", "/auth/request-otp", {"phone": number}, gives=202)


async def test_a_provider_that_is_not_there_is_unavailable(world: World) -> None:
    async with sending(world, TIDINGS_AUTH_SMS_URL="http://127.0.0.1:9/x") as (_, anybody):
        assert await anybody.code("POST", "/auth/request-otp", {"phone": phone()}) == "unavailable"

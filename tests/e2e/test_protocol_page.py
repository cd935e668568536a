"""docs/protocol.md, run: its examples in the order of the page, and its tables against the system.

An example's ids, codes and tokens are names: what is first seen in an answer is what the name means from then on.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support import shapes
from tests.support.people import STATUS, Live, Person, new_phone
from tests.support.running import System
from tests.support.samples import NOBODY, picture

from tidings.contracts import frames

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
BEN = "01990000-0000-7000-8000-00000000000b"
ANYBODY = "01990000-0000-7000-8000-0000000000cc"
DAN = "01990000-0000-7000-8000-00000000000d"


class Names:
    """What the page's ids, phones, codes and tokens are in this run."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def fill(self, text: str) -> str:
        """The page's text with names replaced, longest first."""
        for name in sorted(self.known, key=len, reverse=True):
            text = text.replace(name, self.known[name])
        return text

    def match(self, shown: Any, found: Any, at: str = "") -> None:
        """Assert that `found` is what the page shows, and learn names."""
        if isinstance(shown, dict):
            assert isinstance(found, dict), at
            wanted = {self.fill(key): value for key, value in shown.items() if key != "…"}
            assert wanted.keys() <= found.keys(), f"{at}: lacks {wanted.keys() - found.keys()}"
            if "…" not in shown:
                assert found.keys() == wanted.keys(), f"{at}: the page lacks {found.keys() - wanted.keys()}"
            for key, value in wanted.items():
                self.match(value, found[key], f"{at}.{key}")
        elif isinstance(shown, list):
            assert isinstance(found, list), at
            assert len(found) == len(shown), f"{at}: {found}"
            for n, (one, other) in enumerate(zip(shown, found, strict=True)):
                self.match(one, other, f"{at}[{n}]")
        elif isinstance(shown, str) and TIME.fullmatch(shown):
            assert TIME.fullmatch(found), at
        elif isinstance(shown, str) and shown != ANYBODY and (ID.fullmatch(shown) or re.fullmatch(r"\d{6}", shown)):
            assert self.known.setdefault(shown, found) == found, f"{at}: {shown}"
        elif isinstance(shown, str) and ("…" in shown or shown == ANYBODY):
            assert isinstance(found, str), at
            self.known[shown] = found if shown not in ("…", ANYBODY) else shown
        else:
            assert found == (self.fill(shown) if isinstance(shown, str) else shown), at


def blocks() -> Iterator[tuple[int, str, str]]:
    """(line, kind, text) of every fenced block."""
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        yield PAGE[: found.start()].count("\n") + 1, found[1], found[2]


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading."""
    part = PAGE[PAGE.index(heading) :]
    table = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table[0].splitlines()[2:]]


async def test_every_example_of_the_page(system: System) -> None:
    ben = Person(system.base_url)
    ben.ask("PATCH", "/users/me", {"name": "Ben"})
    ann_phone = new_phone()
    names = Names({"+4915112345678": ann_phone, "%2B4915112345678": "%2B" + ann_phone[1:], BEN: ben.id})
    names.known |= {DAN: Person(system.base_url).id, "00000000-0000-7000-8000-000000000000": NOBODY}
    names.known |= {"004915112345679": "00" + ben.phone[1:], "+4915112300000": new_phone()}
    tokens = {"Ben": ben.token}
    lives: dict[str, Live] = {}
    http = httpx.Client(base_url=system.base_url)
    played = 0
    for line, kind, text in blocks():
        if kind == "http":
            play_request(http, names, tokens, text, line)
        elif kind == "frames":
            people = {"Ann": anew(system, tokens["Ann"]), "Ben": ben}
            await play_frames(names, people, lives, text)
        else:
            assert kind == "json", line
            names.match(json.loads(text), uploaded(ben), f"line {line}: ")
        played += 1
    assert played >= 20


def anew(system: System, token: str) -> Person:
    """Somebody who is signed in already."""
    person = Person.__new__(Person)
    person.base_url, person.token = system.base_url, token
    return person


def uploaded(person: Person) -> dict[str, Any]:
    found: dict[str, Any] = person.upload(picture(), "teal.png", "image/png").json()
    shapes.check(found, shapes.Media)
    return found | {"size": 182}


def play_request(http: httpx.Client, names: Names, tokens: dict[str, str], text: str, line: int) -> None:
    asked, answered = text.split("\n\n")
    first, _, body = asked.partition("\n")
    who, method, path = re.match(r"(\w+): (\w+) (\S+)$", first).groups()  # type: ignore[union-attr]
    headers = {"authorization": f"Bearer {tokens[who]}"} if who != "Somebody" else {}
    content = names.fill(body).encode() or None
    if content is not None:
        headers["content-type"] = "application/json"
    answer = http.request(method, names.fill(path), content=content, headers=headers)
    status, _, shown = answered.partition("\n")
    assert answer.status_code == int(status), f"line {line}: {answer.status_code} {answer.text}"
    found = answer.json()
    names.match(json.loads(shown), found, f"line {line}: ")
    if "accessToken" in found:
        tokens["Ann"] = found["accessToken"]


async def play_frames(names: Names, people: dict[str, Person], lives: dict[str, Live], text: str) -> None:
    for line in text.splitlines():
        who, way, body = line.split(" ", 2)
        if way == "->":
            await lives[who].socket.send(names.fill(body))
            continue
        shown = json.loads(body)
        if shown["type"] == "ready":
            lives[who] = await people[who].open()
            names.match(shown, lives[who].seen[0], line[:60])
            continue
        before = dict(names.known)
        while True:  # others may come between
            found = await lives[who].until(shown["type"])
            try:
                names.match(shown, found, line[:60])
                break
            except AssertionError:
                names.known = dict(before)
                later = {
                    "message.new",
                    "chat.updated",
                    "presence.updated",
                    "message.status.updated",
                    "ack",
                    "message.deleted",
                }
                assert shown["type"] in later, (line, found)


def test_the_table_of_codes_is_the_products() -> None:
    told = {cells[0].strip("`"): int(cells[1]) for cells in rows("### Errors")}
    assert told == STATUS


def test_the_table_of_limits_is_the_configuration(system: System) -> None:
    config = httpx.get(f"{system.base_url}/api/v1/config").json()
    told = {cells[0].strip("`"): int(cells[1]) for cells in rows("### Limits and rates")}
    assert told == {name: value for name, value in config.items() if isinstance(value, int)}


def test_the_table_of_calls_is_the_description(system: System) -> None:
    paths = httpx.get(f"{system.base_url}/openapi.json").json()["paths"]
    described = {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{id}', path.removeprefix('/api/v1'))}"
        for path, methods in paths.items()
        if path.startswith("/api/v1")
        for method in methods
    }
    told = [re.findall(r"`([^`]+)`", cells[0])[0] for cells in rows("## 3. REST")]
    assert len(told) == len(set(told))
    assert set(told) == described


@pytest.mark.parametrize("side", ["From the client", "From the server"])
def test_the_tables_of_frames_are_the_products(side: str) -> None:
    kinds = frames.ClientFrame.__args__ if side == "From the client" else shapes.AnyFrame.__args__
    tags = {kind.__struct_config__.tag for kind in kinds}
    told = [cells[0].strip("`") for cells in rows(f"### {side}")]
    assert len(told) == len(set(told))
    assert set(told) == tags


def test_every_frame_of_a_client_is_shown_in_an_example() -> None:
    shown = "".join(text for _, kind, text in blocks() if kind == "frames")
    for kind in frames.ClientFrame.__args__:
        assert f'"type": "{kind.__struct_config__.tag}"' in shown


def test_the_rows_of_hostile_input_are_tests_or_said_not_to_be_built() -> None:
    told = {int(cells[0]): cells[2] for cells in rows("## 8. Hostile input")}
    assert sorted(told) == list(range(1, 57))
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    elsewhere = {
        25: "test_more_sockets_than_a_person_may_have_are_429",
        53: "test_a_blocked_pair_neither_writes_nor_types_nor_sees",
    }  # fmt: skip
    for number, answer in told.items():
        if answer.startswith("not built"):
            assert f"def test_row_{number}_" not in tests, number
            continue
        several = r"rows_(13_to_18|19_to_21)" if 13 <= number <= 21 else "$^"
        found = re.search(rf"def test_row_{number}_|def test_{several}", tests)
        assert found or f"def {elsewhere.get(number)}(" in tests, f"row {number} has no test"

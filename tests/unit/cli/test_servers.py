"""Which server a command finds for who is not signed in."""

import os
from pathlib import Path

import pytest
import typer
from tests.unit.cli.test_profiles import HERE, THERE, system
from typer.testing import CliRunner

from tidings.cli import servers
from tidings.cli.options import DEFAULT_DATA_DIR, DataDir
from tidings.cli.servers import Asked, Server, find_server, is_same
from tidings.devstack.state import load_state


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TIDINGS_DATA_DIR", "TIDINGS_URL", "TIDINGS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def test_what_is_typed_comes_first_then_the_environment_then_the_system_here_then_the_usual(tmp_path: Path) -> None:
    assert find_server(Asked()) == Server(servers.DEFAULT_URL)
    system(DEFAULT_DATA_DIR, HERE)
    assert find_server(Asked()) == Server(HERE, DEFAULT_DATA_DIR)
    other = system(tmp_path / "other", THERE)
    assert find_server(Asked(usual_data_dir=other)) == Server(THERE, other)
    assert find_server(Asked(usual_url="http://env:1/")) == Server("http://env:1")
    assert find_server(Asked(typed_data_dir=other, usual_url="http://env:1")) == Server(THERE, other)
    assert find_server(Asked(typed_url="https://chat.example.org/", typed_data_dir=other)).url == (
        "https://chat.example.org"
    )


def read_asked(*words: str) -> Asked:
    found: list[Asked] = []
    app = typer.Typer()

    @app.command()
    def command(context: typer.Context, url: servers.Url = "", data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
        found.append(servers.read_asked(context, url, data_dir))

    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return found[0]


def test_what_is_typed_is_told_from_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_asked() == Asked()
    assert read_asked("--data-dir", ".tidings") == Asked(typed_data_dir=Path(".tidings"))
    monkeypatch.setenv("TIDINGS_DATA_DIR", "/srv/one")
    monkeypatch.setenv("TIDINGS_URL", HERE)
    assert read_asked() == Asked(usual_url=HERE, usual_data_dir=Path("/srv/one"))
    assert read_asked("--url", HERE) == Asked(typed_url=HERE, usual_data_dir=Path("/srv/one"))
    assert read_asked("--data-dir", "/srv/one") == Asked(typed_data_dir=Path("/srv/one"), usual_url=HERE)


def damage(file: Path, how: str) -> None:
    file.parent.mkdir()
    match how:
        case "no folder":
            file.parent.rmdir()
        case "no state":
            pass
        case "a folder":
            file.mkdir()
        case "a pipe":
            os.mkfifo(file)
        case _:
            file.write_bytes({"bad UTF-8": b'{"url": "\xff"}', "bad url": b'{"url": "http://[x"}'}.get(how, b"nothing"))


DAMAGES = {
    "no folder": "no system has run in other: start one with `", "no state": "no system has run in other",
    "a folder": "is damaged", "a pipe": "is damaged", "bad UTF-8": "is damaged", "bad url": "is no address",
    "no JSON": "is damaged",
}  # fmt: skip


@pytest.mark.parametrize("how", DAMAGES)
def test_a_typed_data_directory_without_a_system_is_an_error(how: str, capsys: pytest.CaptureFixture[str]) -> None:
    damage(Path("other/state.json"), how)
    with pytest.raises(typer.Exit):
        find_server(Asked(typed_data_dir=Path("other")))
    assert DAMAGES[how] in capsys.readouterr().err


def test_a_typed_data_directory_that_may_not_be_read_is_said_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tidings.cli.servers.os.open", refuse)  # the tests may run as root
    with pytest.raises(typer.Exit):
        find_server(Asked(typed_data_dir=Path("other")))
    assert "may not be read" in capsys.readouterr().err


@pytest.mark.parametrize("how", DAMAGES)
def test_a_usual_data_directory_without_a_system_is_passed_over(how: str) -> None:
    damage(Path(".tidings/state.json"), how)
    assert find_server(Asked()).url == servers.DEFAULT_URL
    assert how == "a folder" or how == "a pipe" or load_state(DEFAULT_DATA_DIR) is None


@pytest.mark.parametrize("foreign", ["directory", "state"])
def test_what_another_user_wrote_is_not_listened_to(foreign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    system(DEFAULT_DATA_DIR, "https://evil.example.org")
    mine = os.geteuid()
    if mine == 0:
        os.chown(DEFAULT_DATA_DIR if foreign == "directory" else DEFAULT_DATA_DIR / "state.json", 12345, 12345)
    else:
        monkeypatch.setattr("os.geteuid", lambda: mine + 1)
    assert find_server(Asked()).url == servers.DEFAULT_URL
    assert find_server(Asked(typed_data_dir=DEFAULT_DATA_DIR)).url == "https://evil.example.org", "if it is typed"


def test_a_deleted_folder_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert find_server(Asked(typed_url=HERE)).write_command("chat").endswith(f"chat --url {HERE}")
    assert find_server(Asked()).url == servers.DEFAULT_URL


@pytest.mark.parametrize("url", ["", "localhost:30080", "ftp://localhost", "http://", "http://[x", "http://a:99999"])
def test_what_is_no_address_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        find_server(Asked(typed_url=url))
    assert "is no address" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://localhost:1", "http://127.0.0.1:1/", True),
        ("http://localhost:1", "http://[::1]:1", True),
        ("https://Chat.example.org", "https://chat.example.org:443", True),
        ("http://localhost:1", "http://localhost:2", False),
        ("http://localhost:1", "https://localhost:1", False),
        ("http://127.0.0.1:1", "http://127.0.0.1.evil.org:1", False),
        ("http://localhost:1", "http://localhost:1@evil.org:1", False),
        ("http://localhost", "http://localhost.evil.org", False),
        ("https://example.org/one", "https://example.org/two", False),
    ],
)
def test_addresses_are_compared_by_their_parts(one: str, other: str, same: bool) -> None:
    assert is_same(one, other) is is_same(other, one) is same


def test_the_code_is_asked_for_by_name_where_the_server_is_another_machine() -> None:
    far = Server("https://chat.example.org", profile="work")
    assert far.write_code_command("+4915112345678") == "tidings code +4915112345678"
    near = Server("http://[::1]:30081", profile="work")
    assert near.write_code_command("+49151").endswith(" code +49151 --url 'http://[::1]:30081'")
    assert Server(HERE, Path("my data")).write_code_command("+49151").endswith(" code +49151 --data-dir 'my data'")

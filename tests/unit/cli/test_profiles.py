"""A session goes to the server of its sign-in, and to no other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer

from tidings.cli import profiles
from tidings.cli.options import DEFAULT_DATA_DIR
from tidings.cli.profiles import find_server_of, remember_server
from tidings.cli.servers import DEFAULT_URL, Asked, Server
from tidings.devstack.state import SystemState, owned, save_state

HERE, THERE = "http://localhost:30081", "http://localhost:30082"


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "profiles"))
    for name in ("TIDINGS_DATA_DIR", "TIDINGS_URL", "TIDINGS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def system(folder: Path, url: str) -> Path:
    """A data directory whose system says this address."""
    folder.mkdir(exist_ok=True)
    save_state(folder, SystemState(pid=1, started_at=0, url=url, data_dir=str(folder.absolute()), ports={}, environ={}))
    return folder


def sign_in(asked: Asked | None = None) -> None:
    remember_server(find_server_of("default", asked or Asked()))
    (profiles.locate_folder("default") / "session.json").touch()


def find(asked: Asked | None = None) -> str:
    return find_server_of("default", asked or Asked()).url


@contextmanager
def refused(capsys: pytest.CaptureFixture[str], words: str) -> Iterator[None]:
    with pytest.raises(typer.Exit):
        yield
    assert words in capsys.readouterr().err


def test_who_is_not_signed_in_goes_where_everybody_goes() -> None:
    assert find() == DEFAULT_URL
    system(DEFAULT_DATA_DIR, HERE)
    assert find() == HERE
    assert find(Asked(typed_url=THERE)) == THERE
    assert not profiles.locate_folder("default").exists(), "nothing is written down before somebody signs in"


def test_a_signed_in_profile_stays_with_its_server(capsys: pytest.CaptureFixture[str]) -> None:
    sign_in(Asked(typed_url=THERE))
    assert find() == find(Asked(typed_url=THERE.replace("localhost", "127.0.0.1"))) == THERE
    system(DEFAULT_DATA_DIR, HERE)
    assert find() == THERE
    assert capsys.readouterr().err == "", "a system that does not run is not meant"
    with owned(DEFAULT_DATA_DIR):
        assert find() == THERE
    assert f"signed in at {THERE}, not at the system here, {HERE}" in capsys.readouterr().err


def test_a_session_is_not_taken_to_another_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sign_in(Asked(typed_url=HERE))
    other = system(tmp_path / "other", THERE)
    for asked in (Asked(typed_url=THERE), Asked(typed_data_dir=other)):
        with refused(capsys, f"signed in at {HERE}; for {THERE} choose another"):
            find(asked)
    with refused(capsys, "no system has run in nowhere"):
        find(Asked(typed_data_dir=Path("nowhere")))


def test_the_environment_is_a_default_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sign_in(Asked(typed_url=HERE))
    other = system(tmp_path / "other", THERE)
    assert find(Asked(usual_data_dir=other)) == HERE
    assert capsys.readouterr().err == ""
    assert find(Asked(usual_url=THERE)) == HERE
    assert f"not at TIDINGS_URL, {THERE}" in capsys.readouterr().err


def test_the_folder_one_is_in_does_not_become_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(Asked(typed_url=HERE))
    system(DEFAULT_DATA_DIR, HERE)  # the same address, by chance or on purpose
    assert find() == HERE
    system(DEFAULT_DATA_DIR, "http://localhost:9")
    assert find() == HERE


def test_a_profile_follows_its_system_to_another_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    system(DEFAULT_DATA_DIR, HERE)
    sign_in()
    data_dir = DEFAULT_DATA_DIR.resolve()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    system(data_dir, THERE)
    assert find() == find(Asked(typed_data_dir=data_dir)) == find(Asked(typed_url=THERE)) == THERE
    with refused(capsys, f"signed in at {THERE}; for {HERE} choose another"):
        find(Asked(typed_url=HERE))  # somebody else may listen there now
    system(data_dir, HERE)
    assert find() == HERE, "it still follows"


@pytest.mark.parametrize("lie", ["https://evil.example.org", "http://10.0.0.1:30080", "foreign", "damaged", "gone"])
def test_a_directory_cannot_lead_a_session_away(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    system(DEFAULT_DATA_DIR, HERE)
    sign_in()
    state = DEFAULT_DATA_DIR / "state.json"
    system(DEFAULT_DATA_DIR, lie if "//" in lie else THERE)
    if lie == "foreign":
        mine = os.geteuid()
        monkeypatch.setattr("os.geteuid", lambda: mine + 1)
    elif lie == "damaged":
        state.write_bytes(b"\xff")
    elif lie == "gone":
        state.unlink()
    assert find() == HERE


def test_a_session_whose_server_is_not_known_goes_nowhere_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    sign_in()
    (profiles.locate_folder("default") / "profile.json").unlink()
    with refused(capsys, "say it with --url"):
        find()
    assert find(Asked(typed_url=HERE)) == HERE
    (profiles.locate_folder("default") / "profile.json").write_bytes(b"\xff")
    with refused(capsys, "is damaged"):
        find(Asked(typed_url=HERE))


def test_who_signs_in_while_a_client_is_made_keeps_the_session(capsys: pytest.CaptureFixture[str]) -> None:
    server = find_server_of("default", Asked(typed_url=THERE))
    place = profiles.locate_folder("default")
    place.mkdir(parents=True)
    (place / "session.json").write_text('{"userId":"u","accessToken":"a","refreshToken":"r","expiresAtMs":1}')
    with refused(capsys, "try again"):
        profiles.open_client(server, own_store=False)


def test_hints_lead_to_the_same_server_and_profile(tmp_path: Path) -> None:
    hint = Server(THERE, profile="work").write_command("chat")
    assert hint.endswith(f" chat --url {THERE} --profile work")
    data_dir = system(tmp_path / "other", HERE)
    assert (
        find_server_of("default", Asked(typed_data_dir=data_dir))
        .write_command("chat")
        .endswith(f" chat --data-dir {data_dir}")
    )

"""Hints that people paste: how the command is called from where they are."""

from pathlib import Path

import pytest

from tidings.cli import options, up
from tidings.devstack.plan import Request


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installation of its own, not on PATH; the test is in it."""
    home = tmp_path / "a clone"
    bin_folder = home / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "tidings").touch(mode=0o755)
    monkeypatch.setattr("sys.executable", str(bin_folder / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(home)
    for name in ("TIDINGS_DATA_DIR", "TIDINGS_URL", "TIDINGS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return home


def test_beside_it_the_command_is_a_short_path(installed: Path) -> None:
    assert options.write_command("up") == ".venv/bin/tidings up"


def test_in_its_very_folder_it_is_no_bare_name(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(installed / ".venv" / "bin")
    assert options.write_command("up") == "./tidings up"


def test_elsewhere_it_is_the_whole_path_quoted(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert options.write_command("up") == f"'{installed}/.venv/bin/tidings' up"


def test_on_path_it_is_the_name_alone_but_only_if_it_is_this_one(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tidings").touch(mode=0o755)  # another's
    assert options.write_command("up") == ".venv/bin/tidings up"
    (tmp_path / "tidings").unlink()
    (tmp_path / "tidings").symlink_to(installed / ".venv" / "bin" / "tidings")
    assert options.write_command("up") == "tidings up"


def test_what_is_found_without_is_left_out_unless_the_environment_changes_that(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write() -> str:
        return options.write_command("chat", data_dir=installed / ".tidings", profile="default")

    assert write() == ".venv/bin/tidings chat"
    monkeypatch.setenv("TIDINGS_DATA_DIR", "/srv/one")
    monkeypatch.setenv("TIDINGS_PROFILE", "work")
    assert write() == f".venv/bin/tidings chat --data-dir '{installed}/.tidings' --profile default"


def test_what_a_shell_would_read_is_quoted(installed: Path) -> None:
    hint = options.write_command("chat", url="http://a/?b&c", profile="my own")
    assert hint == ".venv/bin/tidings chat --url 'http://a/?b&c' --profile 'my own'"


def test_what_up_says_can_be_pasted(installed: Path) -> None:
    request = Request(data_dir=installed / "my data")
    said = up._summary("http://localhost:30081", request, True, 1.0)
    data = f"--data-dir '{installed}/my data'"
    for command in ("chat", "code PHONE", "demo", "status", "logs -f", "down"):
        assert f".venv/bin/tidings {command} {data}" in said
    assert "--data-dir" not in up._summary("http://localhost:30081", Request(installed / ".tidings"), True, 1.0)

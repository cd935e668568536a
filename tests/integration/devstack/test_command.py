"""The command's answers when something is in the way, and two systems side by side."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.support.running import Stores, free_port, running_stores


def tidings(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    return subprocess.run(
        [sys.executable, "-m", "tidings.cli.main", *arguments],
        env=clean | env, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_taken_outer_port_names_its_holder_and_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = tidings("up", "--port", str(port), "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert f"Port {port} is taken by" in done.stderr
    assert f"pid {os.getpid()}" in done.stderr
    assert f"--port {port + 1}" in done.stderr


def test_second_up_on_the_same_data_says_so(stores: Stores) -> None:
    done = tidings("up", "--only", "stores", "--data-dir", str(stores.data_dir))
    assert done.returncode == 1
    assert "already running" in done.stderr


def test_wrong_setting_is_refused_with_field_and_reason(tmp_path: Path) -> None:
    done = tidings("up", "--port", str(free_port()), "--data-dir", str(tmp_path), TIDINGS_PARTITIONS="many")
    assert done.returncode == 1
    assert "TIDINGS_PARTITIONS" in done.stderr
    assert "many" in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "why"), [("--port", "99999", "65535"), ("--listen", "nonsense", "no address of this machine")]
)
def test_a_place_that_nobody_can_listen_at_is_refused(tmp_path: Path, option: str, value: str, why: str) -> None:
    done = tidings("up", option, value, "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_opening_to_the_network_needs_insecure_dev(tmp_path: Path) -> None:
    done = tidings("up", "--port", str(free_port()), "--listen", "0.0.0.0", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "--insecure-dev" in done.stderr


def test_two_systems_side_by_side_do_not_touch(stores: Stores, tmp_path: Path) -> None:
    with running_stores(tmp_path / "second") as second:
        shared = set(stores.environ.items()) & set(second.environ.items())
        assert {name for name, _ in shared} <= {"TIDINGS_S3_BUCKET", "TIDINGS_S3_REGION"}
        assert httpx.get(stores.s3_url).status_code == httpx.get(second.s3_url).status_code == 403


def test_status_of_running_stores(stores: Stores) -> None:
    done = tidings("status", "--json", "--data-dir", str(stores.data_dir))
    assert done.returncode == 0
    assert '"name": "postgres"' in done.stdout
    assert "redis://" not in done.stdout, "credentials are not shown"


def test_status_without_a_system(tmp_path: Path) -> None:
    done = tidings("status", "--data-dir", str(tmp_path))
    assert done.returncode == 3
    assert "does not run" in done.stderr


def test_reset_asks_and_leaves_foreign_folders_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "photos"
    foreign.mkdir()
    assert tidings("reset", "--yes", "--data-dir", str(foreign)).returncode == 1
    assert foreign.exists()
    ours = tmp_path / "data"
    ours.mkdir()
    (ours / "lock").touch()
    assert tidings("reset", "--data-dir", str(ours)).returncode != 0
    assert ours.exists()
    assert tidings("reset", "--yes", "--data-dir", str(ours)).returncode == 0
    assert not ours.exists()

"""What the Makefile tells the programs it starts."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAMES = ("UV_SYSTEM_CERTS", "NODE_EXTRA_CA_CERTS")
# Also what a `make` around these tests hands down: `make test UV_SYSTEM_CERTS=false` would be obeyed here.
FOREIGN = {*NAMES, "UV_NATIVE_TLS", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES"}


def told(**env: str) -> list[str]:
    show = "show: ; @echo " + " ".join(f"$${name}" for name in NAMES)
    clean = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    command = ["make", "--no-print-directory", "-C", str(ROOT), "--eval", show, "show"]
    return subprocess.run(command, env=clean | env, capture_output=True, text=True, check=True).stdout.split()


def test_uv_and_node_trust_what_the_system_trusts() -> None:
    found = told()
    if not found:
        pytest.skip("this machine has no store of certificates")
    uses, file = found
    assert uses == "true"
    assert "BEGIN CERTIFICATE" in Path(file).read_text()


def test_who_has_said_which_certificates_is_obeyed() -> None:
    assert told(UV_SYSTEM_CERTS="false", NODE_EXTRA_CA_CERTS="/mine.pem") == ["false", "/mine.pem"]


def test_who_has_said_it_by_the_settings_old_name_is_obeyed() -> None:
    assert told(UV_NATIVE_TLS="false", NODE_EXTRA_CA_CERTS="/mine.pem") == ["false", "/mine.pem"]


def test_what_is_asked_of_a_make_around_the_tests_is_not_asked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    before = told()
    monkeypatch.setenv("MAKEFLAGS", "w -- UV_SYSTEM_CERTS=other")
    assert told() == before

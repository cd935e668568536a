"""Settings come from defaults, file and environment, and wrong ones name themselves."""

import re
from pathlib import Path

import msgspec
import pytest

from tidings.contracts.limits import Limits
from tidings.devstack.plan import SERVICES
from tidings.gateway.settings import Settings as GatewaySettings
from tidings.message.settings import Settings
from tidings.platform.settings import SECTIONS, SettingsError, load


def test_the_environment_wins_over_the_file_and_the_own_variable_over_the_common(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text('redis_url = "redis://file"\nnats_url = "nats://file"\n[message]\nlanes = 2\n')
    env = {
        "TIDINGS_CONFIG": str(file),
        "TIDINGS_REDIS_URL": "redis://env",
        "TIDINGS_POSTGRES_URL": "postgresql://all",
        "TIDINGS_MESSAGE_POSTGRES_URL": "postgresql://mine",
        "TIDINGS_CHAT_GRPC": "a:1, b:2",
    }
    found = load(Settings, "message", env)
    assert (found.redis_url, found.nats_url, found.lanes) == ("redis://env", "nats://file", 2)
    assert found.postgres_url == "postgresql://mine"
    assert found.chat_grpc == ["a:1", "b:2"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("TIDINGS_MESSAGE_LANES", "0"), ("TIDINGS_MESSAGE_LANES", "x"), ("TIDINGS_HTTP_PORT", "70000")],
)
def test_a_wrong_setting_is_named_with_the_reason(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        load(Settings, "message", {variable: value})


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("TIDINGS_POSTGRES_URL", "localhost:5432", "postgresql://"),
        ("TIDINGS_MONGO_URL", "", "mongodb://"),
        ("TIDINGS_MESSAGE_REDIS_URL", "nonsense", "redis://"),
        ("TIDINGS_NATS_URL", "http://localhost:4222", "nats://"),
        ("TIDINGS_S3_URL", "s3://bucket", "https://"),
        ("TIDINGS_PUBLIC_URL", "https://chat.example.org/", "without a slash at its end"),
        ("TIDINGS_OTLP_ENDPOINT", "localhost:4318", "https://"),
        ("TIDINGS_LOG_LEVEL", "loud", "one of debug, info, warning, error and critical"),
    ],
)
def test_a_wrong_url_or_level_is_named_with_what_would_be_right(variable: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}: expected .*{reason}"):
        load(Settings, "message", {variable: value})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TIDINGS_POSTGRES_URL", "postgres:///tidings?host=/run/postgresql"),
        ("TIDINGS_MONGO_URL", "mongodb+srv://name:word@a.example.org,b.example.org/?replicaSet=x"),
        ("TIDINGS_REDIS_URL", "unix:///run/valkey.sock"),
        ("TIDINGS_NATS_URL", "tls://token@nats:4222"),
        ("TIDINGS_PUBLIC_URL", "https://chat.example.org/path"),
        ("TIDINGS_OTLP_ENDPOINT", ""),
        ("TIDINGS_LOG_LEVEL", "WARNING"),
    ],
)
def test_what_the_clients_of_the_stores_take_is_taken(variable: str, value: str) -> None:
    assert value in msgspec.structs.asdict(load(Settings, "message", {variable: value})).values()


def test_the_defaults_are_such_as_would_be_taken() -> None:
    for service in SERVICES:
        msgspec.convert(msgspec.structs.asdict(service.settings()), service.settings)


def test_a_refused_url_does_not_show_its_password() -> None:
    with pytest.raises(SettingsError) as refused:
        load(Settings, "message", {"TIDINGS_REDIS_URL": "rdis://:hunter2@host:6379"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("partitons = 8", "partitons: there is no such setting; is it partitions?"),
        ("[message]\nlane = 8", "message.lane: there is no such setting; is it lanes?"),
        ("[mesage]\nlanes = 8", "mesage: there is no such setting; is it message?"),
        ("[message]\nqqqqq = 8", "message.qqqqq: there is no such setting"),
    ],
)
def test_a_key_of_the_file_that_means_nothing_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "t.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(f"t.toml: {reason}") + "$"):
        load(Settings, "message", {"TIDINGS_CONFIG": str(file)})


def test_the_tables_of_the_others_are_no_unknown_keys(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text("\n".join(f"[{section}]" for section in SECTIONS))
    load(Settings, "message", {"TIDINGS_CONFIG": str(file)})
    assert {service.name for service in SERVICES} < set(SECTIONS)


def test_the_addresses_the_gateway_asks_are_checked() -> None:
    with pytest.raises(SettingsError, match="TIDINGS_GATEWAY_SERVICES: expected name=host:port"):
        load(GatewaySettings, "gateway", {"TIDINGS_GATEWAY_SERVICES": "auth=127.0.0.1:1,user"})


def test_limits_are_settings_too() -> None:
    assert load(Limits, "limits", {"TIDINGS_LIMITS_TEXT_CHARS": "10"}).text_chars == 10

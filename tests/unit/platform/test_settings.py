"""Settings come from defaults, file and environment, and wrong ones name themselves."""

from pathlib import Path

import pytest

from tidings.contracts.limits import Limits
from tidings.message.settings import Settings
from tidings.platform.settings import SettingsError, load


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


def test_limits_are_settings_too() -> None:
    assert load(Limits, "limits", {"TIDINGS_LIMITS_TEXT_CHARS": "10"}).text_chars == 10

"""What runs, on which ports, and what each process is told."""

from pathlib import Path

import pytest

from tidings.devstack.plan import SERVICES, PlanError, Request, given_urls, grpc_addresses, make_plan, place_services
from tidings.devstack.ports import Ports
from tidings.platform.settings import SettingsError


@pytest.fixture
def ports() -> Ports:
    return Ports()


def test_every_service_is_placed_once_by_default(ports: Ports) -> None:
    placed = place_services({}, ports)
    assert [instance.name for instance in placed] == [f"{service.name}-1" for service in SERVICES]
    ports.release()


def test_scale_adds_instances_with_ports_of_their_own(ports: Ports) -> None:
    placed = place_services({"message": 3}, ports)
    addresses = grpc_addresses(placed)["TIDINGS_MESSAGE_GRPC"].split(",")
    assert len(set(addresses)) == 3
    ports.release()


@pytest.mark.parametrize("scale", [{"nonsense": 2}, {"message": 0}, {"message": 99}])
def test_senseless_scale_is_refused(ports: Ports, scale: dict[str, int]) -> None:
    with pytest.raises(PlanError, match="--scale"):
        place_services(scale, ports)
    ports.release()


def test_a_given_url_keeps_the_embedded_store_off(tmp_path: Path, ports: Ports) -> None:
    environ = {"TIDINGS_REDIS_URL": "redis://elsewhere:6379/0", "PATH": "/usr/bin"}
    assert given_urls(environ) == {"valkey"}
    plan = make_plan(Request(data_dir=tmp_path, only_stores=True), ports, environ)
    assert "valkey" not in {process.name for process in plan.processes}
    assert plan.environ["TIDINGS_REDIS_URL"] == "redis://elsewhere:6379/0"
    ports.release()


def test_a_url_in_the_settings_file_counts_too(tmp_path: Path) -> None:
    file = tmp_path / "tidings.toml"
    file.write_text('nats_url = "nats://elsewhere:4222"\n')
    assert given_urls({"TIDINGS_CONFIG": str(file)}) == {"nats"}


def test_opening_a_system_whose_codes_are_only_shown_is_refused(tmp_path: Path, ports: Ports) -> None:
    port = ports.pick("probe")
    ports.release()
    with pytest.raises(PlanError, match="--insecure-dev"):
        make_plan(Request(data_dir=tmp_path, port=port, listen="0.0.0.0"), Ports(), {})


@pytest.mark.parametrize(
    "variable",
    [
        "TIDINGS_AUTH_OTP_TRIES",
        "TIDINGS_LIMITS_EDIT_WINDOW_S",
        "TIDINGS_RATES_IP_BURST",
        "TIDINGS_WEBSOCKET_HEARTBEAT_S",
    ],
)
def test_a_wrong_setting_of_any_service_is_refused_before_anything_starts(
    tmp_path: Path, ports: Ports, variable: str
) -> None:
    port = ports.pick("probe")
    ports.release()
    with pytest.raises(SettingsError, match=variable):
        make_plan(Request(data_dir=tmp_path, port=port), ports, {variable: "abc"})
    ports.release()


def test_a_misspelt_key_of_any_service_is_refused_before_anything_starts(tmp_path: Path, ports: Ports) -> None:
    file = tmp_path / "tidings.toml"
    file.write_text("[auth]\notp_lifetime = 60\n")
    port = ports.pick("probe")
    ports.release()
    with pytest.raises(SettingsError, match="otp_lifetime: there is no such setting; is it otp_lifetime_s"):
        make_plan(Request(data_dir=tmp_path, port=port), ports, {"TIDINGS_CONFIG": str(file)})
    ports.release()


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TIDINGS_MESSAGE_LANE", "; is it TIDINGS_MESSAGE_LANES?"),
        ("TIDINGS_LOGLEVEL", "; is it TIDINGS_LOG_LEVEL?"),
        ("TIDINGS_QQQ", "$"),
    ],
)
def test_a_misspelt_variable_is_refused_before_anything_starts(
    tmp_path: Path, ports: Ports, variable: str, meant: str
) -> None:
    port = ports.pick("probe")
    ports.release()
    with pytest.raises(SettingsError, match=f"^{variable}: there is no such setting{meant.replace('?', '[?]')}"):
        make_plan(Request(data_dir=tmp_path, port=port), ports, {variable: "1"})
    ports.release()


def test_each_service_is_told_who_it_is_and_where_the_others_are(tmp_path: Path, ports: Ports) -> None:
    port = ports.pick("probe")
    ports.release()
    plan = make_plan(
        Request(data_dir=tmp_path, port=port, scale={"websocket": 2}),
        ports,
        {"PATH": "/usr/bin", "TIDINGS_SECRET_VAPID_KEY": "x"},
    )
    by_name = {process.name: process for process in plan.processes}
    assert by_name["websocket-2"].env["TIDINGS_INSTANCE"] == "websocket-2"
    assert by_name["websocket-1"].env["TIDINGS_HTTP_PORT"] != by_name["websocket-2"].env["TIDINGS_HTTP_PORT"]
    assert plan.environ["TIDINGS_MESSAGE_GRPC"].startswith("127.0.0.1:")
    asked = plan.environ["TIDINGS_GATEWAY_SERVICES"].split(",")
    assert f"websocket=127.0.0.1:{by_name['websocket-2'].env['TIDINGS_HTTP_PORT']}" in asked
    assert len(asked) == 8
    assert plan.environ["TIDINGS_AUTH_POSTGRES_URL"] != plan.environ["TIDINGS_CHAT_POSTGRES_URL"]
    assert plan.environ["TIDINGS_PUBLIC_URL"] == f"http://localhost:{port}"
    ports.release()

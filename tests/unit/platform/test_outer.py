"""Which addresses pushes may go to."""

import pytest

from tidings.platform.outer import is_outer, is_outer_address, origin_of


@pytest.mark.parametrize(
    "url",
    [
        "https://fcm.googleapis.com/fcm/send/abc", "https://updates.push.services.mozilla.com/wpush/v2/x",
        "https://web.push.apple.com:443/x", "https://8.8.8.8/x", "https://[2606:4700::1111]/x", "https://push.example.com",
    ],
)  # fmt: skip
def test_the_internet_is_outer(url: str) -> None:
    assert is_outer(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://push.example.com/x", "https://127.0.0.1/x", "https://localhost/x", "https://a.localhost./x",
        "https://10.0.0.1", "https://172.16.0.1", "https://192.168.1.1:8443/x", "https://169.254.169.254/latest",
        "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://[fe80::1]/", "https://[fc00::1]/", "https://0/",
        "https://0x7f.1/", "https://2130706433/", "https://127.1/", "https://0177.0.0.1/", "https://100.64.0.1/",
        "https://224.0.0.1/", "https://user@push.example.com/", "https://db/x", "https://vault.internal/", "https://",
        "https:///x", "https://[::1", "https://push.example.com:99999/", "https://a\\@127.0.0.1/",
        "https://a b.example/",
    ],
)  # fmt: skip
def test_this_network_is_not(url: str) -> None:
    assert not is_outer(url)


def test_an_allowed_origin_is_taken_as_it_is_written_and_no_other() -> None:
    allowed = ["http://127.0.0.1:8090"]
    assert is_outer("http://127.0.0.1:8090/push/x", allowed)
    for url in ("http://127.0.0.1:8091/", "https://127.0.0.1:8090/", "http://127.0.0.1/", "http://a@127.0.0.1:8090/"):
        assert not is_outer(url, allowed)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet(address: str) -> None:
    assert is_outer_address(address)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::",
     "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "ff02::1"],
)  # fmt: skip
def test_addresses_of_this_network(address: str) -> None:
    assert not is_outer_address(address)


def test_an_origin_leaves_out_the_usual_port() -> None:
    assert origin_of("https://Push.example.com:443/a?b") == "https://push.example.com"
    assert origin_of("https://push.example.com.:8443/a") == "https://push.example.com:8443"
    assert origin_of("http://[::1]:80/a") == "http://[::1]"

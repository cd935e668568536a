"""Which addresses pushes may go to."""

import pytest

from tidings.user.endpoint import is_outer


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

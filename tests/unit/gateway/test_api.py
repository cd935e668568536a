"""Public documents of the gateway."""

from litestar.testing import create_test_client

from tidings.contracts.limits import Limits, Rates
from tidings.gateway.api import routes

KEY = "14:6D:E9:83:C5:73:06:50:D8:EE:B9:95:2F:34:FC:64:16:A0:83:42:E6:1D:BE:A8:8A:04:96:B2:3F:CF:44:E5"


def test_android_apps_that_may_show_this_site_are_told() -> None:
    with create_test_client(routes(Limits(), Rates(), None, "", {"org.example.chat": [KEY]})) as client:
        (link,) = client.get("/.well-known/assetlinks.json").json()
    assert link["relation"] == ["delegate_permission/common.handle_all_urls"]
    assert link["target"] == {
        "namespace": "android_app",
        "package_name": "org.example.chat",
        "sha256_cert_fingerprints": [KEY],
    }

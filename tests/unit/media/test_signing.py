"""AWS Signature Version 4."""

from datetime import UTC, datetime

from tidings.media.signing import presign, query_string, sign


def test_the_example_of_the_s3_manual() -> None:
    """ "GET Bucket Lifecycle" in "Signature Calculations for the Authorization Header" of the S3 API Reference."""
    headers = sign(
        "GET",
        "https://examplebucket.s3.amazonaws.com",
        "/",
        {"lifecycle": ""},
        datetime(2013, 5, 24, tzinfo=UTC),
        "us-east-1",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    assert headers["authorization"].endswith(
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )


def test_a_query_is_sorted_and_encoded() -> None:
    assert query_string({"uploadId": "a/b c", "prefix": ""}) == "prefix=&uploadId=a%2Fb%20c"


def test_the_example_of_a_signed_url_in_the_s3_manual() -> None:
    """ "Authenticating Requests: Using Query Parameters" in the S3 API Reference."""
    query = presign(
        "GET",
        "https://examplebucket.s3.amazonaws.com",
        "/test.txt",
        {},
        datetime(2013, 5, 24, tzinfo=UTC),
        86_400,
        "us-east-1",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    assert query.endswith("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


def test_a_signed_url_for_a_body_covers_its_size() -> None:
    def signature(size: int) -> str:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        query = presign("PUT", "http://localhost:8333", "/b/k", {"partNumber": "1"}, at, 600, "r", "a", "s", size)
        assert "X-Amz-SignedHeaders=content-length%3Bhost" in query
        return query.rpartition("=")[2]

    assert signature(5) != signature(6)

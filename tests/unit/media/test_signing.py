"""AWS Signature Version 4."""

from datetime import UTC, datetime

from tidings.media.signing import query_string, sign


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

"""Prometheus metrics that every service has; each service adds its own beside the code they count."""

from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

FAST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

HTTP: Final = Histogram(
    "tidings_http_request_seconds",
    "Time to answer an HTTP request",
    ["method", "route", "status"],
    buckets=FAST_BUCKETS,
)
RPC_SERVED: Final = Histogram(
    "tidings_rpc_served_seconds", "Time to serve a gRPC call", ["method", "code"], buckets=FAST_BUCKETS
)
RPC_CALLED: Final = Histogram(
    "tidings_rpc_called_seconds", "Time a gRPC call to another service took", ["method", "code"], buckets=FAST_BUCKETS
)
EVENTS_PUBLISHED: Final = Counter("tidings_events_published_total", "Events published", ["subject", "outcome"])
EVENTS_CONSUMED: Final = Histogram(
    "tidings_events_consumed_seconds", "Time to work on one event batch", ["consumer", "outcome"], buckets=FAST_BUCKETS
)
DEAD_LETTERS: Final = Counter("tidings_dead_letters_total", "Events given up on", ["consumer"])
FAULTS: Final = Counter("tidings_faults_total", "Errors that are bugs: answered with 500", ["where"])
DEPENDENCY: Final = Counter(
    "tidings_dependency_failures_total", "Failed attempts to reach a store or service", ["dependency"]
)
READY: Final = Gauge("tidings_ready", "1 while this process takes work")


def render() -> tuple[bytes, str]:
    """The exposition and its content type."""
    return generate_latest(), CONTENT_TYPE_LATEST

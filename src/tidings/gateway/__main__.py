"""Run it: `python -m tidings.gateway`."""

from tidings.gateway.service import build
from tidings.gateway.settings import Settings
from tidings.platform import lifecycle

lifecycle.run("gateway", Settings, build)

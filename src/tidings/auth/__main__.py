"""Run it: `python -m tidings.auth`."""

from tidings.auth.service import build
from tidings.auth.settings import Settings
from tidings.platform import lifecycle

lifecycle.run("auth", Settings, build)

"""Run it: `python -m tidings.user`."""

from tidings.platform import lifecycle
from tidings.user.service import build
from tidings.user.settings import Settings

lifecycle.run("user", Settings, build)

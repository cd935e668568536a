"""Run it: `python -m tidings.message`."""

from tidings.message.service import build
from tidings.message.settings import Settings
from tidings.platform import lifecycle

lifecycle.run("message", Settings, build)

"""Run the media service: `python -m tidings.media`."""

from tidings.media.service import build
from tidings.media.settings import Settings
from tidings.platform import lifecycle

if __name__ == "__main__":
    lifecycle.run("media", Settings, build)

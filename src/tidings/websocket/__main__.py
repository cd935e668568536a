"""Run the websocket service: `python -m tidings.websocket`."""

from tidings.platform import lifecycle
from tidings.websocket.service import build
from tidings.websocket.settings import Settings

if __name__ == "__main__":
    lifecycle.run("websocket", Settings, build)

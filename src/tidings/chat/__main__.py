"""Run the chat service: `python -m tidings.chat`."""

from tidings.chat.service import build
from tidings.chat.settings import Settings
from tidings.platform import lifecycle

if __name__ == "__main__":
    lifecycle.run("chat", Settings, build)

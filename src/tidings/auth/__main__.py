"""Run auth-service: `python -m tidings.auth`."""

from tidings.auth.service import build
from tidings.auth.settings import Settings
from tidings.platform import lifecycle

if __name__ == "__main__":
    lifecycle.run("auth", Settings, build)

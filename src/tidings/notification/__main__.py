"""Run the notification service: `python -m tidings.notification`."""

from tidings.notification.service import build
from tidings.notification.settings import Settings
from tidings.platform import lifecycle

if __name__ == "__main__":
    lifecycle.run("notification", Settings, build)

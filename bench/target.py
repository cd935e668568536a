"""The system under measurement, and what every load asks of it."""

import contextlib
import resource
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from tests.support.running import System

from bench import people
from bench.usage import Usage, memory_bytes, pids_of

OPEN_FILES = 65_536


class SkippedError(Exception):
    """A load that cannot be run here; the text says why."""


@dataclass
class Target:
    """One running system. Owner of the crowd: people signed in once and lent to every load that needs only bodies."""

    url: str
    data_dir: Path | None = None  # without it: no figures of processes, and no load that kills one
    profiles: Path | None = None
    load: str = ""
    _crowd: list[people.Person] = field(default_factory=list)

    def named(self, load: str) -> "Target":
        """The same system with the same crowd, for another load."""
        return replace(self, load=load)

    def say(self, text: str) -> None:
        """Progress, on stderr: figures alone go to stdout."""
        print(f"{time.strftime('%H:%M:%S')}    {self.load}: {text}", file=sys.stderr, flush=True)

    def usage(self) -> Usage:
        """Begin to count what the processes use."""
        return Usage(pids_of(self.data_dir), self.profiles / self.load if self.profiles else None)

    def memory(self) -> dict[str, int]:
        """PSS in bytes of every process."""
        return memory_bytes(self.data_dir)

    def system(self) -> System:
        """To kill processes of. Raises SkippedError without a data directory."""
        if self.data_dir is None:
            raise SkippedError("needs --data-dir: it kills a process of the system")
        return System(self.url, self.data_dir)

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """A REST client."""
        async with httpx.AsyncClient(base_url=f"{self.url}/api/v1", timeout=60) as client:
            yield client

    async def crowd(self, client: httpx.AsyncClient, count: int) -> list[people.Person]:
        """The first `count` of the crowd, which grows as needed."""
        while (missing := count - len(self._crowd)) > 0:
            self._crowd += await people.sign_in_many(client, min(missing, 200))
            if missing > 200:
                self.say(f"{len(self._crowd):,} of {count:,} people signed in")
        return self._crowd[:count]


def raise_open_files() -> int:
    """As many open files as this process may have, and its children after it; root may have more. Returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, OPEN_FILES), max(hard, OPEN_FILES)))
        return max(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard

"""Which instance is asked: the home of a key while it serves, another while it is gone or hangs."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.support.running import free_port
from tests.support.waiting import eventually

from tidings.contracts.errors import ApiError
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import user_pb2
from tidings.rpc.v1.user_pb2_grpc import UserServiceStub

if TYPE_CHECKING:
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub

SERVER = """
import asyncio, sys
from tidings.platform import rpc
from tidings.rpc.v1 import user_pb2, user_pb2_grpc

class Users(user_pb2_grpc.UserServiceServicer):
    async def GetUser(self, request, context):
        return user_pb2.GetUserResponse(user_json=sys.argv[1].encode())

async def main():
    server = rpc.server("token", [lambda made: user_pb2_grpc.add_UserServiceServicer_to_server(Users(), made)])
    server.add_insecure_port("127.0.0.1:" + sys.argv[1])
    await server.start()
    await server.wait_for_termination()

asyncio.run(main())
"""


class Instance:
    """On a port that is to be had again after a death."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    def start(self) -> None:
        self.child = subprocess.Popen([sys.executable, "-c", SERVER, str(self.port)])

    def end(self) -> None:
        self.child.kill()
        self.child.wait()


@contextlib.contextmanager
def two() -> Iterator[list[Instance]]:
    found = [Instance(), Instance()]
    try:
        yield found
    finally:
        for each in found:
            each.end()


async def served_by(peers: "Peers[UserServiceAsyncStub]", key: str) -> int:
    method = peers.stub(key).GetUser
    answer = await peers.call(method, user_pb2.GetUserRequest(), timeout_s=2)
    return int(answer.user_json)


async def test_another_is_asked_for_as_long_as_one_does_not_serve() -> None:
    """Of two that are gone and two that hang, side by side: it is long to wait."""
    await asyncio.gather(*(_outage(fault) for fault in ("gone", "hangs")))


async def _outage(fault: str) -> None:
    with two() as instances:
        peers = Peers("user", [f"127.0.0.1:{each.port}" for each in instances], UserServiceStub, "token")
        keys = [f"key {n}" for n in range(20)]

        async def spread() -> dict[str, int] | None:
            """The home of each key: the same twice, so that none was asked in place of one still starting."""
            try:
                found, again = [{key: await served_by(peers, key) for key in keys} for _ in range(2)]
            except ApiError:  # neither has started
                return None
            return found if found == again and set(found.values()) == {each.port for each in instances} else None

        homes: dict[str, int] = await eventually(spread, "both are asked", 40)
        bad, good = instances
        if fault == "gone":
            bad.end()
        else:
            os.kill(bad.child.pid, signal.SIGSTOP)
            key = next(key for key in keys if homes[key] == bad.port)
            with pytest.raises(ApiError):  # the first finds it out
                await served_by(peers, key)
        loop = asyncio.get_running_loop()
        until = loop.time() + 12  # past keepalive and many attempts to connect anew
        while loop.time() < until:
            assert {await served_by(peers, key) for key in keys} == {good.port}, fault
            await asyncio.sleep(0.05)
        if fault == "gone":
            bad.start()
        else:
            os.kill(bad.child.pid, signal.SIGCONT)

        async def at_home() -> bool:
            return {key: await served_by(peers, key) for key in keys} == homes

        await eventually(at_home, f"each key is served at its home again: {fault}", 20)
        await peers.close()

"""Choosing ports, and naming who holds one."""

import os
import socket
from collections.abc import Iterator

import pytest

from tidings.devstack.ports import Ports, PortTakenError, describe_holder, is_free


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def test_usual_port_is_taken_when_free_and_another_when_not(taken: socket.socket) -> None:
    ports = Ports()
    assert ports.pick("a", port_of(taken)) != port_of(taken)
    ports.release()


def test_last_port_of_a_name_is_preferred() -> None:
    first = Ports()
    had = first.pick("message-1-http")
    first.release()
    second = Ports(first.chosen)
    assert second.pick("message-1-http", 8084) == had
    second.release()


def test_two_systems_starting_at_once_never_choose_the_same() -> None:
    mine, theirs = Ports(), Ports()
    wanted = mine.pick("x")
    assert theirs.pick("x", wanted) != wanted
    mine.release()
    theirs.release()


def test_taken_port_names_its_holder(taken: socket.socket) -> None:
    with pytest.raises(PortTakenError, match=f"pid {os.getpid()}"):
        Ports().claim(port_of(taken), "127.0.0.1")
    assert not is_free(port_of(taken))
    assert str(os.getpid()) in describe_holder(port_of(taken))

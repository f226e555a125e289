import socket

import pytest

from fl_server.listeners.serving import listen
from shared_models.errors import AddressError


@pytest.fixture
def listener():
    with listen("127.0.0.1", 0, "server.fleet_port", 4) as listener:
        listener.settimeout(20)
        yield listener


@pytest.fixture
def knock(listener):
    """Opens a connection to the listener."""
    lines = []

    def knock():
        lines.append(socket.create_connection(listener.getsockname(), timeout=20))
        return lines[-1]

    yield knock
    for line in lines:
        line.close()


def test_one_address_holds_half_of_the_connections(listener, knock):
    held = []
    for _ in range(2):
        knock()
        held.append(listener.accept()[0])
    refused = knock()
    with pytest.raises(ConnectionAbortedError):
        listener.accept()
    assert refused.recv(1) == b""
    held.pop().close()
    knock()
    held.append(listener.accept()[0])
    for connection in held:
        connection.close()
        connection.close()
    assert listener._open == {}


def test_all_together_hold_the_whole_of_them_and_no_more(listener, knock):
    listener._open["192.0.2.1"] = 3
    knock()
    connection, _ = listener.accept()
    knock()
    with pytest.raises(ConnectionAbortedError):
        listener.accept()
    connection.close()


def test_what_is_sent_on_an_accepted_connection_arrives(listener, knock):
    line = knock()
    connection, (address, _) = listener.accept()
    with connection:
        line.sendall(b"hello")
        assert (connection.recv(10), address) == (b"hello", "127.0.0.1")


def test_a_port_that_is_taken_is_named(listener):
    port = listener.getsockname()[1]
    with pytest.raises(AddressError, match=f"127.0.0.1:{port} cannot be opened") as refused:
        listen("127.0.0.1", port, "server.loopback_port", 4)
    assert "server.loopback_port" in refused.value.fix

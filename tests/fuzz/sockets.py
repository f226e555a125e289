"""What a server says to bytes that a stranger sends."""

import socket

ANSWER_SECONDS = 20
"""A server that is silent for so long hangs."""
_PATIENCE_SECONDS = 0.2


def said(connection: socket.socket, data: bytes) -> str:
    """The status of the answer; `hung up` where the server gave none, `waits` where it would like to hear more."""
    try:
        connection.sendall(data)
        connection.settimeout(_PATIENCE_SECONDS)
        answer = connection.recv(64)
    except TimeoutError:
        return "waits for more"
    except OSError:
        return "hung up"
    return f"answered {answer.split()[1].decode()}" if answer.startswith(b"HTTP/") else "hung up"

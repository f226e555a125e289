"""The adapter to Flower: the only package of the server that imports Flower modules that are not public."""

from fl_server.transport.transport import Session, Transport

__all__ = ["Session", "Transport"]

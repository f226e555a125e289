"""A device with its key, on a clock that stands still."""

import base64
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fl_server.listeners.authentication import Authentication, Device

BEGAN = dt.datetime(2026, 11, 3, 9, 0, tzinfo=dt.UTC)


@dataclass
class Laptop:
    device: Device
    private: ec.EllipticCurvePrivateKey

    def headers(self, at: dt.datetime) -> dict[bytes, bytes]:
        time = at.isoformat().encode()
        return {
            b"flwr-public-key": self.device.header,
            b"flwr-timestamp": time,
            b"flwr-signature": base64.b64encode(self.private.sign(time, ec.ECDSA(hashes.SHA256()))),
        }


class Clock:
    """The server's clock; it began an hour ago."""

    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authentication(clock: Clock) -> Authentication:
    made = Authentication(clock)
    clock.now += dt.timedelta(hours=1)
    return made


@pytest.fixture
def make_laptop() -> Callable[..., Laptop]:
    def make(node: int = 1) -> Laptop:
        key = ec.generate_private_key(ec.SECP384R1())
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return Laptop(Device(node, f"{node:08x}", pem, key.public_key()), key)

    return make


@pytest.fixture
def laptop(make_laptop: Callable[..., Laptop], authentication: Authentication) -> Laptop:
    """One that was let in."""
    laptop = make_laptop()
    authentication.admit(laptop.device)
    return laptop

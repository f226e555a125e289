"""Which device sent a request, by its headers alone: nothing of a body is read for it.

A device signs the time of each request with its node key (Flower's scheme, ECDSA on P-384). The signature covers the
time only, so whoever could repeat a request's headers could put another body behind them: each is good for one request.
"""

import base64
import binascii
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from fl_server.listeners.asgi import Headers

KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER = b"flwr-public-key", b"flwr-signature", b"flwr-timestamp"
OLDEST, NEWEST = dt.timedelta(seconds=305), dt.timedelta(seconds=5)
"""How far a request's time may be behind and ahead of this clock, as Flower has it."""


class UnknownDevice(Exception):  # noqa: N818 - says what the sender is
    """The request is not from a device that was let in; the reason is a word for counts."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Replayed(Exception):  # noqa: N818 - says what the request is
    """These headers were used before, or may have been by a server that ran before this one."""


@dataclass(frozen=True)
class Device:
    """A device that was let in."""

    node_id: int
    pseudonym: str
    key: bytes
    """its public key as Flower writes it"""
    public_key: ec.EllipticCurvePublicKey
    times: dict[dt.datetime, None] = field(default_factory=dict)
    """of its requests that are not too old to be repeated, in the order in which they came"""

    @property
    def header(self) -> bytes:
        return base64.b64encode(self.key)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Authentication:
    """The devices that are let in. May be changed from any thread; a revoked key stops with its next request."""

    def __init__(self, now: Callable[[], dt.datetime] = _now) -> None:
        self._devices: dict[bytes, Device] = {}
        self._now, self._began = now, now()

    def admit(self, device: Device) -> None:
        """Admitting a device again keeps what is known of its requests."""
        self._devices.setdefault(device.header, device)

    def revoke(self, key: bytes) -> Device | None:
        """The device that had this key, as Flower writes it; None where none had."""
        return self._devices.pop(base64.b64encode(key), None)

    def is_admitted(self, device: Device) -> bool:
        return device.header in self._devices

    def identify(self, headers: Headers) -> Device:
        """The sender. Raises UnknownDevice or Replayed."""
        device = self._devices.get(headers.get(KEY_HEADER, b""))
        if device is None:
            raise UnknownDevice("unknown_key")
        now = self._now()
        try:
            time = headers[TIME_HEADER]
            signed_at = dt.datetime.fromisoformat(time.decode("ascii"))
            in_time = -OLDEST < signed_at - now < NEWEST
            signature = base64.b64decode(headers[SIGNATURE_HEADER], validate=True)
            device.public_key.verify(signature, time, ec.ECDSA(hashes.SHA256()))
        except (KeyError, ValueError, TypeError, OverflowError, binascii.Error, InvalidSignature) as error:
            raise UnknownDevice("bad_signature") from error
        if not in_time:
            raise UnknownDevice("wrong_clock")
        self._count_once(device, signed_at, now)
        return device

    def _count_once(self, device: Device, signed_at: dt.datetime, now: dt.datetime) -> None:
        while device.times and next(iter(device.times)) <= now - OLDEST:
            del device.times[next(iter(device.times))]
        if signed_at in device.times or signed_at < self._began:
            raise Replayed
        device.times[signed_at] = None

"""The page of a real device."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fl_client.account import account
from fl_client.consent import ConsentBook
from fl_client.daemon_status import read_status
from fl_client.earlier import history
from fl_client.home import Enrolment, Home
from fl_client.page.device import Device, Doing
from fl_client.page.server import PageServer
from fl_client.senses import Senses
from fl_client.settings import PageSettings
from fl_client.store import Store
from fl_client.stored_sequence import StoredSequence
from shared_models.data.labels import scheme_by_name
from shared_models.files import atomic_write
from shared_models.networks.registry import build_model
from shared_models.privacy.policy import Policy

_FLOAT_BYTES = 4


def device_page(
    home: Home,
    settings: PageSettings,
    enrolment: Enrolment,
    store: Store,
    senses: Senses,
    withdraw: Callable[[], None],
    turn_off: Callable[[], None],
) -> PageServer:
    device = Device(
        enrolment=enrolment,
        consent=ConsentBook(home.root),
        doing=lambda: _doing(home),
        kept=KeptData(store, home),
        sent=SentData(home, enrolment),
        upload_bytes=_upload_bytes(enrolment.policy),
        withdraw=withdraw,
        turn_off=turn_off,
        reader=senses.reader,
        explainer=senses.explainer,
        prober=senses.prober,
        no_reader=senses.no_reader,
    )
    return PageServer(device, settings, home.page, home.no_hints)


@dataclass(frozen=True)
class KeptData:
    """The store. What is deleted from it is noted for the ledger, which says so once."""

    store: Store
    home: Home

    def __len__(self) -> int:
        return len(self.store)

    def load_all(self) -> Iterator[StoredSequence]:
        return self.store.load_all()

    def delete(self, ids: Iterable[str]) -> None:
        self.store.delete(ids)
        atomic_write(self.home.erasures, b"")

    def delete_all(self) -> None:
        self.store.delete_all()
        atomic_write(self.home.erasures, b"")


class SentData:
    """The account of the ledger, which is read again only when it has grown."""

    def __init__(self, home: Home, enrolment: Enrolment) -> None:
        self._home, self._enrolment = home, enrolment
        self._seen, self._account = -1, dict[str, Any]()

    def version(self) -> int:
        return self._home.ledger.stat().st_size if self._home.ledger.exists() else 0

    def account(self) -> dict[str, Any]:
        """Raises LedgerError where a signature or a link of the ledger does not hold."""
        version = self.version()
        if version != self._seen:
            self._account = account(history(self._home, self._enrolment), self._enrolment)
            self._seen = version
        return self._account


def _doing(home: Home) -> Doing:
    """What the daemon last wrote of itself."""
    status = read_status(home.status)
    if status is None:
        return Doing(looking=False, camera="starting", training="starting")
    camera = status.capture.removeprefix("waits: ").rstrip(".")
    return Doing(looking=camera == "capturing", camera=camera, training=status.node.rstrip("."))


def _upload_bytes(policy: Policy) -> int:
    """The numbers of one update; a signed entry of some hundred bytes goes with them."""
    model = build_model(policy.model, len(scheme_by_name(policy.scheme).classes))
    return _FLOAT_BYTES * sum(weights.numel() for weights in model.trainable(policy.trainable).values())

"""A federation that is made to be measured: its folder, its devices, and its server as a process."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fl_client.enrolment import accept, read_offer
from fl_client.home import Enrolment, Identity
from fl_server.enrolment.registry import Registry
from fl_server.folder import FederationFolder
from shared_models.enrolment.invitation import Invitation
from shared_models.errors import AddressError, EnrolmentError
from simulations.bench.light_devices import Member
from simulations.demo.processes import Processes

_OVER_THE_WIRE = 3
_VALID_SECONDS = 24 * 3600
_START_SECONDS, _WATCH_SECONDS = 120.0, 0.1


class ScratchFederation:
    """One federation below `root`; `processes` holds its server."""

    def __init__(self, root: Path, processes: Processes, entries: Mapping[str, object]) -> None:
        """Made by `fl-server init` with these entries of its settings."""
        self.folder, self._processes = FederationFolder(root), processes
        given = [part for name, value in entries.items() for part in ("--set", f"{name}={json.dumps(value)}")]
        processes.call("fl-server", "init", str(root), *given)

    def start(self, devices: int) -> tuple[int, list[Member]]:
        """Starts the server; gives its process id and so many enrolled devices.

        The first few enrol over the wire, as a student does; the others are in the registry already, as if they had
        enrolled last week.
        """
        identities = [Identity.generate() for _ in range(devices)]
        few, others = identities[:_OVER_THE_WIRE], identities[_OVER_THE_WIRE:]
        names = self._enrol_directly(others)
        root = str(self.folder.root)
        invited = json.loads(self._processes.call("fl-server", "invite", root, "--count", str(len(few)), "--json"))
        self._processes.start("server", "fl-server", "start", root)
        enrolments = self._enrol_over_the_wire(invited["invitations"], few)
        for name, identity in zip(names, others, strict=True):
            changed = {"pseudonym": name, "ledger_key": identity.ledger.public_key().public_bytes_raw().hex()}
            enrolments.append(enrolments[0].model_copy(update=changed))
        members = [_member(n, *pair) for n, pair in enumerate(zip(enrolments, identities, strict=True))]
        return self._processes.pid("server"), members

    def _enrol_directly(self, identities: Sequence[Identity]) -> list[str]:
        registry, names = Registry(self.folder.enrolment), []
        for identity in identities:
            node_key = identity.node.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            secret, _ = registry.invite(_VALID_SECONDS)
            device = registry.enrol(secret, node_key, identity.ledger.public_key().public_bytes_raw())
            if device is None:
                raise EnrolmentError("The registry did not take a device that was just invited")
            names.append(device.pseudonym)
        return names

    def _enrol_over_the_wire(self, invitations: Sequence[str], identities: Sequence[Identity]) -> list[Enrolment]:
        """Waits until the server listens. Raises AddressError where it does not, DemoError where it has ended."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            self._processes.check()
            try:
                offers = [read_offer(Invitation.decode(text)) for text in invitations]
                return [accept(offer, identity) for offer, identity in zip(offers, identities, strict=True)]
            except AddressError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_WATCH_SECONDS)


def _member(number: int, enrolment: Enrolment, identity: Identity) -> Member:
    node_key = identity.node.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return Member(number, enrolment, node_key, identity.ledger.private_bytes_raw())

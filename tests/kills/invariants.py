"""What must hold of the files of a federation and its devices after any kill, read without the help of a process."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from fl_client.home import Enrolment, load_enrolment
from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoints
from fl_server.policy_in_force import policy_in_force
from fl_server.report.record import read_record
from fl_server.status import read_rounds
from shared_models.errors import AttuneError
from shared_models.networks.weights import weights_hash
from shared_models.privacy.events import Intent, RoundClosed, RoundVoid, spent_epsilon
from shared_models.privacy.ledger import Entry, check_chain, parse_entry
from tests.kills.world import QUORUM, SERVER, Violation, World

_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Attempt:
    """One opening of a round: the nonces that it asked for, and the entries whose updates it accepted, by device."""

    round: int
    nonces: dict[str, str]
    accepted: dict[str, str]


class Invariants:
    """Compares what is on disk with what was there before and with what the witnesses saw."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._policy = policy_in_force(world.folder, world.settings)
        self._server_key = load_signing_key(world.folder).public_key()
        self._lines: dict[str, bytes] = {}
        self._ledger_keys = {name: _ledger_key(self._enrolment(name)) for name in world.homes}
        self._round = 0
        self._epsilon = dict.fromkeys(world.homes, 0.0)
        self._weights = [_trained(Checkpoints(world.folder.checkpoints).load(0)[0].state_dict())]
        self.checks = 0

    @property
    def round(self) -> int:
        """The newest round that has a checkpoint."""
        return self._round

    @property
    def accepted(self) -> int:
        """Updates that the server ever accepted."""
        return sum(len(attempt.accepted) for attempt in self._attempts())

    def check(self, dead: str) -> None:
        """Raises Violation at the first invariant that does not hold. `dead`: who has just been killed."""
        try:
            self._check(dead)
        except (AttuneError, ValueError, LookupError) as error:
            raise Violation(f"a file cannot be read: {error!r}") from error
        self.checks += 1

    def _check(self, dead: str) -> None:
        server = self._ledger(SERVER, self._world.folder.ledger, dead)
        check_chain(server, self._server_key)
        closed = [entry.body for entry in server if isinstance(entry.body, RoundClosed)]
        self._rounds_follow_each_other(server, closed)
        devices = {self._enrolment(name).pseudonym: self._device(name, dead) for name in self._world.homes}
        self._no_update_counts_twice(closed, devices)
        self._nobody_pays_twice(devices)
        self._no_accepted_update_is_lost(closed)
        if self._world.waits:
            self._nobody_is_given_up()
        self._the_model_is_the_sum(closed, devices)
        self._the_record_verifies()

    def _rounds_follow_each_other(self, server: list[Entry], closed: list[RoundClosed]) -> None:
        _require(
            not any(isinstance(entry.body, RoundVoid) for entry in server), "a round in the ledger was declared void"
        )
        numbers = [round_.round for round_ in closed]
        _require(numbers == list(range(1, len(closed) + 1)), f"the rounds in the ledger are {numbers}")
        reached = max(Checkpoints(self._world.folder.checkpoints).rounds())
        _require(reached >= self._round, f"the newest checkpoint went back from round {self._round} to {reached}")
        _require(reached <= len(closed), f"round {reached} has a checkpoint and is not in the ledger")
        self._round = reached

    def _device(self, name: str, dead: str) -> dict[str, Intent]:
        """The intents of a device's ledger by the hash of their entry; that ledger only grew, and so did epsilon."""
        entries = self._ledger(name, self._world.homes[name].ledger, dead)
        check_chain(entries, self._ledger_keys[name])
        intents = {entry.hash: entry.body for entry in entries if isinstance(entry.body, Intent)}
        spent = max(spent_epsilon(intents.values(), m.unit, self._policy.delta) for m in self._policy.mechanisms)
        _require(spent >= self._epsilon[name], f"epsilon of {name} fell from {self._epsilon[name]} to {spent}")
        self._epsilon[name] = spent if name == dead else self._epsilon[name]
        return intents

    def _no_update_counts_twice(self, closed: list[RoundClosed], devices: dict[str, dict[str, Intent]]) -> None:
        used: set[tuple[str, str]] = set()
        for round_ in closed:
            for device, entry in round_.debits.items():
                _require(entry in devices[device], f"round {round_.round} names an entry that {device} does not have")
                intent = devices[device][entry]
                _require(intent.round == round_.round, f"round {round_.round} used an update of round {intent.round}")
                _require((device, intent.nonce) not in used, f"an update of {device} counts twice")
                used.add((device, intent.nonce))

    def _nobody_pays_twice(self, devices: dict[str, dict[str, Intent]]) -> None:
        """One intent a round and a nonce; a round that failed for want of answers is a new one under its number."""
        failed = Counter(line.round for line in read_rounds(self._world.folder) if line.state == "failed")
        for device, intents in devices.items():
            nonces = Counter(intent.nonce for intent in intents.values())
            _require(max(nonces.values(), default=1) == 1, f"{device} paid twice for one task")
            paid = Counter(intent.round for intent in intents.values())
            for round_, times in paid.items():
                _require(
                    times <= 1 + failed[round_],
                    f"{device} paid {times} times for round {round_}, which failed {failed[round_]} times",
                )
        answers = Counter(path.name.split("-")[0] for name in self._world.homes for path in self._answers(name))
        _require(max(answers.values(), default=1) == 1, "a task was answered twice, with different bytes")

    def _no_accepted_update_is_lost(self, closed: list[RoundClosed]) -> None:
        """All that an attempt accepted counts together, once; an attempt that ends without had too few to count."""
        debits = {round_.round: round_.debits for round_ in closed}
        attempts = self._attempts()
        for position, attempt in enumerate(attempts):
            used = debits.get(attempt.round, {})
            if set(attempt.accepted.values()) & set(used.values()):
                _require(
                    attempt.accepted == used,
                    f"round {attempt.round} accepted {sorted(attempt.accepted)} and counts {sorted(used)}",
                )
            elif position < len(attempts) - 1:
                _require(
                    len(attempt.accepted) < QUORUM,
                    f"round {attempt.round} accepted {sorted(attempt.accepted)} and was given up",
                )

    def _nobody_is_given_up(self) -> None:
        """A device that comes back in time is asked again. Rounds wait for all, and nobody is away for long."""
        for line in read_rounds(self._world.folder):
            _require("no_answer" not in line.rejected, f"round {line.round} gave up a device that was back")

    def _attempts(self) -> list[Attempt]:
        """What the server's witness saw of open rounds, in order; an opening with the same nonces is the same one."""
        attempts: list[Attempt] = []
        for path in sorted(self._world.notes(SERVER).iterdir()):
            if path.suffix == ".json":
                facts = json.loads(path.read_bytes())
                if not attempts or attempts[-1].nonces != facts["nonces"]:
                    attempts.append(Attempt(facts["round"], facts["nonces"], {}))
            else:
                entry = _accepted_entry(path)
                attempts[-1].accepted[entry.body.device] = entry.hash
        return attempts

    def _the_model_is_the_sum(self, closed: list[RoundClosed], devices: dict[str, dict[str, Intent]]) -> None:
        """The newest model is the first plus each round's mean of the very bytes that its devices sent."""
        answers = {path.stem.split("-")[1]: path for name in self._world.homes for path in self._answers(name)}
        for round_ in closed[len(self._weights) - 1 :]:
            deltas = [load_file(answers[devices[device][entry].update_hash]) for device, entry in round_.debits.items()]
            before = self._weights[-1]
            mean = {name: sum(delta[name].double() for delta in deltas) / len(deltas) for name in deltas[0]}
            self._weights.append({name: value + mean.get(name, 0) for name, value in before.items()})
        model, record = Checkpoints(self._world.folder.checkpoints).load(self._round)
        weights = model.state_dict()
        if self._round:
            _require(
                weights_hash(weights) == closed[self._round - 1].model_after == record.model_hash,
                f"the checkpoint of round {self._round} is not the model that the ledger names",
            )
        expected = self._weights[self._round]
        off = max(float((value.double() - expected[name]).abs().max()) for name, value in _trained(weights).items())
        _require(off <= _TOLERANCE, f"the model of round {self._round} is {off:g} from the sum of its updates")

    def _the_record_verifies(self) -> None:
        """What `fl-server report` and `fl-server verify` check."""
        folder = self._world.folder
        last = Checkpoints(folder.checkpoints).record(self._round)
        failed = read_record(folder, self._world.settings.study.id, self._policy, last).failed
        _require(failed is None, f"the record does not verify: {failed and failed.name}: {failed and failed.detail}")

    def _ledger(self, name: str, path: Path, dead: str) -> list[Entry]:
        """The entries of a ledger, which begins with all that was in it when its writer died the last time.

        While the writer lives, the last line may not have been flushed yet, and a power cut may take it away.
        """
        raw = path.read_bytes() if path.exists() else b""
        lines = raw[: raw.rfind(b"\n") + 1]
        _require(lines.startswith(self._lines.get(name, b"")), f"the ledger of {name} was changed or cut")
        if name == dead:
            self._lines[name] = lines
        return [_entry(line) for line in lines.splitlines()]

    def _answers(self, name: str) -> Iterator[Path]:
        return self._world.notes(name).glob("[0-9a-f]*.safetensors")

    def _enrolment(self, name: str) -> Enrolment:
        return load_enrolment(self._world.homes[name])


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Violation(otherwise)


def _ledger_key(enrolment: Enrolment) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(enrolment.ledger_key))


_entry = cache(parse_entry)


@cache
def _accepted_entry(path: Path) -> Entry:
    with safe_open(path, "pt") as file:
        return parse_entry((file.metadata() or {})["intent"])


def _trained(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The values that training may change, in double precision."""
    return {name: value.double() for name, value in weights.items() if value.dtype == torch.float32}

"""Everything that parses what a stranger wrote: malformed input ends in a documented error, or is taken as it is."""

import base64
import contextlib
import hashlib
import io
import json
import time
import zipfile

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Message, RecordDict
from fuzz.conftest import Target
from fuzz.mutations import mutate
from fuzz.objects import inflated, malformed, objects_of

from fl_server.aggregation import Checker, Expected
from fl_server.report.assemble import build_with_record
from fl_server.report.formats import FORMATS
from fl_server.verify.bundle import HEADS, KEYS, MANIFEST, POLICY, RECEIPTS, REPORT, SCHEMA, _archive
from fl_server.verify.verify import verify
from shared_models.canonical import canonical
from shared_models.enrolment.invitation import Invitation
from shared_models.errors import AttuneError, EnrolmentError, LedgerError, WireError
from shared_models.evaluation.metrics import score
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, weights_hash
from shared_models.privacy.events import Aborted, Erased, Intent, Released, RoundClosed, Withdrawn
from shared_models.privacy.ledger import Ledger, parse_entry, read_ledger
from shared_models.wire import Task, Update, decode_task, decode_update, encode_task, encode_update, shapes_of
from simulations.study import PaperStudy

DEVICE, ROUND, NONCE = "00000000", 3, "00112233445566778899aabbccddeeff"


def outcome(error: AttuneError) -> str:
    return f"{type(error).__name__} {getattr(error, 'reason', '')}".strip()


@pytest.fixture
def journal_key():
    return Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture
def update(policy, model, journal_key, tmp_path, quick_disk):
    """An honest update that the checker takes."""
    delta = {name: torch.full_like(value, 1e-3) for name, value in model.trainable(policy.trainable).items()}
    intent = Intent(
        study="seminar",
        device=DEVICE,
        round=ROUND,
        nonce=NONCE,
        model_hash="aa" * 32,
        policy_hash=policy.hash,
        mechanisms=policy.mechanisms,
        engine="fast",
        update_hash=weights_hash(delta),
    )
    return Update(NONCE, Ledger(tmp_path / "device.jsonl", journal_key).append(intent), delta)


@pytest.fixture
def checker(policy, model):
    return Checker(policy, shapes_of(model.trainable(policy.trainable)))


@pytest.fixture
def expected(journal_key):
    return Expected("seminar", DEVICE, journal_key.public_key(), ROUND, NONCE, "aa" * 32)


def sent(content: RecordDict) -> tuple[bytes, ...]:
    return objects_of(Message(content=content, message_type="train", dst_node_id=1))


def reader(decode):
    """Feeds a message's objects to `decode` as the transports do: what Flower cannot read is no message."""

    def feed(objects):
        try:
            message = inflated(objects)
        except Exception as error:  # as both transports: Flower may raise anything there
            return f"unreadable {type(error).__name__}"
        if not isinstance(message, Message) or not message.has_content():
            return "not a message with content"
        try:
            decode(message.content)
        except WireError as error:
            return outcome(error)
        return "taken"

    return feed


def test_updates(attack, inside_a_task, update, checker):
    seeds = [sent(encode_update(update))]
    feed = reader(lambda content: decode_update(content, checker._shapes))
    outcomes = attack(Target("update decoder", 18, lambda rng: malformed(seeds, rng), feed))
    assert {"WireError schema", "WireError version", "WireError shape"} <= outcomes.keys()


def test_the_check_of_updates(attack, inside_a_task, update, checker, expected):
    """Only an update that says exactly what was signed is taken."""
    seeds = [sent(encode_update(update))]

    def decode(content):
        taken = checker.check(content, expected)
        assert (taken.intent, weights_hash(taken.delta)) == (update.intent, weights_hash(update.delta))

    assert reader(decode)(seeds[0]) == "taken"
    outcomes = attack(Target("update check", 12, lambda rng: malformed(seeds, rng), reader(decode)))
    assert {"WireError schema", "WireError nonce", "WireError intent"} & outcomes.keys()


def test_tasks(attack, inside_a_task, make_receipt):
    """The device's side. Shapes are small, so that most changes hit a field."""
    weights = {"matrix": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}
    task = Task("seminar", 3, NONCE, weights_hash(weights), "bb" * 32, make_receipt(), weights)
    seeds = [sent(encode_task(task))]
    feed = reader(lambda content: decode_task(content, shapes_of(weights)))
    assert feed(seeds[0]) == "taken"
    outcomes = attack(Target("task decoder", 14, lambda rng: malformed(seeds, rng), feed))
    assert {"WireError schema", "WireError model"} & outcomes.keys()


@pytest.fixture
def ledger(update, journal_key, tmp_path):
    """One entry of each kind, after the intent that is there."""
    ledger = Ledger(tmp_path / "device.jsonl", journal_key)
    models = {"model_before": "aa" * 32, "model_after": "bb" * 32}
    counted = {"debits": {DEVICE: "cc" * 32}, "rejected": {"norm": 1}}
    for body in (
        Released(nonce=NONCE),
        Aborted(nonce="ff" * 16),
        Erased(),
        RoundClosed(study="seminar", round=1, policy_hash="dd" * 32, **models, **counted),
        Withdrawn(),
    ):
        ledger.append(body)
    return ledger


def test_ledger_entries(attack, ledger):
    lines = [canonical(entry.model_dump(mode="json")) for entry in ledger.entries]

    def feed(line):
        try:
            parse_entry(line)
        except LedgerError as error:
            return outcome(error)
        return "taken"

    attack(Target("ledger entry", 11, lambda rng: mutate(rng.choice(lines), rng), feed))


def test_ledger_files(attack, ledger, journal_key, tmp_path):
    """A changed byte anywhere in a complete line is found."""
    path, entries = tmp_path / "device.jsonl", list(ledger.entries)
    seed = path.read_bytes()

    def feed(content):
        path.write_bytes(content)
        try:
            read = read_ledger(path, journal_key.public_key())
        except LedgerError as error:
            return outcome(error)
        assert read == entries[: len(read)]
        return "taken up to a cut"

    attack(Target("ledger file", 4, lambda rng: mutate(seed, rng), feed))


def test_invitations(attack):
    invitation = Invitation(
        address="127.0.0.1:1", ca_sha256="aa" * 32, secret="bb" * 32, expires=int(time.time()) + 9999
    )
    text, inside = invitation.encode().encode(), invitation.model_dump_json().encode()

    def make(rng):
        if rng.random() < 0.5:
            return mutate(text, rng).decode("utf-8", "surrogateescape")
        return "attune1." + base64.urlsafe_b64encode(mutate(inside, rng)).decode().rstrip("=")

    def feed(line):
        try:
            Invitation.decode(line)
        except EnrolmentError as error:
            return error.what
        return "taken"

    attack(Target("invitation", 12, make, feed))


@pytest.fixture
def bundle(folder, quick_disk):
    """What `fl-server report --format bundle` writes of a study of two rounds, and the files in it."""
    torch.manual_seed(0)
    study, model = PaperStudy(folder), build_model("cnn-lstm", 7)
    metrics = score(np.eye(7)[[0, 1, 2]], np.array([0, 1, 3]), tuple("abcdefg")).to_dict()
    header = WeightsHeader(model="cnn-lstm", scheme="basic-7", input_shape=(16, 1, 48, 48), training_data="none")
    study.enrol(2)
    study.begin(model, header, metrics)
    for number in (1, 2):
        before = weights_hash(model.state_dict())
        with torch.no_grad():
            next(model.parameters()).add_(1.0)
        study.close_round(number, before, model, dict.fromkeys(study.devices, f"{number:064x}"), metrics)
    document, record = build_with_record(folder)
    data = FORMATS["bundle"].write(document, record, folder)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return data, {name: archive.read(name) for name in archive.namelist()}


def test_bundles(attack, bundle, tmp_path):
    """The archive is changed; or a file in it is, and the list of files signed anew by whoever changed it."""
    data, files = bundle
    path = tmp_path / "bundle.zip"

    def make(rng):
        if rng.random() < 0.3:
            return mutate(data, rng)
        name = rng.choice(sorted(files.keys() - {MANIFEST, SCHEMA}))
        lines = files[name].split(b"\n")
        place = rng.randrange(len(lines))
        lines[place] = mutate(lines[place], rng)
        return forged(files | {name: b"\n".join(lines)}, rng.random() < 0.7)

    def feed(content):
        path.write_bytes(content)
        last = verify(path)[-1]
        assert content == data or not last.passed
        return f"refused at {last.name}"

    attack(Target("bundle", 2, make, feed, short=30))


def test_json_that_is_nested_too_deeply_is_refused(bundle, tmp_path):
    path, (_, files) = tmp_path / "bundle.zip", bundle
    for name in (KEYS, RECEIPTS, HEADS, POLICY, REPORT):
        path.write_bytes(forged(files | {name: b"[" * 100_000}, True))
        assert not verify(path)[-1].passed


def forged(files: dict[str, bytes], consistent: bool) -> bytes:
    """A bundle that its forger signed; `consistent` puts the forger's key among the keys, too."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    name = key.public_key().public_bytes_raw().hex()
    if consistent:
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            files = files | {KEYS: canonical(json.loads(files[KEYS]) | {"server": name})}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != MANIFEST}
    listed = {"version": 1, "files": hashes}
    manifest = {"listed": listed, "public_key": name, "signature": key.sign(canonical(listed)).hex()}
    return _archive(files | {MANIFEST: canonical(manifest)})

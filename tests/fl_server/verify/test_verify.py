"""Whatever is changed in a bundle is found: a byte of the file, or an event in a bundle that the server signed anew."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fl_server.certificates import load_signing_key
from fl_server.enrolment.registry import Registry
from fl_server.report.document import Report
from fl_server.report.signing import signed
from fl_server.verify.bundle import REPORT, SCHEMA, evidence_of, pack, unpack
from fl_server.verify.checks import CHECKS, run_checks
from fl_server.verify.lines import as_lines
from fl_server.verify.verify import verify
from shared_models.errors import UsageError, VerificationError
from shared_models.privacy.events import Erased, Released, Withdrawn
from shared_models.privacy.ledger import Ledger
from shared_models.privacy.receipts import LedgerHead, sign_receipt

SHARED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def check(tmp_path):
    """The checks of a bundle with these bytes."""

    def check(data: bytes, key: str | None = None):
        path = tmp_path / "bundle.zip"
        path.write_bytes(data)
        return verify(path, key)

    return check


@pytest.fixture
def evidence(bundle):
    return evidence_of(unpack(bundle, None))


@pytest.fixture
def packs(bundle, study):
    """A bundle that the server's own key signed, with this evidence in place of the true one."""
    files, key = unpack(bundle, None).files, load_signing_key(study.folder)
    return lambda evidence: pack(files[REPORT], files[SCHEMA], evidence, key)


def test_an_untouched_bundle_holds_in_every_check(check, bundle):
    done = check(bundle)
    assert [c.detail for c in done if not c.passed] == []
    assert len(done) == 2 + len(CHECKS) + 4
    assert any("6 debits, each with the signed entry behind it" in c.detail for c in done)


def test_the_key_from_elsewhere_is_held_against_the_bundles(check, bundle, study):
    right = load_signing_key(study.folder).public_key().public_bytes_raw().hex()
    assert "by the key given" in check(bundle, right)[0].detail
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    assert "another key" in check(bundle, other)[-1].detail
    with pytest.raises(UsageError):
        check(bundle, "nonsense")


@SHARED
@given(position=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_any_changed_byte_is_found(check, bundle, position, change):
    damaged = bytearray(bundle)
    damaged[int(position * len(bundle))] ^= change
    assert not check(bytes(damaged))[-1].passed


@SHARED
@given(start=st.floats(0, 1), length=st.integers(1, 64), more=st.binary(min_size=1, max_size=64))
def test_bytes_that_are_cut_out_or_added_are_found(check, bundle, start, length, more):
    at = int(start * (len(bundle) - 1))
    assert not check(bundle[:at] + bundle[at + length :])[-1].passed
    assert not check(bundle[:at] + more + bundle[at:])[-1].passed


def every_tampering(entries):
    """Each entry dropped, doubled, or exchanged with the one behind it."""
    for i in range(len(entries)):
        yield f"entry {i} dropped", [*entries[:i], *entries[i + 1 :]]
        yield f"entry {i} doubled", [*entries[: i + 1], *entries[i:]]
        if i + 1 < len(entries):
            yield f"entries {i} and {i + 1} exchanged", [*entries[:i], entries[i + 1], entries[i], *entries[i + 2 :]]


def test_any_event_dropped_doubled_or_moved_is_found(check, packs, evidence):
    for what, entries in every_tampering(list(evidence.entries)):
        assert not check(packs(replace(evidence, entries=entries)))[-1].passed, f"server: {what}"
    for what, intents in every_tampering(list(evidence.intents)):
        harmless = sorted(e.hash for e in intents) == sorted(e.hash for e in evidence.intents) and in_order(intents)
        if not harmless:
            assert not check(packs(replace(evidence, intents=intents)))[-1].passed, f"devices: {what}"
    for device, whole in evidence.device_ledgers.items():
        for what, entries in every_tampering(list(whole)):
            ledgers = {**evidence.device_ledgers, device: entries}
            tail_of_its_own = entries == list(whole[:-1])  # the last confirmation is the device's to keep
            if not tail_of_its_own:
                found = not check(packs(replace(evidence, device_ledgers=ledgers)))[-1].passed
                assert found, f"{device}: {what}"


def in_order(intents) -> bool:
    """Entries of different devices may arrive in any order; those of one device may not."""
    by_device: dict[str, list[int]] = {}
    for entry in intents:
        by_device.setdefault(entry.body.device, []).append(entry.seq)
    return all(numbers == sorted(numbers) for numbers in by_device.values())


def test_any_field_of_an_event_that_is_changed_is_found(check, packs, evidence):
    for place in ("entries", "intents"):
        entries = list(getattr(evidence, place))
        for i, entry in enumerate(entries):
            for field, value in (("at", entry.at + 1), ("seq", entry.seq + 1), ("prev", "f" * 64)):
                changed = [*entries[:i], entry.model_copy(update={field: value}), *entries[i + 1 :]]
                assert not check(packs(replace(evidence, **{place: changed})))[-1].passed, f"{place} {i} {field}"
            for field in type(entry.body).model_fields:
                body = changed_body(entry.body, field)
                if body is not None:
                    changed = [*entries[:i], entry.model_copy(update={"body": body}), *entries[i + 1 :]]
                    assert not check(packs(replace(evidence, **{place: changed})))[-1].passed, f"{place} {i} {field}"


def changed_body(body, field):
    value = getattr(body, field)
    if field == "kind":
        return None
    if field == "mechanisms":
        value = (value[0].model_copy(update={"sigma": value[0].sigma * 2}),)
    elif isinstance(value, int):
        value += 1
    elif isinstance(value, dict):
        value = {**value, "0000": "0" * 64} if field == "debits" else {**value, "norm": 1}
    else:
        value = value[:-1] + ("0" if value[-1] != "0" else "1")
    return body.model_copy(update={field: value})


def test_a_receipt_that_is_missing_foreign_or_for_another_entry_is_found(check, packs, evidence, study):
    device, key = next(iter(evidence.receipts)), load_signing_key(study.folder)
    others = {d: r for d, r in evidence.receipts.items() if d != device}
    wrong_entry = sign_receipt(key, evidence.study, device, "0" * 64)
    foreign = sign_receipt(Ed25519PrivateKey.generate(), evidence.study, device, evidence.last_used(device))
    for receipts in (others, {**others, device: wrong_entry}, {**others, device: foreign}):
        assert "eceipt" in check(packs(replace(evidence, receipts=receipts)))[-1].detail


def test_an_answer_that_no_round_used_is_stated_and_is_no_fault(check, study, pack_again):
    """It came late, or its round failed: the device knows that it arrived and no more."""
    device = study.devices[0]
    ledger = study.paper.devices[device]
    late = study.paper._intent(device, 4, "0" * 64, "1" * 64)
    for body in (late, Released(nonce=late.nonce)):
        ledger.append(body)
    done = check(pack_again(study.folder))
    assert done[-1].passed
    assert any("answers that arrived and that no round used: 1" in c.detail for c in done)


def written_on(study, device, entries, *bodies):
    """Another version of a ledger, which the device itself signed: these entries and then these bodies."""
    path = study.folder.root / "another-version.jsonl"
    path.write_bytes(as_lines(entries))
    ledger = Ledger(path, study.paper.devices[device]._key)
    for body in bodies:
        ledger.append(body)
    return list(ledger.entries)


def test_a_ledger_without_a_debit_that_the_server_names_is_found_though_its_device_signed_it(evidence, study):
    for device, entries in evidence.device_ledgers.items():
        ledgers = {**evidence.device_ledgers, device: written_on(study, device, [], *(e.body for e in entries[2:]))}
        assert "lacks entries that the server has" in run_checks(replace(evidence, device_ledgers=ledgers))[-1].detail


def test_a_ledger_that_the_server_has_countersigned_further_or_otherwise_is_found(check, study, pack_again):
    device, registry = study.devices[0], Registry(study.folder.enrolment)
    before, handed_over = list(study.paper.devices[device].entries), study.folder.device_ledgers / f"{device}.jsonl"
    erased = study.paper.devices[device].append(Erased())
    registry.advance(device, LedgerHead(len(before) + 1, erased.hash))
    assert check(pack_again(study.folder))[-1].passed
    handed_over.write_bytes(as_lines(before))
    assert "is shorter than what the server has countersigned" in check(pack_again(study.folder))[-1].detail
    handed_over.write_bytes(as_lines(written_on(study, device, before, Withdrawn())))
    assert "is not the one that the server has countersigned" in check(pack_again(study.folder))[-1].detail


def test_answers_to_a_round_that_the_server_hides_are_stated(evidence, study):
    """Every signature is right: only what devices were told gives it away."""
    last, key = evidence.rounds[-1], load_signing_key(study.folder)
    shorter = replace(
        evidence,
        entries=evidence.entries[:-1],
        intents=[entry for entry in evidence.intents if entry.hash not in last.debits.values()],
    )
    told = {
        device: sign_receipt(key, evidence.study, device, shorter.last_used(device))
        for device in shorter.participations
    }
    done = run_checks(replace(shorter, receipts=told))
    assert any(f"that no round used: {len(last.debits)}" in c.detail for c in done)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("claims", 0, "epsilon"), 9.0),
        (("claims", 0, "delta"), 1e-9),
        (("claims", 0, "mu"), 0.1),
        (("claims", 1, "advantage"), 0.01),
        (("claims", 0, "epsilon_without_amplification"), 1.0),
        (("claims", 0, "curve", 3, "delta"), 1e-9),
        (("claims", 0, "trade_off", 5, "detected"), 0.999),
        (("claims", 0, "status"), "holds"),
        (("mechanism", "noise", 0, "noise_multiplier"), 99.0),
        (("ledger", "spent"), 0.5),
        (("ledger", "cap"), 80.0),
        (("ledger", "remaining"), 7.5),
        (("ledger", "debits", 1, "epsilon_after"), 0.1),
        (("ledger", "debits", 0, "devices"), "500 or more"),
        (("ledger", "devices_by_spent", 0, "devices"), "500 or more"),
        (("ledger", "forecast", 2, "epsilon"), 0.1),
        (("ledger", "entries"), 99),
        (("ledger", "chain_head"), "0" * 64),
    ],
)
def test_a_figure_that_does_not_follow_is_found_though_the_report_is_signed(check, bundle, study, path, value):
    files, key = unpack(bundle, None).files, load_signing_key(study.folder)
    fields = json.loads(files[REPORT])
    place = fields
    for step in path[:-1]:
        place = place[step]
    assert place[path[-1]] != value
    place[path[-1]] = value
    fields["report"] |= {"status": "draft", "signature": None}
    forged = signed(Report.model_validate(fields), key).model_dump_json().encode()
    done = check(pack(forged, files[SCHEMA], evidence_of(unpack(bundle, None)), key))
    assert not done[-1].passed
    assert done[-1].name.startswith("the report's")


def test_the_signature_of_the_report_is_the_servers(check, bundle, study):
    files, key = unpack(bundle, None).files, load_signing_key(study.folder)
    fields = json.loads(files[REPORT])
    fields["report"] |= {"status": "draft", "signature": None}
    foreign = signed(Report.model_validate(fields), Ed25519PrivateKey.generate()).model_dump_json().encode()
    done = check(pack(foreign, files[SCHEMA], evidence_of(unpack(bundle, None)), key))
    assert "signature does not hold" in done[-1].detail


def test_a_draft_verifies_as_a_draft(check, study, pack_again):
    study.paper.devices[study.devices[1]].append(Withdrawn())
    done = check(pack_again(study.folder))
    assert done[-1].passed
    assert any(c.detail == "a draft: not signed, and it says so" for c in done)


def test_a_ledger_that_goes_on_after_withdrawing_is_found(check, study, pack_again):
    device = study.devices[1]
    study.paper.devices[device].append(Withdrawn())
    study.round(1)
    assert "goes on after its owner withdrew" in check(pack_again(study.folder))[-1].detail


def test_more_rounds_than_the_policy_allows_are_found(check, study, pack_again):
    for _ in range(study.paper.policy.lifetime_rounds):
        study.round(0)
    assert "has spent more than the cap" in check(pack_again(study.folder))[-1].detail


def test_what_is_no_bundle_is_refused_and_not_opened(check, tmp_path):
    for data in (b"", b"PK", b"nonsense" * 100):
        assert "archive" in check(data)[-1].detail
    assert "cannot be read" in verify(tmp_path / "missing")[-1].detail


BLOCKED = ("torch", "flwr", "opacus", "cv2", "uvicorn", "grpc", "safetensors")
SCRIPT = f"""
import runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
sys.argv = ["verify", *sys.argv[1:]]
runpy.run_module("fl_server.verify", run_name="__main__")
"""


def run_alone(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, str(path), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=plain_environment())


def plain_environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(Path(__file__).parents[3])}


def test_as_a_program_it_needs_neither_torch_nor_flower(bundle, tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle)
    ended = run_alone(path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Everything holds" in ended.stdout
    facts = json.loads(run_alone(path, "--json").stdout)
    assert facts["verified"] is True
    path.write_bytes(bundle.replace(b'"kind":"round"', b'"kind":"rounb"', 1))
    ended = run_alone(path)
    assert ended.returncode == VerificationError.exit_code
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1

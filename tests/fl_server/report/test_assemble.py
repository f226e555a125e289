import json
from pathlib import Path

import numpy as np
import pytest
import torch

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.report.assemble import build_report
from fl_server.report.content.page import report_page
from fl_server.report.html import render_html
from fl_server.report.signing import signature_holds
from fl_server.settings import load_settings
from shared_models.errors import DataError, RoundError
from shared_models.evaluation.metrics import score
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader
from shared_models.privacy.ledger import Ledger, RoundClosed

CLASSES = tuple("abcdefg")
HEADER = WeightsHeader(model="cnn-lstm", scheme="basic-7", input_shape=(16, 1, 48, 48), training_data="none")
METRICS = score(np.eye(7)[[0, 1, 2]], np.array([0, 1, 3]), CLASSES).to_dict()
A_AND_B, A = {"a": "1" * 64, "b": "2" * 64}, {"a": "3" * 64}


def add_rounds(folder: FederationFolder, *debits: dict[str, str], policies: tuple[str, ...] = ()) -> FederationFolder:
    """Adds the checkpoint of round 0 and a round for each of `debits`, under the policy in force or those named."""
    torch.manual_seed(0)
    in_force = load_settings(folder.settings).privacy_policy().hash
    model, checkpoints = build_model("cnn-lstm", 7), Checkpoints(folder.checkpoints)
    ledger = Ledger(folder.ledger, load_signing_key(folder))
    checkpoints.save(0, model, HEADER, METRICS, ledger.head)
    for round_, (spent, policy) in enumerate(zip(debits, policies or [in_force] * len(debits), strict=True), 1):
        closed = RoundClosed(
            study="study",
            round=round_,
            policy_hash=policy,
            model_before="0" * 64,
            model_after="0" * 64,
            debits=spent,
            rejected={},
        )
        ledger.append(closed)
        checkpoints.save(round_, model, HEADER, METRICS, ledger.head)
    return folder


@pytest.fixture
def after_two_rounds(folder: FederationFolder) -> FederationFolder:
    """Device a took part twice, device b once."""
    return add_rounds(folder, A_AND_B, A)


def test_figures_follow_from_the_ledger_and_the_policy(after_two_rounds: FederationFolder) -> None:
    report = build_report(after_two_rounds)
    policy = load_settings(after_two_rounds.settings).privacy_policy()
    assert report.claims[0].epsilon == policy.epsilon_after(policy.participations)
    assert report.ledger.spent == policy.epsilon_after(2)
    assert [debit.epsilon_after for debit in report.ledger.debits] == [policy.epsilon_after(k) for k in (1, 2)]
    assert report.ledger.forecast[-1].epsilon == report.claims[0].epsilon
    assert report.accounting.second_opinions[0].epsilon == pytest.approx(report.claims[0].epsilon, rel=0.01)
    assert report.accounting.agreement.startswith("yes")
    assert report.ledger.verification == "verified"
    assert report.report.period_start is not None
    assert "no guarantee" in render_html(report_page(report)), "what is not claimed for a whole person is said"


def test_where_nothing_stands_in_the_way_it_is_final_and_signed(after_two_rounds: FederationFolder) -> None:
    report = build_report(after_two_rounds)
    assert (report.report.status, report.report.alerts) == ("final", [])
    assert signature_holds(report, load_signing_key(after_two_rounds).public_key())


def test_nothing_is_claimed_on_a_ledger_that_was_cut_or_changed(after_two_rounds: FederationFolder) -> None:
    lines = after_two_rounds.ledger.read_bytes().splitlines(keepends=True)
    for damage in (lines[:1], [lines[0].replace(b'"a"', b'"c"'), lines[1]]):
        after_two_rounds.ledger.write_bytes(b"".join(damage))
        report = build_report(after_two_rounds)
        assert report.ledger.verification == "failed"
        assert {claim.epsilon for claim in report.claims} == {None}
        assert (report.report.status, report.report.signature) == ("draft", None)
        assert report.report.alerts[0].startswith("The ledger does not verify")


@pytest.mark.parametrize(
    ("debits", "policies", "alert"),
    [
        ((), (), "No round has been completed"),
        ((A, A), (), "Only one device took part"),
        ((A_AND_B, A_AND_B), ("1" * 64, "2" * 64), "changed in mid-study, at round 2"),
        ((A_AND_B,), ("1" * 64,), "is not the one that the ledger's rounds were run under"),
    ],
)
def test_what_a_reader_must_know_is_said_first_and_it_stays_a_draft(
    folder: FederationFolder, debits: tuple[dict[str, str], ...], policies: tuple[str, ...], alert: str
) -> None:
    report = build_report(add_rounds(folder, *debits, policies=policies))
    assert alert in " ".join(report.report.alerts)
    assert (report.report.status, report.report.signature) == ("draft", None)
    assert alert.replace("'", "&#39;") in render_html(report_page(report)).split("What leaves the laptop")[0]


def test_a_study_that_the_gate_does_not_let_start_is_a_draft(after_two_rounds: FederationFolder) -> None:
    text = after_two_rounds.settings.read_text()
    after_two_rounds.settings.write_text(text.replace("synthetic = true", "synthetic = false"))
    report = build_report(after_two_rounds)
    assert "legal gate" in report.report.alerts[-1]
    assert {found.level for found in report.legal.findings} >= {"refuse"}
    assert [answer.entry for answer in report.legal.gate][:2] == ["purpose", "synthetic"]


def test_a_simulation_has_no_questions_to_show(after_two_rounds: FederationFolder) -> None:
    report = build_report(after_two_rounds)
    assert (report.legal.gate, report.legal.findings) == ([], [])
    assert report.data.synthetic is True


def test_what_a_simulation_claims_is_marked_so(after_two_rounds: FederationFolder) -> None:
    report = build_report(after_two_rounds, simulated=True)
    assert report.claims[0].status == "simulated"


def test_an_audit_in_the_folder_is_part_of_the_report(after_two_rounds: FederationFolder) -> None:
    assert build_report(after_two_rounds).audit is None
    audit = {
        "date": "2026-10-01", "method": "planted gradients", "canaries": 1000, "mu": 1.1, "mu_low": 0.9,
        "mu_high": 1.3, "epsilon_low": 2.5, "points": [], "settings": "as in the study", "limits": ["a lower bound"],
    }  # fmt: skip
    after_two_rounds.audit.write_text(json.dumps(audit))
    report = build_report(after_two_rounds)
    assert report.audit is not None
    assert report.audit.mu_high == 1.3
    for damaged in (json.dumps(audit | {"canaries": -1}), "{"):
        after_two_rounds.audit.write_text(damaged)
        with pytest.raises(DataError, match=r"audit\.json"):
            build_report(after_two_rounds)


def test_a_report_names_the_one_that_it_replaces(after_two_rounds: FederationFolder) -> None:
    assert build_report(after_two_rounds, supersedes="report-1").report.supersedes == "report-1"


def test_before_the_first_checkpoint_there_is_nothing_to_report(folder: FederationFolder, tmp_path: Path) -> None:
    with pytest.raises(RoundError, match="nothing to report yet"):
        build_report(folder)

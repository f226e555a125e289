from pathlib import Path

import numpy as np
import pytest
import torch

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.report.assemble import build_report
from fl_server.report.page import render_html
from fl_server.settings import load_settings
from shared_models.errors import RoundError
from shared_models.evaluation.metrics import score
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader
from shared_models.privacy.events import RoundClosed
from shared_models.privacy.ledger import Ledger

CLASSES = tuple("abcdefg")
HEADER = WeightsHeader(model="cnn-lstm", scheme="basic-7", input_shape=(16, 1, 48, 48), training_data="none")
METRICS = score(np.eye(7)[[0, 1, 2]], np.array([0, 1, 3]), CLASSES).to_dict()


@pytest.fixture
def after_two_rounds(folder: FederationFolder) -> FederationFolder:
    """Device a took part twice, device b once."""
    torch.manual_seed(0)
    model, checkpoints = build_model("cnn-lstm", 7), Checkpoints(folder.checkpoints)
    ledger = Ledger(folder.ledger, load_signing_key(folder))
    checkpoints.save(0, model, HEADER, METRICS, ledger.head)
    for round_, debits in ((1, {"a": "1" * 64, "b": "2" * 64}), (2, {"a": "3" * 64})):
        closed = RoundClosed(
            study="study",
            round=round_,
            policy_hash="0" * 64,
            model_before="0" * 64,
            model_after="0" * 64,
            debits=debits,
            rejected={},
        )
        ledger.append(closed)
        checkpoints.save(round_, model, HEADER, METRICS, ledger.head)
    return folder


def test_figures_follow_from_the_ledger_and_the_policy(after_two_rounds: FederationFolder) -> None:
    report = build_report(after_two_rounds)
    policy = load_settings(after_two_rounds.settings).privacy_policy()
    assert report.claims[0].epsilon == policy.epsilon_after(policy.participations)
    assert report.ledger.spent == policy.epsilon_after(2)
    assert [debit.epsilon_after for debit in report.ledger.debits] == [policy.epsilon_after(k) for k in (1, 2)]
    assert report.accounting.second_epsilon == pytest.approx(report.claims[0].epsilon, rel=0.01)
    assert report.ledger.verification == "verified"
    assert report.report.status == "draft"
    assert report.report.period_start is not None
    assert "no guarantee" in render_html(report), "what is not claimed for a whole person is said"


def test_nothing_is_claimed_on_a_ledger_that_was_cut_or_changed(after_two_rounds: FederationFolder) -> None:
    lines = after_two_rounds.ledger.read_bytes().splitlines(keepends=True)
    for damage in (lines[:1], [lines[0].replace(b'"a"', b'"c"'), lines[1]]):
        after_two_rounds.ledger.write_bytes(b"".join(damage))
        report = build_report(after_two_rounds)
        assert report.ledger.verification == "failed"
        assert {claim.epsilon for claim in report.claims} == {None}


def test_before_the_first_checkpoint_there_is_nothing_to_report(folder: FederationFolder, tmp_path: Path) -> None:
    with pytest.raises(RoundError, match="nothing to report yet"):
        build_report(folder)

"""A record with steps back to earlier models holds, and one in which a step does not fit is found."""

import json

import pytest

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoints
from fl_server.models.rollback import roll_back
from fl_server.report.assemble import build_report, build_with_record
from fl_server.report.content.page import report_page
from fl_server.report.formats import FORMATS
from fl_server.report.html import render_html
from fl_server.settings import load_settings
from fl_server.verify.bundle import REPORT, SCHEMA, evidence_of, pack, unpack
from fl_server.verify.verify import verify
from shared_models.privacy.events import ModelRestored
from shared_models.privacy.ledger import Ledger


@pytest.fixture
def study(small_study):
    """Two rounds, and a third that starts from the model of the first."""
    small_study.round(0, 1)
    small_study.round(0, 1)
    roll_back(small_study.folder, 1)
    small_study.reopen(1)
    small_study.round(0, 1)
    return small_study


@pytest.fixture
def failing(tmp_path):
    """The check that fails, and why; None where all hold."""

    def failing(folder):
        document, record = build_with_record(folder)
        path = tmp_path / "bundle.zip"
        path.write_bytes(FORMATS["bundle"].write(document, record, folder))
        last = verify(path)[-1]
        return None if last.passed else last.detail

    return failing


def test_a_record_with_a_step_back_holds_and_the_report_names_it(study, failing):
    assert failing(study.folder) is None
    report = build_report(study.folder)
    assert [(step.after_round, step.to_round) for step in report.ledger.steps_back] == [(2, 1)]
    assert report.report.status == "final"
    text = " ".join(render_html(report_page(report)).split())
    assert "After round 2 the operator put back the model of round 1" in text


def test_a_round_from_a_model_that_was_not_gone_back_to_is_found(small_study, failing):
    small_study.round(0, 1)
    small_study.round(0, 1)
    small_study.reopen(1)
    small_study.round(0, 1)
    assert "Round 3 does not follow from the round before it" in failing(small_study.folder)


@pytest.mark.parametrize(
    "change",
    [
        {"model_hash": "0" * 64},
        {"to_round": 7},
        {"to_round": 2},
        {"round": 2},
        {"study": "another"},
    ],
)
def test_a_step_back_that_does_not_fit_is_found(study, failing, change):
    settings = load_settings(study.folder.settings)
    record = Checkpoints(study.folder.checkpoints).record(1)
    fitting = {"study": settings.study.id, "round": 3, "to_round": 1, "model_hash": record.model_hash}
    ledger = Ledger(study.folder.ledger, load_signing_key(study.folder))
    ledger.append(ModelRestored(**(fitting | change)))
    assert "does not fit the rounds before it" in failing(study.folder)


def test_the_scores_of_now_are_those_of_the_model_that_was_gone_back_to(small_study):
    better = json.loads(json.dumps(small_study.metrics))
    better["accuracy"] = 0.9
    small_study.round(0, 1)
    small_study.metrics = better
    small_study.round(0, 1)
    assert build_report(small_study.folder).utility_bias.after.accuracy == 0.9
    roll_back(small_study.folder, 1)
    assert build_report(small_study.folder).utility_bias.after.accuracy != 0.9


def test_a_report_that_hides_a_step_back_is_found(study, tmp_path):
    document, record = build_with_record(study.folder)
    files = unpack(FORMATS["bundle"].write(document, record, study.folder), None).files
    fields = json.loads(files[REPORT])
    fields["ledger"]["steps_back"] = []
    fields["report"] |= {"status": "draft", "signature": None}
    key = load_signing_key(study.folder)
    path = tmp_path / "bundle.zip"
    path.write_bytes(pack(json.dumps(fields).encode(), files[SCHEMA], record.evidence, key))
    assert "ledger.steps_back" in verify(path)[-1].detail
    assert evidence_of(unpack(path.read_bytes(), None)).restores == record.evidence.restores


def test_scores_of_rounds_without_weights_stay_in_the_report(study):
    checkpoints = Checkpoints(study.folder.checkpoints)
    for round_ in (0, 1, 2):
        checkpoints.drop_weights(round_)
    assert build_report(study.folder).report.status == "final"

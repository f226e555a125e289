import json
from pathlib import Path

import pytest

from fl_server.certificates import load_signing_key
from fl_server.enrolment.registry import Registry
from fl_server.folder import FederationFolder
from fl_server.report.assemble import build_report
from fl_server.report.content.page import report_page
from fl_server.report.document import Report
from fl_server.report.html import render_html
from fl_server.report.signing import signature_holds
from fl_server.settings import load_settings
from shared_models.errors import DataError, RoundError
from shared_models.privacy.events import Erased, Withdrawn


@pytest.fixture
def study(small_study):
    """The first device took part twice, the second once."""
    small_study.round(0, 1)
    small_study.round(0)
    return small_study


def first_lines(report: Report) -> str:
    return render_html(report_page(report)).split("What leaves the laptop")[0].replace("&#39;", "'")


def change_settings(folder: FederationFolder, old: str, new: str) -> None:
    text = folder.settings.read_text()
    assert old in text
    folder.settings.write_text(text.replace(old, new))


def test_figures_follow_from_the_ledger_and_the_policy(study) -> None:
    report, policy = build_report(study.folder), load_settings(study.folder.settings).privacy_policy()
    assert report.claims[0].epsilon == policy.epsilon_after(policy.lifetime_rounds)
    assert report.ledger.spent == policy.epsilon_after(2)
    assert [debit.epsilon_after for debit in report.ledger.debits] == [policy.epsilon_after(k) for k in (1, 2)]
    assert report.ledger.forecast[-1].epsilon == report.claims[0].epsilon
    opinions = [opinion.epsilon for opinion in report.accounting.second_opinions]
    assert opinions[0] == pytest.approx(report.claims[0].epsilon, rel=0.01)
    assert report.accounting.agreement.startswith("yes")
    assert report.ledger.verification == "verified"
    assert (report.ledger.entries, report.ledger.device_entries, report.ledger.receipts) == (2, 3, 2)
    assert report.report.period_start is not None
    assert "no guarantee" in render_html(report_page(report)), "what is not claimed for a whole person is said"


def test_where_nothing_stands_in_the_way_it_is_final_and_signed(study) -> None:
    report = build_report(study.folder)
    assert (report.report.status, report.report.alerts) == ("final", [])
    assert signature_holds(report, load_signing_key(study.folder).public_key())


def test_noise_of_a_simulation_is_claimed_as_such(study) -> None:
    assert {claim.status for claim in build_report(study.folder).claims} == {"simulated", "not_claimed"}


def test_nothing_is_claimed_on_a_record_that_was_cut_or_changed(study) -> None:
    ledger, intents = study.folder.ledger.read_bytes(), study.folder.intents.read_bytes()
    first = study.devices[0].encode()
    for path, whole, damaged in (
        (study.folder.ledger, ledger, ledger.splitlines(keepends=True)[0]),
        (study.folder.ledger, ledger, ledger.replace(first, b"0badc0de")),
        (study.folder.intents, intents, b"".join(intents.splitlines(keepends=True)[1:])),
        (study.folder.intents, intents, intents.replace(b'"q":1.0', b'"q":0.1', 1)),
    ):
        assert damaged != whole
        path.write_bytes(damaged)
        report = build_report(study.folder)
        assert report.ledger.verification == "failed"
        assert {claim.epsilon for claim in report.claims} == {None}
        assert (report.ledger.spent, report.ledger.debits) == (0, [])
        assert (report.report.status, report.report.signature) == ("draft", None)
        assert report.report.alerts[0].startswith("The ledger does not verify")
        path.write_bytes(whole)


def test_a_policy_changed_in_mid_study_is_announced_and_nothing_is_claimed(study) -> None:
    change_settings(study.folder, "epsilon = 8.0", "epsilon = 4.0")
    study.paper.settings = load_settings(study.folder.settings)
    study.paper.policy = study.paper.settings.privacy_policy()
    study.round(0, 1)
    report = build_report(study.folder)
    assert "changed in mid-study, at round 3" in first_lines(report)
    assert {claim.epsilon for claim in report.claims} == {None}
    assert report.report.status == "draft"


def test_settings_that_changed_after_the_rounds_are_announced(study) -> None:
    change_settings(study.folder, "epsilon = 8.0", "epsilon = 4.0")
    report = build_report(study.folder)
    assert "The policy was changed: round 1 was run under another one" in first_lines(report)
    assert report.report.status == "draft"


def test_devices_with_different_policies_are_announced(study) -> None:
    honest = study.paper.policy
    study.paper.policy = honest.model_copy(update={"noise_multiplier": honest.noise_multiplier * 2})
    closed = study.paper._server.append
    study.paper._server.append = lambda body: closed(body.model_copy(update={"policy_hash": honest.hash}))
    study.round(1)
    assert "Devices have different policies" in first_lines(build_report(study.folder))


def test_zero_rounds_are_announced(small_study) -> None:
    report = build_report(small_study.folder)
    assert "No round has been completed" in first_lines(report)
    assert report.report.status == "draft"


def test_a_single_device_is_announced(small_study) -> None:
    small_study.round(0)
    report = build_report(small_study.folder)
    assert "Only one device took part" in first_lines(report)
    assert report.report.status == "draft"


def test_a_device_that_withdrew_is_announced_and_counted_in_bands(study) -> None:
    study.paper.devices[study.devices[0]].append(Erased())
    study.paper.devices[study.devices[0]].append(Withdrawn())
    report = build_report(study.folder)
    assert "ledger says that they withdrew, and the server has not heard it" in first_lines(report)
    assert report.report.status == "draft"
    assert report.consent.withdrawals == "fewer than 10"


@pytest.mark.parametrize("how", ["withdrawn", "removed"])
def test_once_the_server_lets_it_in_no_more_a_withdrawal_keeps_no_report_a_draft(study, how) -> None:
    study.paper.devices[study.devices[0]].append(Withdrawn())
    Registry(study.folder.enrolment).leave([study.devices[0]], how)
    report = build_report(study.folder)
    assert (report.report.status, report.report.alerts) == ("final", [])
    assert report.consent.states["withdrew"] == "fewer than 10"


def test_leavers_are_counted_in_bands_however_the_server_heard_of_them(study) -> None:
    study.paper.enrol(25)
    devices = list(study.paper.devices)
    registry = Registry(study.folder.enrolment)
    registry.leave(devices[3:14], "withdrawn")
    registry.leave(devices[14:28], "removed")
    study.paper.devices[devices[3]].append(Withdrawn())
    consent = build_report(study.folder).consent
    assert (consent.withdrawals, consent.states["removed by the operator"]) == ("10 to 19", "10 to 19")
    assert build_report(study.folder).study.enrolled == "20 to 49"


def test_a_study_that_the_gate_does_not_let_start_is_a_draft(study) -> None:
    change_settings(study.folder, "synthetic = true", "synthetic = false")
    report = build_report(study.folder)
    assert "legal gate" in report.report.alerts[-1]
    assert {found.level for found in report.legal.findings} >= {"refuse"}
    assert [answer.entry for answer in report.legal.gate][:2] == ["purpose", "synthetic"]


def test_a_simulation_has_no_questions_to_show(study) -> None:
    report = build_report(study.folder)
    assert (report.legal.gate, report.legal.findings) == ([], [])
    assert report.data.synthetic is True


def test_a_study_that_takes_the_model_s_own_labels_says_so(study) -> None:
    assert "guesses" not in build_report(study.folder).data.source
    change_settings(study.folder, "pseudo_labels = false", "pseudo_labels = true")
    assert "some labels are the model's own guesses" in build_report(study.folder).data.source


def test_an_audit_in_the_folder_is_part_of_the_report(study) -> None:
    assert build_report(study.folder).audit is None
    audit = {
        "date": "2026-10-01", "method": "planted gradients", "canaries": 1000, "mu": 1.1, "mu_low": 0.9,
        "mu_high": 1.3, "epsilon_low": 2.5, "points": [], "settings": "as in the study", "limits": ["a lower bound"],
    }  # fmt: skip
    study.folder.audit.write_text(json.dumps(audit))
    report = build_report(study.folder)
    assert report.audit is not None
    assert report.audit.mu_high == 1.3
    for damaged in (json.dumps(audit | {"canaries": -1}), "{"):
        study.folder.audit.write_text(damaged)
        with pytest.raises(DataError, match=r"audit\.json"):
            build_report(study.folder)


def test_a_report_names_the_one_that_it_replaces(study) -> None:
    assert build_report(study.folder, "report-1").report.supersedes == "report-1"


def test_before_the_first_checkpoint_there_is_nothing_to_report(folder: FederationFolder, tmp_path: Path) -> None:
    with pytest.raises(RoundError, match="nothing to report yet"):
        build_report(folder)

"""Gathers the report's document from what a federation has on disk: settings, ledger, checkpoints, enrolments."""

import datetime as dt
import importlib.metadata
import json
from typing import Any

from pydantic import ValidationError

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoint, Checkpoints
from fl_server.enrolment.registry import Registry
from fl_server.folder import FederationFolder
from fl_server.legal.gate import findings
from fl_server.policy_in_force import policy_in_force
from fl_server.report import curves, texts
from fl_server.report.alerts import alerts
from fl_server.report.bands import band
from fl_server.report.document import Report
from fl_server.report.intervals import intervals
from fl_server.report.ledger_figures import claim_spends, ledger_figures, steps_back
from fl_server.report.provenance import PROVENANCE
from fl_server.report.record import Record, read_record
from fl_server.report.signing import signed
from fl_server.settings import Settings, load_settings
from fl_server.verify.lineage import Lineage
from shared_models.canonical import canonical_hash
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import SEQUENCE_FRAMES
from shared_models.data.sources import parse_spec
from shared_models.errors import DataError, RoundError
from shared_models.evaluation.metrics import majority_baseline_of
from shared_models.networks.registry import build_model
from shared_models.privacy.claims import Claim, claims_for
from shared_models.privacy.policy import Policy
from shared_models.privacy.second_opinions import disagreement, second_opinions

_LIBRARIES = ("attune", "torch", "flwr", "opacus", "dp-accounting", "cryptography", "opencv-python-headless")


def build_report(folder: FederationFolder, supersedes: str | None = None) -> Report:
    """The report alone: see `build_with_record`."""
    return build_with_record(folder, supersedes)[0]


def build_with_record(folder: FederationFolder, supersedes: str | None = None) -> tuple[Report, Record]:
    """The report on all rounds so far, and the record that it is made from.

    The report is final and signed where the record holds and nothing stands in the way.

    Raises RoundError where no round has a checkpoint yet, SettingsError where there is no federation in `folder`,
    DataError where its `audit.json` cannot be read.
    """
    settings = load_settings(folder.settings)
    policy, checkpoints = policy_in_force(folder, settings), Checkpoints(folder.checkpoints)
    rounds = checkpoints.rounds()
    if not rounds:
        raise RoundError("There is nothing to report yet", fix=f"Run `fl-server start {folder.root}` first")
    first, last = checkpoints.record(rounds[0]), checkpoints.record(rounds[-1])
    record = read_record(folder, settings.study.id, policy, last)
    said = alerts(record, settings.study)
    broken = f"the ledger does not verify: {record.failed.detail}" if record.failed else None
    devices = Registry(folder.enrolment).devices()
    claims = claims_for(
        policy,
        policy.lifetime_rounds,
        simulated=record.evidence.simulated,
        broken=broken,
        enrolled=max(1, len(devices)),
    )
    fields = {
        "report": _about(first, last, said, supersedes),
        "study": _study(settings, len(devices)),
        "claims": [_claim(claim, policy) for claim in claims],
        "mechanism": _mechanism(policy),
        "accounting": _accounting(policy, claims[0]),
        "tuning": texts.TUNING,
        "unprotected": texts.unprotected(policy.unit),
        "ledger": _ledger(policy, record),
        "trust": texts.TRUST,
        "data": texts.DATA
        | {
            "frames_per_sequence": SEQUENCE_FRAMES,
            "synthetic": settings.study.synthetic,
            "source": texts.data_source(settings.study.synthetic, policy.pseudo_labels),
        },
        "consent": _consent(settings, record),
        "utility_bias": _utility(settings, first, _current(record, checkpoints, last)),
        "audit": _audit(folder),
        "legal": _legal(settings),
        "provenance": [{"field": field, "source": source, "how": how} for field, source, how in PROVENANCE],
    }
    report = _validated(fields, folder)
    return (report if said else signed(report, load_signing_key(folder))), record


def _current(record: Record, checkpoints: Checkpoints, last: Checkpoint) -> Checkpoint:
    """The last one, or the one that the operator went back to."""
    current = Lineage(record.evidence.entries).current
    went_back = record.failed is None and record.evidence.restores and current in checkpoints.rounds()
    return checkpoints.record(current) if went_back else last


def _validated(fields: dict[str, Any], folder: FederationFolder) -> Report:
    try:
        return Report.model_validate(fields)
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["loc"][:1] == ("audit",):
            raise DataError(
                f"{folder.audit} is not an audit",
                why=f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}",
                fix="docs/report.md lists its fields under `audit`",
            ) from error
        raise


def _about(first: Checkpoint, last: Checkpoint, said: list[str], supersedes: str | None) -> dict[str, Any]:
    now = dt.datetime.now(dt.UTC)
    return {
        "id": f"report-{now:%Y%m%dT%H%M%SZ}",
        "generated_at": now,
        "generator": "Attune",
        "generator_version": importlib.metadata.version("attune"),
        "period_start": first.saved_at,
        "period_end": last.saved_at,
        "status": "draft",
        "alerts": said,
        "supersedes": supersedes,
    }


def _study(settings: Settings, enrolled: int) -> dict[str, Any]:
    study = settings.study
    return {
        "id": study.id,
        "title": study.title,
        "controller": study.controller,
        "investigator": study.investigator or None,
        "data_protection_officer": study.data_protection_officer or study.contact,
        "ethics_reference": study.ethics_reference or None,
        "regions": study.regions,
        "intended_use": texts.INTENDED_USE,
        "prohibited_uses": texts.PROHIBITED_USES,
        "ages": f"{study.minimum_age} and over" if study.minimum_age else None,
        "enrolled": band(enrolled),
    }


def _claim(claim: Claim, policy: Policy) -> dict[str, Any]:
    drawn: dict[str, Any] = {"advantage": None, "curve": [], "trade_off": []}
    if claim.epsilon is not None:
        profile = curves.profile(claim_spends(policy, claim.unit, claim.observer == "server"))
        drawn = {
            "advantage": curves.advantage(profile),
            "curve": curves.curve(profile, claim.epsilon),
            "trade_off": curves.trade_off(profile, claim.epsilon),
        }
    return (
        claim.model_dump()
        | drawn
        | {
            "overlap": 1,
            "contribution_cap": f"at most {policy.max_sequences} sequences a device, none sharing a frame with another",
            "covers_all_checkpoints": True,
        }
    )


def _mechanism(policy: Policy) -> dict[str, Any]:
    model = build_model(policy.model, len(scheme_by_name(policy.scheme).classes))
    trained = sum(parameter.numel() for parameter in model.trainable(policy.trainable).values())
    return {
        "name": texts.METHODS[policy.unit],
        "trainable_part": policy.trainable,
        "trained_parameters": trained,
        "noise": [
            {
                "unit": mechanism.unit,
                "noise_multiplier": mechanism.sigma,
                "clip_norm": mechanism.clip_norm,
                "sampling_rate": mechanism.q,
                "steps_per_round": mechanism.steps,
                "lifetime_steps": policy.lifetime_rounds * mechanism.steps,
            }
            for mechanism in policy.mechanisms
        ],
        "sampler_declared": texts.SAMPLERS[policy.q < 1],
        "sampler_actual": texts.SAMPLERS[policy.q < 1],
        "denominator": f"{policy.denominator}, fixed by the policy",
        "random_generator": "ChaCha20 key stream from the operating system's randomness, inverse distribution function",
        "versions": {name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


def _accounting(policy: Policy, main: Claim) -> dict[str, Any]:
    opinions: dict[str, float] = {}
    agreement = texts.NOT_COUNTED
    if main.epsilon is not None:
        spends = claim_spends(policy, main.unit, main.observer == "server")
        opinions = second_opinions(spends, policy.delta)
        agreement = disagreement(spends, policy.delta) or texts.AGREEMENT
    return {
        "accountant": texts.ACCOUNTANTS[policy.q < 1],
        "composition": "every step of every round that a device ever takes part in",
        "second_opinions": [
            {"accountant": name, "epsilon": epsilon, "difference": epsilon / (main.epsilon or 1.0) - 1}
            for name, epsilon in opinions.items()
        ],
        "agreement": agreement,
        "delta_reason": texts.DELTAS[policy.unit == "participant"],
    }


def _ledger(policy: Policy, record: Record) -> dict[str, Any]:
    evidence = record.evidence
    return ledger_figures(policy, [] if record.failed else evidence.rounds) | {
        "entries": len(evidence.entries),
        "chain_head": evidence.head,
        "void_rounds": evidence.void,
        "steps_back": steps_back(evidence.restores),
        "device_entries": len(evidence.intents),
        "device_ledgers": len(evidence.device_ledgers),
        "receipts": len(evidence.receipts),
        "verification": "failed" if record.failed else "verified",
        "checks": [vars(check) for check in record.checks],
        "verified_at": record.read_at,
    }


def _consent(settings: Settings, record: Record) -> dict[str, Any]:
    return texts.CONSENT | {
        "text_hash": canonical_hash(settings.study.consent_text),
        "states": {
            "took part": band(len(record.evidence.participations)),
            "withdrew": band(len(record.withdrawn)),
            "removed by the operator": band(record.removed),
        },
        "withdrawals": band(len(record.withdrawn)),
        "erasures": band(record.erased),
        "erasure_time": None,
    }


def _utility(settings: Settings, first: Checkpoint, last: Checkpoint) -> dict[str, Any]:
    spec = parse_spec(settings.benchmark.data)
    return {
        "benchmark": str(spec.kind),
        "split": "held out: no device trains on it",
        "sequences": sum(score["support"] for score in last.metrics["per_class"].values()),
        "subject_disjoint": None if last.metrics["by_subject"] is None else True,
        "before": first.metrics,
        "after": last.metrics,
        "intervals": intervals(last.metrics["confusion"]),
        "baselines": {"majority": majority_baseline_of(last.metrics["confusion"])},
        "epsilon_choice": "set by the operator in federation.toml before anybody consented",
    }


def _audit(folder: FederationFolder) -> Any:
    if not folder.audit.exists():
        return None
    try:
        return json.loads(folder.audit.read_bytes())
    except ValueError as error:
        raise DataError(f"{folder.audit} is not JSON", why=str(error)) from error


def _legal(settings: Settings) -> dict[str, Any]:
    study = settings.study
    if study.is_synthetic_simulation:
        return {"purpose": study.purpose, "dpia_reference": None, "gate": [], "findings": [], "sign_offs": []}
    signed = [
        {"role": "operator", "name": study.answered_by, "on": study.answered_on or None},
        {"role": "ethics board", "name": study.ethics_reference, "on": None},
    ]
    return {
        "purpose": study.purpose,
        "dpia_reference": study.dpia_reference or None,
        "gate": [{"entry": entry, "question": q, "answer": answer} for entry, q, answer in study.in_words()],
        "findings": [vars(finding) for finding in findings(study)],
        "sign_offs": [sign_off for sign_off in signed if sign_off["name"]],
    }

"""Gathers the report's document from what a federation has on disk: settings, ledger, checkpoints, enrolments."""

import datetime as dt
import importlib.metadata
import json
from collections import Counter
from functools import partial
from typing import Any

from pydantic import ValidationError

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoint, Checkpoints
from fl_server.enrolment.registry import Registry
from fl_server.folder import FederationFolder
from fl_server.legal.gate import findings
from fl_server.report import curves, texts
from fl_server.report.alerts import alerts
from fl_server.report.bands import band
from fl_server.report.document import Report
from fl_server.report.intervals import intervals
from fl_server.report.provenance import PROVENANCE
from fl_server.report.record import Record, read_record
from fl_server.report.signing import signed
from fl_server.settings import Settings, load_settings
from shared_models.canonical import canonical_hash
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import SEQUENCE_FRAMES
from shared_models.data.sources import parse_spec
from shared_models.errors import DataError, RoundError
from shared_models.evaluation.metrics import majority_baseline_of
from shared_models.networks.registry import build_model
from shared_models.privacy.accounting import delta_at
from shared_models.privacy.claims import Claim, claims_for
from shared_models.privacy.policy import Policy
from shared_models.privacy.second_accountant import NAME as SECOND_ACCOUNTANT
from shared_models.privacy.second_accountant import second_epsilon

_LIBRARIES = ("attune", "torch", "flwr", "dp-accounting", "cryptography", "opencv-python-headless")
_AGREEMENT = 0.01


def build_report(folder: FederationFolder, *, simulated: bool = False, supersedes: str | None = None) -> Report:
    """The report on all rounds so far: final and signed where the ledger holds and nothing stands in the way.

    simulated: whether the noise was drawn in a simulation, so that no device enforced it

    Raises RoundError where no round has a checkpoint yet, SettingsError where there is no federation in `folder`,
    DataError where its `audit.json` cannot be read.
    """
    settings = load_settings(folder.settings)
    policy, checkpoints = settings.privacy_policy(), Checkpoints(folder.checkpoints)
    rounds = checkpoints.rounds()
    if not rounds:
        raise RoundError("There is nothing to report yet", fix=f"Run `fl-server start {folder.root}` first")
    first, last = checkpoints.record(rounds[0]), checkpoints.record(rounds[-1])
    record = read_record(folder, last)
    said = alerts(record, policy, settings.study)
    broken = None if record.holds else "the server's ledger does not verify"
    claims = claims_for(policy, policy.participations, simulated=simulated, broken=broken)
    fields = {
        "report": _about(first, last, said, supersedes),
        "study": _study(settings, len(Registry(folder.enrolment).devices())),
        "claims": [_claim(claim, policy) for claim in claims],
        "mechanism": _mechanism(policy),
        "accounting": _accounting(policy, claims[0]),
        "tuning": texts.TUNING,
        "unprotected": texts.UNPROTECTED,
        "ledger": _ledger(policy, record),
        "trust": texts.TRUST,
        "data": texts.DATA
        | {
            "frames_per_sequence": SEQUENCE_FRAMES,
            "synthetic": settings.study.synthetic,
            "source": texts.SOURCES[settings.study.synthetic],
        },
        "consent": _consent(settings, len(record.participations)),
        "utility_bias": _utility(settings, first, last),
        "audit": _audit(folder),
        "legal": _legal(settings),
        "provenance": [{"field": field, "source": source, "how": how} for field, source, how in PROVENANCE],
    }
    report = _validated(fields, folder)
    return report if said else signed(report, load_signing_key(folder))


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
    if claim.epsilon is not None and claim.mu is not None:
        profile = partial(delta_at, claim.mu)
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
        "name": "DP-SGD on each device, one gradient for each sequence (Abadi et al. 2016)",
        "trainable_part": policy.trainable,
        "trained_parameters": trained,
        "noise": [
            {
                "unit": "sequence",
                "noise_multiplier": policy.noise_multiplier,
                "clip_norm": policy.clip_norm,
                "sampling_rate": 1.0,
                "steps_per_round": policy.steps,
                "lifetime_steps": policy.participations * policy.steps,
            }
        ],
        "sampler_declared": "every stored sequence in every step",
        "sampler_actual": "every stored sequence in every step",
        "denominator": f"{policy.denominator}, fixed by the policy",
        "random_generator": "ChaCha20 key stream from the operating system's randomness, inverse distribution function",
        "versions": {name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


def _accounting(policy: Policy, main: Claim) -> dict[str, Any]:
    opinions: list[dict[str, Any]] = []
    if main.epsilon is not None:
        second = second_epsilon(policy, policy.participations)
        difference = second / main.epsilon - 1
        opinions.append({"accountant": SECOND_ACCOUNTANT, "epsilon": second, "difference": difference})
    agree = all(abs(opinion["difference"]) <= _AGREEMENT for opinion in opinions)
    return {
        "accountant": "Gaussian differential privacy, closed form (Dong et al. 2019; Balle and Wang 2018)",
        "composition": "every step of every round that a device ever takes part in",
        "second_opinions": opinions,
        "agreement": texts.AGREEMENT[agree],
        "epsilon_without_amplification": policy.epsilon_after(policy.participations),
        "delta_reason": "far below one in the number of sequences that any device stores",
    }


def _ledger(policy: Policy, record: Record) -> dict[str, Any]:
    most = max(record.participations.values(), default=0)
    spent = _spent(policy, most)
    taken: Counter[str] = Counter()
    debits = []
    for round_ in record.rounds:
        taken.update(round_.debits.keys())
        debits.append(
            {
                "round": round_.round,
                "steps": policy.steps,
                "noise_multiplier": policy.noise_multiplier,
                "sampling_rate": 1.0,
                "epsilon_after": _spent(policy, max(taken.values(), default=0)),
                "devices": band(len(round_.debits)),
            }
        )
    return {
        "cap": policy.epsilon,
        "spent": spent,
        "remaining": policy.epsilon - spent,
        "debits": debits,
        "devices_by_spent": [
            {"epsilon_from": _spent(policy, n), "epsilon_to": _spent(policy, n), "devices": band(devices)}
            for n, devices in sorted(Counter(record.participations.values()).items())
        ],
        "forecast": [{"participations": n, "epsilon": _spent(policy, n)} for n in range(policy.participations + 1)],
        "entries": len(record.entries),
        "chain_head": record.head,
        "void_rounds": record.void,
        "device_entries": 0,
        "receipts": 0,
        "verification": "verified" if record.holds else "failed",
        "checks": record.checks,
        "verified_at": record.read_at,
    }


def _spent(policy: Policy, participations: int) -> float:
    return policy.epsilon_after(participations) if participations else 0.0


def _consent(settings: Settings, took_part: int) -> dict[str, Any]:
    return texts.CONSENT | {
        "text_hash": canonical_hash(settings.study.consent_text),
        "states": {"took part": band(took_part)},
        "withdrawals": band(0),
        "erasures": band(0),
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

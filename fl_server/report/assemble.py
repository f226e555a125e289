"""Gathers the report's document from what a federation has on disk: settings, ledger, checkpoints, enrolments."""

import datetime as dt
import importlib.metadata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoint, Checkpoints
from fl_server.enrolment.registry import Registry
from fl_server.federation import check_ledger_reaches
from fl_server.folder import FederationFolder
from fl_server.report import texts
from fl_server.report.bands import band
from fl_server.report.document import Report
from fl_server.settings import Settings, load_settings
from shared_models.canonical import canonical_hash
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import SEQUENCE_FRAMES
from shared_models.data.sources import parse_spec
from shared_models.errors import LedgerError, RoundError
from shared_models.evaluation.metrics import majority_baseline_of
from shared_models.networks.registry import build_model
from shared_models.privacy.accounting import without_amplification
from shared_models.privacy.claims import Claim, claims_for
from shared_models.privacy.events import RoundClosed
from shared_models.privacy.ledger import GENESIS, Entry, read_ledger
from shared_models.privacy.policy import Policy
from shared_models.privacy.second_opinions import PLD, second_opinions

_LIBRARIES = ("attune", "torch", "flwr", "dp-accounting", "cryptography", "opencv-python-headless")


def build_report(folder: FederationFolder) -> Report:
    """A draft report on all rounds so far.

    Raises RoundError where no round has a checkpoint yet, SettingsError where there is no federation in `folder`.
    """
    settings = load_settings(folder.settings)
    policy, checkpoints = settings.privacy_policy(), Checkpoints(folder.checkpoints)
    rounds = checkpoints.rounds()
    if not rounds:
        raise RoundError("There is nothing to report yet", fix=f"Run `fl-server start {folder.root}` first")
    entries, verification = _verified_entries(folder, checkpoints.record(rounds[-1]))
    closed = [entry.body for entry in entries if isinstance(entry.body, RoundClosed)]
    participations = Counter(device for round_ in closed for device in round_.debits)
    most = max(participations.values(), default=0)
    broken = None if verification["verification"] == "verified" else "the server's ledger does not verify"
    fields = {
        "report": _about(checkpoints.record(rounds[0]), checkpoints.record(rounds[-1])),
        "study": _study(settings, len(Registry(folder.enrolment).devices())),
        "claims": [_claim(claim, policy) for claim in claims_for(policy, policy.lifetime_rounds, broken=broken)],
        "mechanism": _mechanism(policy),
        "accounting": _accounting(policy),
        "unprotected": texts.UNPROTECTED,
        "ledger": _ledger(policy, entries, closed, participations, most) | verification,
        "trust": texts.TRUST,
        "data": texts.DATA | {"frames_per_sequence": SEQUENCE_FRAMES, "source": texts.SOURCES[settings.study.purpose]},
        "consent": _consent(settings, len(participations)),
        "utility_bias": _utility(settings, checkpoints.record(rounds[0]), checkpoints.record(rounds[-1])),
        "legal": {"purpose": settings.study.purpose, "dpia_reference": None, "gate": []},
    }
    return Report.model_validate(fields)


def _verified_entries(folder: FederationFolder, last: Checkpoint) -> tuple[Sequence[Entry], dict[str, Any]]:
    now = dt.datetime.now(dt.UTC)
    try:
        entries = read_ledger(folder.ledger, load_signing_key(folder).public_key())
        check_ledger_reaches(entries, last)
    except LedgerError as error:
        return [], {"verification": "failed", "verification_detail": str(error), "verified_at": now}
    detail = f"{len(entries)} entries: every link of the chain and every signature of the server was checked"
    return entries, {"verification": "verified", "verification_detail": detail, "verified_at": now}


def _about(first: Checkpoint, last: Checkpoint) -> dict[str, Any]:
    now = dt.datetime.now(dt.UTC)
    return {
        "id": f"report-{now:%Y%m%dT%H%M%SZ}",
        "generated_at": now,
        "generator": "Attune",
        "generator_version": importlib.metadata.version("attune"),
        "period_start": first.saved_at,
        "period_end": last.saved_at,
        "status": "draft",
    }


def _study(settings: Settings, enrolled: int) -> dict[str, Any]:
    return {
        "title": settings.study.title,
        "controller": settings.study.controller,
        "investigator": None,
        "data_protection_officer": settings.study.contact,
        "ethics_reference": None,
        "regions": [],
        "intended_use": texts.INTENDED_USE,
        "prohibited_uses": texts.PROHIBITED_USES,
        "ages": None,
        "enrolled": band(enrolled),
    }


def _claim(claim: Claim, policy: Policy) -> dict[str, Any]:
    return claim.model_dump(exclude={"epsilon_without_amplification"}) | {
        "overlap": 1,
        "contribution_cap": f"at most {policy.max_sequences} sequences a device, none sharing a frame with another",
        "covers_all_checkpoints": True,
    }


def _mechanism(policy: Policy) -> dict[str, Any]:
    model = build_model(policy.model, len(scheme_by_name(policy.scheme).classes))
    trained = sum(parameter.numel() for parameter in model.trainable(policy.trainable).values())
    return {
        "name": "DP-SGD on each device, one gradient for each sequence (Abadi et al. 2016)",
        "trainable_part": policy.trainable,
        "trained_parameters": trained,
        "noise_multiplier": policy.noise_multiplier,
        "clip_norm": policy.clip_norm,
        "sampling_rate": 1.0,
        "steps_per_round": policy.steps,
        "lifetime_steps": policy.lifetime_rounds * policy.steps,
        "sampler_declared": "every stored sequence in every step",
        "sampler_actual": "every stored sequence in every step",
        "denominator": f"{policy.denominator}, fixed by the policy",
        "random_generator": "ChaCha20 key stream from the operating system's randomness, inverse distribution function",
        "versions": {name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


def _accounting(policy: Policy) -> dict[str, Any]:
    spends = policy.spends_after(policy.lifetime_rounds)
    return {
        "accountant": "Gaussian differential privacy, closed form (Dong et al. 2019; Balle and Wang 2018)",
        "composition": "every step of every round that a device ever takes part in",
        "second_accountant": PLD,
        "second_epsilon": second_opinions(spends, policy.delta)[PLD],
        "epsilon_without_amplification": without_amplification(spends, policy.delta),
        "delta_reason": "far below one in the number of sequences that any device stores",
    }


def _ledger(
    policy: Policy, entries: Sequence[Entry], closed: list[RoundClosed], participations: Counter[str], most: int
) -> dict[str, Any]:
    spent = policy.epsilon_after(most) if most else 0.0
    by_count = Counter(participations.values())
    taken: Counter[str] = Counter()
    debits = []
    for round_ in closed:
        taken.update(round_.debits.keys())
        debits.append(
            {
                "round": round_.round,
                "steps": policy.steps,
                "noise_multiplier": policy.noise_multiplier,
                "sampling_rate": 1.0,
                "epsilon_after": policy.epsilon_after(max(taken.values())),
                "devices": band(len(round_.debits)),
            }
        )
    return {
        "cap": policy.epsilon,
        "spent": spent,
        "remaining": policy.epsilon - spent,
        "debits": debits,
        "devices_by_spent": [
            {
                "epsilon_from": policy.epsilon_after(count),
                "epsilon_to": policy.epsilon_after(count),
                "devices": band(devices),
            }
            for count, devices in sorted(by_count.items())
        ],
        "entries": len(entries),
        "chain_head": entries[-1].hash if entries else GENESIS,
    }


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
        "baselines": {"majority": majority_baseline_of(last.metrics["confusion"])},
        "epsilon_choice": "set by the operator in federation.toml before anybody consented",
    }

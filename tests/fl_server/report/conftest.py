from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from fl_server.report.bands import band
from shared_models.evaluation.metrics import majority_baseline, score

CLASSES = ("neutral", "happiness", "fear")
TARGETS = np.array([0, 0, 0, 1, 1, 1])
SUBJECTS = ("a", "a", "b", "b", "c", "c")


def scores(*predicted: int) -> dict[str, Any]:
    return score(np.eye(len(CLASSES))[list(predicted)], TARGETS, CLASSES, SUBJECTS).to_dict()


@pytest.fixture
def fields() -> dict[str, Any]:
    """A whole document as plain data; its figures of the promise occur nowhere else in it."""
    now = datetime(2026, 11, 3, 9, 17, tzinfo=UTC)
    return {
        "report": {
            "id": "seminar-report",
            "generated_at": now,
            "generator": "Attune",
            "generator_version": "development",
            "period_start": now,
            "period_end": now,
            "status": "draft",
            "alerts": [],
        },
        "study": {
            "id": "seminar",
            "title": "Emotions in online seminars",
            "controller": "University of Examples",
            "investigator": None,
            "data_protection_officer": None,
            "ethics_reference": None,
            "regions": ["EU"],
            "intended_use": "Hints for the learner alone",
            "prohibited_uses": ["Grading"],
            "ages": None,
            "enrolled": band(4),
        },
        "claims": [claim(), claim(observer="public", unit="participant", status="not_claimed")],
        "mechanism": {
            "name": "Per-sequence DP-SGD",
            "trainable_part": "classifier",
            "trained_parameters": 1032,
            "noise": [
                {
                    "unit": "sequence",
                    "noise_multiplier": 3.0,
                    "clip_norm": 0.5,
                    "sampling_rate": 1.0,
                    "steps_per_round": 5,
                    "lifetime_steps": 25,
                }
            ],
            "sampler_declared": "full batch",
            "sampler_actual": "full batch",
            "denominator": "fixed by the policy",
            "random_generator": "ChaCha20 key stream",
            "versions": {"torch": "two"},
        },
        "accounting": {
            "accountant": "Gaussian closed form",
            "composition": "all steps of a lifetime",
            "second_opinions": [{"accountant": "PLD", "epsilon": 7.87, "difference": 0.001}],
            "agreement": "yes",
            "delta_reason": "below one in the number of sequences",
        },
        "tuning": {"data": "public data", "charged_epsilon": 0.0, "statement": "public data only"},
        "unprotected": ["That this laptop took part, and when"],
        "ledger": {
            "cap": 7.77,
            "spent": 6.66,
            "remaining": 1.11,
            "debits": [debit(1, 4.44), debit(2, 6.66)],
            "devices_by_spent": [{"epsilon_from": 6.06, "epsilon_to": 6.96, "devices": band(4)}],
            "forecast": [{"participations": n, "epsilon": e} for n, e in enumerate((0.0, 4.44, 6.66, 7.76))],
            "entries": 27,
            "chain_head": "head-of-the-chain",
            "void_rounds": 0,
            "device_entries": 0,
            "device_ledgers": 0,
            "receipts": 0,
            "verification": "not_verified",
            "checks": [{"name": "the chain", "passed": True, "detail": "each entry is linked"}],
            "verified_at": None,
        },
        "trust": {
            "actors": [{"name": "The server", "sees": "each update", "trusted_to": "nothing"}],
            "assumptions": ["The laptop runs the installed program"],
            "secure_sum": False,
            "collusion": "Anybody may work together",
        },
        "data": {
            "synthetic": True,
            "source": "rendered faces",
            "leaves_device": ["One noised weight change a round"],
            "stays_on_device": ["Camera pictures"],
            "minimisation": ["face crops only"],
            "resolution": "48 by 48, gray",
            "frames_per_sequence": 16,
            "retention": "30 days",
            "encryption": "AES-GCM",
            "bystanders": "frames with two faces are dropped",
        },
        "consent": {
            "text_hash": "hash-of-the-text",
            "scopes": ["capture", "store", "train"],
            "states": {"active": band(4)},
            "withdrawals": band(0),
            "erasures": band(0),
            "erasure_time": None,
            "how_to_leave": ["Run fl-client withdraw"],
        },
        "utility_bias": {
            "benchmark": "rendered people",
            "split": "by person",
            "sequences": 6,
            "subject_disjoint": True,
            "before": scores(0, 0, 1, 1, 0, 0),
            "after": scores(0, 0, 0, 1, 1, 0),
            "intervals": {"accuracy": {"low": 0.3, "high": 0.9}},
            "baselines": {"majority": majority_baseline(TARGETS, CLASSES)},
            "epsilon_choice": "the operator",
        },
        "legal": {
            "purpose": "research simulation",
            "dpia_reference": None,
            "gate": [{"entry": "institutional_outputs", "question": "Who sees it?", "answer": "nobody"}],
            "findings": [{"level": "warn", "entry": "purpose", "says": "take care", "source": "a law"}],
            "sign_offs": [{"role": "operator", "name": "Ada", "on": "2026-09-01"}],
        },
        "audit": None,
        "provenance": [{"field": "claims[].epsilon", "source": "the policy", "how": "recomputed"}],
    }


def claim(**changes: Any) -> dict[str, Any]:
    stated = changes.get("status", "holds") in ("holds", "simulated")
    return {
        "observer": "server",
        "unit": "sequence",
        "adjacency": "one sequence added or removed",
        "epsilon": 7.88 if stated else None,
        "epsilon_without_amplification": 7.89 if stated else None,
        "delta": 3e-7,
        "mu": 1.23 if stated else None,
        "advantage": 0.4615 if stated else None,
        "curve": [{"epsilon": 0.0, "delta": 0.4615}, {"epsilon": 7.88, "delta": 3e-7}] if stated else [],
        "trade_off": [{"false_alarms": a, "detected": d} for a, d in ((0, 0), (0.27, 0.73), (1, 1))] if stated else [],
        "status": "holds",
        "assumption": "full batches, every step counted" if stated else "nothing hides a whole person",
        "overlap": 1,
        "contribution_cap": "Some sequences take part in a step",
        "covers_all_checkpoints": True,
        **changes,
    }


def debit(number: int, epsilon_after: float) -> dict[str, Any]:
    return {
        "round": number,
        "steps": 5,
        "noise_multiplier": 3.0,
        "sampling_rate": 1.0,
        "epsilon_after": epsilon_after,
        "devices": band(4),
    }


@pytest.fixture
def break_main_claim(fields: dict[str, Any]) -> None:
    fields["claims"][0] |= {
        "status": "assumption_broken",
        "epsilon": None,
        "epsilon_without_amplification": None,
        "mu": None,
        "advantage": None,
        "curve": [],
        "trade_off": [],
        "assumption": "The same pictures were used twice",
    }

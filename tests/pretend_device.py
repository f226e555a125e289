"""A device that only pretends, for its page's tests and for whoever works on how the page looks.

    PYTHONPATH=.:tests python -m pretend_device [SCHEME]

serves the page of a device in the midst of a session, prints its address and ends with Ctrl-C.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fl_client.consent import ConsentBook
from fl_client.home import Enrolment
from fl_client.page.device import Device, Doing
from fl_client.page.server import PageServer
from fl_client.page.states import by_state
from fl_client.settings import PageSettings
from shared_models.data.labels import scheme_by_name
from shared_models.data.synthetic.sequences import render_labels
from shared_models.errors import DataError
from shared_models.evaluation.explanation import Explanation, explain
from shared_models.evaluation.strip import strip
from shared_models.networks.starter import initial_model
from shared_models.privacy.calibration import calibrated
from shared_models.privacy.odds import odds
from shared_models.privacy.policy import Policy

POLICY: dict[str, Any] = {
    "epsilon": 8.0,
    "delta": 1e-5,
    "participations": 12,
    "steps": 2,
    "model": "cnn-lstm",
    "trainable": "classifier",
    "clip_norm": 0.5,
    "views": 1,
    "min_survivors": 2,
    "colluders": 1,
    "min_rounds_between": 0,
    "denominator": 40,
    "max_sequences": 60,
    "learning_rate": 1.0,
    "momentum": 0.0,
    "reply_seconds": 0.0,
}
CONSENT_TEXT = (
    "This study asks whether an emotion model for online seminars can be improved without collecting a face.\n\n"
    "Your laptop looks at your camera while you allow it. When you answer a question, sixteen small gray pictures"
    " of your face are kept on your laptop, encrypted. Your laptop trains on them and sends a noised change of a small"
    " part of the model.\n\n"
    "You can pause, delete and leave at any time, without giving a reason and without any disadvantage."
)


@dataclass(frozen=True)
class Reading:
    classes: Sequence[str]
    probabilities: np.ndarray
    sure: str


@dataclass
class Reader:
    now: Reading | None = None
    state: str = "reading"

    def reading(self) -> Reading | None:
        return self.now


@dataclass(frozen=True)
class Explained:
    classes: Sequence[str]
    explanation: Explanation
    picture: bytes


@dataclass
class Explainer:
    """`now`, or the problem; `asked` counts."""

    now: Explained | None = None
    problem: Exception | None = None
    asked: int = 0

    def explain(self) -> Explained | None:
        self.asked += 1
        if self.problem:
            raise self.problem
        return self.now


@dataclass(frozen=True)
class Probe:
    id: str
    choices: Sequence[str]
    shown_at: datetime = datetime(2031, 3, 3, 9, 40, tzinfo=UTC)


@dataclass
class Prober:
    waiting: Probe | None = None
    heard: list[tuple[str, str]] = field(default_factory=list)

    def pending(self) -> Probe | None:
        return self.waiting

    def answer(self, probe_id: str, label: str) -> None:
        self._take(probe_id)
        self.heard.append((probe_id, label))

    def skip(self, probe_id: str) -> None:
        self._take(probe_id)
        self.heard.append((probe_id, "skipped"))

    def _take(self, probe_id: str) -> None:
        if self.waiting is None or self.waiting.id != probe_id:
            raise DataError("This question was answered already", fix="Wait for the next one")
        self.waiting = None


@dataclass(frozen=True)
class KeptSequence:
    id: str
    frames: np.ndarray
    label: str
    captured_at: datetime
    source: str = "probe"


@dataclass
class Kept:
    sequences: list[KeptSequence] = field(default_factory=list)
    problem: Exception | None = None

    def __len__(self) -> int:
        return len(self.sequences)

    def load_all(self):
        yield from list(self.sequences)
        if self.problem:
            raise self.problem

    def delete(self, ids):
        gone = set(ids)
        self.sequences = [one for one in self.sequences if one.id not in gone]

    def delete_all(self):
        self.sequences = []


@dataclass
class Sent:
    policy: Policy
    rounds: int = 0
    began: datetime = datetime(2031, 3, 3, 9, 40, tzinfo=UTC)
    problem: Exception | None = None

    def version(self) -> object:
        return self.rounds

    def account(self) -> dict[str, Any]:
        if self.problem:
            raise self.problem
        policy, rounds = self.policy, self.rounds
        answers = ["released"] * (rounds - 1) + ["open"]
        if rounds > 3:
            answers[2] = "aborted"
        return {
            "uploads": [
                {
                    "round": 2 * i + 1,
                    "at": (self.began + timedelta(days=2 * i, minutes=37 * i)).isoformat(),
                    "answer": answers[i],
                    "epsilon_after": policy.epsilon_after(i + 1),
                }
                for i in range(rounds)
            ],
            "epsilon": policy.epsilon_after(rounds) if rounds else 0.0,
            "epsilon_cap": policy.epsilon,
            "right_in_100_now": odds(0, policy.delta, policy.mu_after(rounds)).at_most if rounds else 50,
            "right_in_100_at_cap": odds(policy.epsilon, policy.delta, policy.lifetime_mu).at_most,
        }


@dataclass
class Pretended:
    """The device, and the things that it is made of, to be moved by a test."""

    device: Device
    consent: ConsentBook
    reader: Reader
    explainer: Explainer
    prober: Prober
    kept: Kept
    sent: Sent
    doing: dict[str, Any]
    done: list[str]

    def ask(self, probe_id: str = "p1") -> None:
        self.prober.waiting = Probe(probe_id, scheme_by_name(self.device.enrolment.policy.scheme).classes)

    def read(self, best: str, share: float = 0.7) -> None:
        self.reader.now = reading_of(self.device.enrolment.policy.scheme, {best: share})


def reading_of(scheme: str, shares: dict[str, float]) -> Reading:
    """A reading with these probabilities; the other classes share the rest."""
    classes = scheme_by_name(scheme).classes
    rest = (1 - sum(shares.values())) / (len(classes) - len(shares))
    return Reading(classes, np.array([shares.get(name, rest) for name in classes]), _sure(max(shares.values())))


def _sure(probability: float) -> str:
    words = ((0.9, "very likely"), (0.66, "likely"), (0.5, "more likely than not"))
    return next((word for least, word in words if probability >= least), "unclear")


def pretended(folder: Path, policy: Policy) -> Pretended:
    """A device that has agreed to all but the audit, keeps nothing and has sent nothing."""
    enrolment = Enrolment(
        study="seminar",
        title="Emotions in online seminars",
        controller="University of Examples",
        contact="dpo@example.org",
        purpose="research simulation",
        consent_text=CONSENT_TEXT,
        pseudonym="0a1b2c3d",
        fleet_address="127.0.0.1:1",
        enrolment_address="127.0.0.1:1",
        ca_pem="",
        server_key="",
        ledger_key="",
        policy=policy,
    )
    consent, done = ConsentBook(folder), list[str]()
    consent.inform(enrolment.text_hash, policy.hash)
    consent.grant(["capture", "store", "train"], enrolment.text_hash, policy.hash)
    doing = {"looking": True, "camera": "capturing", "training": "waits for mains power"}
    reader, explainer, prober, kept, sent = Reader(), Explainer(), Prober(), Kept(), Sent(policy)

    def withdraw() -> None:
        kept.delete_all()
        consent.withdraw()
        done.append("withdraw")

    device = Device(
        enrolment=enrolment,
        consent=consent,
        doing=lambda: Doing(**doing),
        kept=kept,
        sent=sent,
        upload_bytes=4 * 1031,
        withdraw=withdraw,
        turn_off=lambda: done.append("turn off"),
        reader=reader,
        explainer=explainer,
        prober=prober,
    )
    return Pretended(device, consent, reader, explainer, prober, kept, sent, doing, done)


def keep_sequences(kept: Kept, sequences: Sequence[tuple[str, np.ndarray]], before: datetime) -> None:
    """Labels and frames (T, 1, H, W), the last of them kept shortly before that time."""
    for i, (label, frames) in enumerate(sequences):
        at = before - timedelta(minutes=13 * (len(sequences) - i) - 4)
        kept.sequences.append(KeptSequence(f"{i:032x}", frames, label, at))


def faces_of(labels: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Each label with a rendered face."""
    looks = scheme_by_name("basic-7").classes
    faces = render_labels([label if label in looks else "neutral" for label in labels], seed=11, people=[3])
    return list(zip(labels, faces.frames, strict=True))


@cache
def explained_of(label: str) -> Explained:
    """What the starter weights for rendered faces look at in one."""
    [(_, frames)] = faces_of([label])
    model, header, _ = initial_model("starter", "cnn-lstm", "basic-7", frames.shape)
    explanation = explain(model, frames)
    return Explained(scheme_by_name(header.scheme).classes, explanation, strip(frames, explanation))


def a_session(server: PageServer, scheme: str, seconds: float, now: float) -> None:
    """Readings that drift, with a few minutes away in the middle."""
    classes = scheme_by_name(scheme).classes
    for i in range(0, int(seconds), 5):
        x = i / seconds
        away = 0.42 < x < 0.5
        k = np.arange(len(classes))
        raw = np.exp(2.2 * np.sin(2.3 * k + 5 * x + 0.5 * np.sin(31 * x + k)))
        reading = Reading(classes, raw / raw.sum(), _sure(raw.max() / raw.sum()))
        server.timeline.observe(now - seconds + i, not away, None if away else by_state(reading))


def main() -> None:
    scheme = sys.argv[1] if len(sys.argv) > 1 else "basic-7"
    folder, now = Path(tempfile.mkdtemp()), time.time()
    policy = calibrated(**POLICY, scheme=scheme)
    pretend = pretended(folder, policy)
    classes = scheme_by_name(scheme).classes
    faces = faces_of([classes[(5 * i + 1) % len(classes)] for i in range(15)])
    keep_sequences(pretend.kept, faces, datetime.fromtimestamp(now, UTC))
    pretend.sent.rounds = 5
    pretend.sent.began = datetime.fromtimestamp(now, UTC) - timedelta(days=9)
    pretend.reader.now = reading_of(scheme, {classes[1]: 0.58, classes[0]: 0.21, classes[2]: 0.08})
    pretend.explainer.now = explained_of("surprise")
    pretend.prober.waiting = Probe("p1", classes, datetime.fromtimestamp(now - 20, UTC))
    server = PageServer(pretend.device, PageSettings(), folder / "page.url", folder / "no-hints")
    a_session(server, scheme, 3100, now)
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    while not (folder / "page.url").exists():
        time.sleep(0.05)
    print(json.dumps({"address": (folder / "page.url").read_text()}), flush=True)
    try:
        thread.join()
    except KeyboardInterrupt:
        stop.set()
        thread.join()


if __name__ == "__main__":
    main()

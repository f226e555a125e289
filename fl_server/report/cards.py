"""The model card and the data sheet of a run, in Markdown, from the report's document.

After Mitchell et al. 2019, "Model Cards for Model Reporting", and Gebru et al. 2021, "Datasheets for Datasets".
"""

from collections.abc import Sequence

from fl_server.report.document import Claim, Report
from fl_server.report.document.results import UtilityBias
from fl_server.report.numbers import period, rounded_up, scientific
from shared_models.evaluation.metrics import ClassScore


def model_card(document: Report, promoted: int | None = None) -> str:
    """What the model is, what it may be used for, what it scores and for whom, and what its training revealed.

    promoted: the round whose model the operator hands out, where one was chosen
    """
    info, study, utility = document.report, document.study, document.utility_bias
    after = utility.after
    lines = [
        f"# Model card: {study.title}",
        *_status(document),
        "## Model",
        f"- Trained: {document.mechanism.trainable_part}, {document.mechanism.trained_parameters} parameters, in"
        f" {len(document.ledger.debits)} rounds, {period(info.period_start, info.period_end)}",
        f"- Made by {info.generator} {info.generator_version} for {study.controller or 'nobody named'}",
        "",
        "## Use",
        f"- Intended: {study.intended_use}",
        *(f"- Not to be used for: {use}" for use in study.prohibited_uses),
        "",
        "## Benchmark",
        f"{utility.benchmark}, {utility.sequences} sequences; {utility.split}. People apart from training:"
        f" {_yes(utility.subject_disjoint)}. Scored without randomness on the current model. {_released(promoted)}",
        "",
        *_table(["score", "before", "after", "interval of the last"], _overall(utility)),
        "",
        *_table(
            ["class", "support", "precision", "recall", "F1", "F1 before"],
            [_class_row(name, score, utility.before.per_class[name]) for name, score in after.per_class.items()],
        ),
        "",
        *_table(
            ["beside it", "accuracy", "UAR", "macro F1"],
            [[name, *_scores(b.accuracy, b.uar, b.macro_f1)] for name, b in utility.baselines.items()],
        ),
        "",
        "## For whom it works",
        _spread(utility),
        "",
        "## What its training reveals",
        *_claims(document.claims),
        "",
        "Not protected:",
        *(f"- {sentence}" for sentence in document.unprotected),
        "",
        "The model is not anonymous, and no figure here says so.",
    ]
    return "\n".join(lines) + "\n"


def data_sheet(document: Report) -> str:
    """Whose data it was trained on, how it was collected, kept and deleted."""
    study, data, consent = document.study, document.data, document.consent
    lines = [
        f"# Data sheet: {study.title}",
        *_status(document),
        "## Motivation",
        f"- Purpose: {document.legal.purpose}",
        f"- Controller: {study.controller or 'not recorded'}; investigator: {study.investigator or 'not recorded'};"
        f" ethics reference: {study.ethics_reference or 'not recorded'}",
        "",
        "## Composition",
        f"- Source: {data.source}",
        f"- A sequence is {data.frames_per_sequence} frames of {data.resolution}; nobody but its device knows how many"
        " there are",
        f"- Devices enrolled: {study.enrolled}; regions: {', '.join(study.regions) or 'not recorded'}; ages:"
        f" {study.ages or 'not recorded'}",
        "",
        "## Collection",
        *(f"- {item}" for item in data.minimisation),
        f"- Bystanders: {data.bystanders}",
        f"- Consent: scopes {', '.join(consent.scopes)}; text with hash `{consent.text_hash}`",
        *(f"- {state}: {count}" for state, count in consent.states.items()),
        f"- Withdrawals: {consent.withdrawals}; erasures: {consent.erasures}",
        "",
        "## Distribution",
        "There is no data set to distribute. It never leaves the devices; what leaves them is:",
        *(f"- {item}" for item in data.leaves_device),
        "",
        "## Maintenance",
        f"- Kept {data.retention}; {data.encryption}",
        *(f"- {step}" for step in consent.how_to_leave),
        "",
        "## Benchmark data",
        f"{document.utility_bias.benchmark}, {document.utility_bias.sequences} sequences;"
        f" {document.utility_bias.split}",
    ]
    return "\n".join(lines) + "\n"


def _status(document: Report) -> list[str]:
    info = document.report
    alerts = [f"> **{alert}**" for alert in info.alerts]
    return ["", f"From report {info.id} ({info.status}).", *([">", *alerts] if alerts else []), ""]


def _released(promoted: int | None) -> str:
    if promoted is None:
        return "Which round to release was not chosen by these scores."
    return (
        f"The operator hands out the model of round {promoted}, and knew every round's scores when choosing it: its own"
        " score is an optimistic one."
    )


def _claims(claims: Sequence[Claim]) -> list[str]:
    rows = []
    for claim in claims:
        promise = "no guarantee"
        if claim.stated and claim.epsilon is not None and claim.delta is not None:
            promise = f"epsilon {rounded_up(claim.epsilon)} at delta {scientific(claim.delta)} ({claim.status})"
        rows.append([claim.observer.replace("_", " "), claim.unit, promise, claim.assumption])
    return _table(["against", "unit", "promise", "rests on"], rows)


def _overall(utility: UtilityBias) -> list[list[str]]:
    rows = []
    for key, name in (("accuracy", "accuracy"), ("uar", "UAR"), ("macro_f1", "macro F1"), ("ece", "calibration error")):
        interval = utility.intervals.get(key)
        between = f"{interval.low:.3f} to {interval.high:.3f}" if interval else ""
        rows.append([name, *_scores(getattr(utility.before, key), getattr(utility.after, key)), between])
    return rows


def _class_row(name: str, after: ClassScore, before: ClassScore) -> list[str]:
    return [name, str(after.support), *_scores(after.precision, after.recall, after.f1, before.f1)]


def _spread(utility: UtilityBias) -> str:
    people = utility.after.by_subject
    if people is None:
        return "Unknown: the benchmark names nobody."
    return (
        f"Accuracy of each of {people.subjects} people alone: the worst served {people.minimum:.3f}, the middle one"
        f" {people.median:.3f}, the best served {people.maximum:.3f}. Groups of people were not compared."
    )


def _table(columns: list[str], rows: list[list[str]]) -> list[str]:
    return [_row(columns), _row(["---"] * len(columns)), *(_row(row) for row in rows)]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _scores(*values: float) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[value]

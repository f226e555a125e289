"""A comparison as people read it: one table of all models, and one a score with an emotion a row, a model a column."""

from shared_models.evaluation.comparison import ComparedModel, Comparison
from shared_models.evaluation.resampling import UNIT_WORDS, WITHOUT_WIDTH, interval_words
from shared_models.evaluation.sheets import ABSENT, Row, Sheet

_SCORES = {
    "f1": ("F1 by emotion", ""),
    "precision": ("Precision by emotion", "The share of the sequences called so that are so."),
    "recall": ("Recall by emotion", "The share of the sequences that are so which are called so."),
    "accuracy": ("Accuracy by emotion", "One emotion against all others: high where an emotion is rare."),
}


def overall_sheets(facts: Comparison) -> list[Sheet]:
    """All models, and how far each is from the first."""
    return [_overall(facts), *([_differences(facts)] if len(facts.models) > 1 else [])]


def emotion_sheets(facts: Comparison) -> list[Sheet]:
    """F1, precision, recall and accuracy by emotion."""
    return [_by_emotion(facts, score) for score in _SCORES]


def _overall(facts: Comparison) -> Sheet:
    means = ", means over seeds" if any(len(model.runs) > 1 for model in facts.models) else ""
    intervals = [model.macro_f1 for model in facts.models if model.macro_f1.low is not None]
    certain = f" {WITHOUT_WIDTH}" if any(found.low == found.high for found in intervals) else ""
    return Sheet(
        "All emotions",
        ("Model", "Accuracy", "UAR", "ECE", "Macro F1", "95 %"),
        [
            (
                model.name,
                *(f"{value:.3f}" for value in (model.accuracy, model.uar, model.ece, model.macro_f1.value)),
                interval_words(model.macro_f1),
            )
            for model in facts.models
        ],
        f"On {facts.sequences} sequences{means}. 95 %: bootstrap over {facts.units} {UNIT_WORDS[facts.unit]}.{certain}",
    )


def _differences(facts: Comparison) -> Sheet:
    first = facts.models[0].name
    return Sheet(
        f"Macro F1 above {first}",
        ("Model", "Difference", "95 %", "By seed"),
        [_difference_row(model) for model in facts.models[1:]],
        f"95 %: bootstrap over the same {facts.units} {UNIT_WORDS[facts.unit]} for both models.",
    )


def _difference_row(model: ComparedModel) -> Row:
    if model.difference is None:  # the first model alone has none
        return (model.name, *[ABSENT] * 3)
    found = model.difference.macro_f1
    by_run = ", ".join(f"{value:+.3f}" for value in model.difference.by_run) or ABSENT
    return (model.name, f"{found.value:+.3f}", interval_words(found, "+.3f"), by_run)


def _by_emotion(facts: Comparison, score: str) -> Sheet:
    title, note = _SCORES[score]
    rows = [
        (
            emotion,
            str(support),
            *(f"{getattr(model.by_emotion[emotion], score):.3f}" if support else ABSENT for model in facts.models),
        )
        for emotion, support in facts.support.items()
    ]
    return Sheet(title, ("Emotion", "Support", *(model.name for model in facts.models)), rows, note)

"""Label schemes: the classes that a federation's model tells apart, and the names people use for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from shared_models.errors import DataError

Code = TypeVar("Code", int, str)
_ALIASES = {
    "angry": "anger",
    "afraid": "fear",
    "fearful": "fear",
    "calm": "neutral",
    "disgusted": "disgust",
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
    "bored": "boredom",
    "confused": "confusion",
    "engaged": "engagement",
    "frustrated": "frustration",
}
_BASIC = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
_STATES = ("boredom", "engagement", "confusion", "frustration")
_LEVELS = 4


@dataclass(frozen=True)
class LabelScheme:
    """An ordered list of classes; a target is a distribution over them, where the output is categorical.

    output: what a model's numbers are, one for each class: `categorical`, `multi-label`, `levels` or `values`
    """

    name: str
    classes: tuple[str, ...]
    output: str = "categorical"
    aliases: dict[str, str] = field(default_factory=lambda: dict(_ALIASES), compare=False, repr=False)

    @property
    def has_levels(self) -> bool:
        """Whether its classes are a learner's states, each at a level, such as `boredom:3`; else they are emotions."""
        return any(":" in name for name in self.classes)

    def index(self, label: str) -> int:
        """The class index of `label`, by its name or a usual alias.

        Raises DataError where the scheme has no such class.
        """
        name = self._name(label)
        if name not in self.classes:
            raise DataError(
                f"The label '{label}' is not in the scheme {self.name}",
                fix=f"Use one of: {', '.join(self.classes)}",
            )
        return self.classes.index(name)

    def knows(self, label: str) -> bool:
        """Whether `index` finds the class of `label`."""
        return self._name(label) in self.classes

    def indices(self, labels: Mapping[Code, str]) -> dict[Code, int]:
        """The class index of each code of a data set, given what codes mean; codes that the scheme lacks are left out.

        Raises DataError where the scheme has none of them.
        """
        found = {code: self.index(label) for code, label in labels.items() if self.knows(label)}
        if not found:
            raise DataError(
                f"The label scheme {self.name} does not fit the data",
                why=f"the data has the labels {', '.join(dict.fromkeys(labels.values()))}",
                fix="Choose a scheme that has some of them",
            )
        return found

    def _name(self, label: str) -> str:
        base, separator, level = label.strip().lower().partition(":")
        return self.aliases.get(base, base) + separator + level


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        LabelScheme("basic-7", _BASIC),
        LabelScheme("basic-8", (*_BASIC, "contempt")),
        LabelScheme("learner-4x4", tuple(f"{state}:{level}" for state in _STATES for level in range(_LEVELS))),
    )
}
"""Those that a federation can use: on a device, a label is one class."""
FURTHER_SCHEMES = {
    scheme.name: scheme
    for scheme in (
        LabelScheme("basic-7-any", _BASIC, "multi-label"),
        LabelScheme(
            "learner-levels", tuple(f"{state}:{level}" for state in _STATES for level in range(1, _LEVELS)), "levels"
        ),
        LabelScheme("valence-arousal", ("valence", "arousal"), "values"),
    )
}
"""Those that a model can be built and trained for beside them."""


def scheme_by_name(name: str) -> LabelScheme:
    """The label scheme called `name`; raises DataError where there is none."""
    schemes = SCHEMES | FURTHER_SCHEMES
    if name not in schemes:
        raise DataError(f"There is no label scheme '{name}'", fix=f"Use one of: {', '.join(schemes)}")
    return schemes[name]

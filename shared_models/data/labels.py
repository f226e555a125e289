"""Label schemes: the classes that a federation's model tells apart, and the names people use for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from shared_models.errors import DataError

Code = TypeVar("Code", int, str)
Target = tuple[float, ...]
"""What a model's output is compared with for one sequence: a number for each class of its scheme."""
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
    """An ordered list of classes; what a target has for each follows from the output.

    output: what a model's numbers are: `categorical`, a distribution over the classes; `multi-label`, whether each is
            there; `levels`, whether each is reached; `values`, numbers in [-1, 1]
    """

    name: str
    classes: tuple[str, ...]
    output: str = "categorical"
    aliases: dict[str, str] = field(default_factory=lambda: dict(_ALIASES), compare=False, repr=False)

    @property
    def has_levels(self) -> bool:
        """Whether its classes are a learner's states, each at a level, such as `boredom:3`; else they are emotions."""
        return any(":" in name for name in self.classes)

    @property
    def states(self) -> tuple[str, ...]:
        """The learner's states whose levels its classes are, in order; none where they are emotions or values."""
        return tuple(dict.fromkeys(name.partition(":")[0] for name in self.classes if ":" in name))

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

    def one_hot(self, index: int) -> Target:
        """The target of a sequence that is of one class and no other."""
        return tuple(float(place == index) for place in range(len(self.classes)))

    def targets(self, labels: Mapping[Code, str]) -> dict[Code, Target]:
        """The target of each code of a data set that gives one label a sequence; codes the scheme lacks are left out.

        labels: what codes mean

        Raises DataError where the scheme has none of them, or its output asks for more than one label.
        """
        found = {code: self.one_hot(self.index(label)) for code, label in labels.items() if self.knows(label)}
        if self.output != "categorical" or not found:
            raise DataError(
                f"The label scheme {self.name} does not fit the data",
                why=f"a sequence has one of the labels {', '.join(dict.fromkeys(labels.values()))}",
                fix="Choose a scheme that has some of them, and one class a sequence",
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
"""Those that a model can be pretrained for and scored on beside them."""


def scheme_by_name(name: str) -> LabelScheme:
    """The label scheme called `name`; raises DataError where there is none."""
    schemes = SCHEMES | FURTHER_SCHEMES
    if name not in schemes:
        raise DataError(f"There is no label scheme '{name}'", fix=f"Use one of: {', '.join(schemes)}")
    return schemes[name]

"""The three parts of a data source: what may be trained on, what models are chosen on, and what is reported on.

`still_sets` and `people_sets` say how each is parted. Nobody is in two parts, wherever people are known.
"""

from dataclasses import dataclass
from typing import Literal

from shared_models.data.films import Progress
from shared_models.data.labels import LabelScheme
from shared_models.data.people_sets import PEOPLE_SETS, scoring_people, selecting_people, training_people
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec
from shared_models.data.still_sets import (
    STILL_SETS,
    one_split_for_both,
    public_stills,
    scoring_stills,
    selecting_stills,
)
from shared_models.data.stills import to_sequences
from shared_models.data.synthetic.domains import STUDIO
from shared_models.data.synthetic.sequences import render_sequences

PUBLIC_PEOPLE = range(0, 400)
BENCHMARK_PEOPLE = range(1000, 1020)
REPORT_PEOPLE = range(1100, 1120)
_PUBLIC_PER_CLASS = 600
_BENCHMARK_PER_CLASS = 30

Part = Literal["select", "report"]


@dataclass(frozen=True)
class HeldOut:
    """One of the two parts that no model is trained on.

    split:        what it is, in words
    one_for_both: whether only one of a data set's two such splits is there, so that it is both chosen and reported on
    """

    sequences: Sequences
    split: str
    one_for_both: bool = False


def _silent(stage: str, done: int, total: int) -> None:
    pass


def load_public(spec: DataSpec, scheme: LabelScheme, seed: int, progress: Progress = _silent) -> tuple[Sequences, str]:
    """What pretraining may see, and a sentence that says what it is.

    Raises DataError where the data does not fit `scheme`.
    """
    if spec.kind == "synthetic":
        data = render_sequences(_PUBLIC_PER_CLASS, scheme.name, STUDIO, seed=seed, people=PUBLIC_PEOPLE)
        return data, f"{len(data)} rendered sequences of {len(PUBLIC_PEOPLE)} rendered people, seed {seed}"
    data, words = public_stills(spec, scheme) if spec.kind in STILL_SETS else training_people(spec, scheme, progress)
    return data, f"{words}; seed {seed}"


def load_held_out(spec: DataSpec, scheme: LabelScheme, part: Part, progress: Progress = _silent) -> HeldOut:
    """The sequences (N, T, 1, H, W) that models are chosen on, or those that they are reported on; always the same.

    Raises DataError where the data does not fit `scheme`.
    """
    if spec.kind == "synthetic":
        people = BENCHMARK_PEOPLE if part == "select" else REPORT_PEOPLE
        data = render_sequences(_BENCHMARK_PER_CLASS, scheme.name, STUDIO, seed=0, people=people)
        return HeldOut(data, f"rendered people {people[0]} to {people[-1]}, whom nothing is trained on")
    if spec.kind in STILL_SETS:
        stills, words = (selecting_stills if part == "select" else scoring_stills)(spec, scheme)
        return HeldOut(to_sequences(stills), words, one_split_for_both(spec))
    data = (selecting_people if part == "select" else scoring_people)(spec, scheme, progress)
    chosen = PEOPLE_SETS[spec.kind]
    return HeldOut(data, chosen.selecting_who if part == "select" else chosen.scoring_who)


def load_benchmark(spec: DataSpec, scheme: LabelScheme, progress: Progress = _silent) -> Sequences:
    """What the rounds of a federation are scored on: the part that models are chosen on."""
    return load_held_out(spec, scheme, "select", progress).sequences

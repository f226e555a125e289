"""Which part of a data source may be pretrained on, and which scores; `still_sets` and `people_sets` say how."""

from shared_models.data.films import Progress
from shared_models.data.labels import LabelScheme
from shared_models.data.people_sets import scoring_people, training_people
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec
from shared_models.data.still_sets import STILL_SETS, public_stills, scoring_stills
from shared_models.data.stills import to_sequences
from shared_models.data.synthetic.domains import STUDIO
from shared_models.data.synthetic.sequences import render_sequences

PUBLIC_PEOPLE = range(0, 400)
BENCHMARK_PEOPLE = range(1000, 1020)
_PUBLIC_PER_CLASS = 600
_BENCHMARK_PER_CLASS = 30


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


def load_benchmark(spec: DataSpec, scheme: LabelScheme, progress: Progress = _silent) -> Sequences:
    """The held-out sequences (N, T, 1, H, W) that score a model; the same ones each time."""
    if spec.kind == "synthetic":
        return render_sequences(_BENCHMARK_PER_CLASS, scheme.name, STUDIO, seed=0, people=BENCHMARK_PEOPLE)
    if spec.kind in STILL_SETS:
        return to_sequences(scoring_stills(spec, scheme)[0])
    return scoring_people(spec, scheme, progress)

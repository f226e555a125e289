"""Who takes part in a simulation, with which sequences, and on whom the result is scored."""

import numpy as np

from shared_models.data.films import Progress
from shared_models.data.labels import LabelScheme, scheme_by_name
from shared_models.data.manifest import manifest_labels
from shared_models.data.partition import by_subject, dirichlet, hold_out_anybody, hold_out_people
from shared_models.data.people_sets import PEOPLE_SETS, everybody, scoring_people, training_people
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec
from shared_models.data.still_sets import client_stills, scoring_stills
from shared_models.data.stills import to_sequences
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.sequences import render_sequences
from shared_models.errors import UsageError
from simulations.populations.plan import BY_SUBJECT, Plan, Population
from simulations.populations.rendered import RenderedClients
from simulations.populations.traits import traits_of

_SYNTHETIC_HELD_OUT, _SYNTHETIC_HELD_OUT_PER_CLASS = range(1000, 1020), 20
_SCHEMES = {
    "ferplus": "basic-8",
    "fer2013": "basic-7",
    "affectnet": "basic-8",
    "ckplus": "basic-8",
    "ravdess": "basic-7",
    "iemocap": "basic-7",
    "daisee": "learner-4x4",
}
_DEFAULT_SCHEME = "basic-7"
_MANIFEST_SCHEMES = "basic-8", "learner-4x4"
"""basic-8 for any emotions: it is basic-7 with contempt."""


def scheme_of(spec: DataSpec) -> LabelScheme:
    """The label scheme that a data source comes in; of a manifest, the one that knows most of its labels.

    Raises DataError where a manifest cannot be read.
    """
    if spec.kind != "manifest":
        return scheme_by_name(_SCHEMES.get(spec.kind, _DEFAULT_SCHEME))
    labels = manifest_labels(spec.required_path)
    return max(map(scheme_by_name, _MANIFEST_SCHEMES), key=lambda scheme: sum(map(scheme.knows, labels)))


def populate(
    spec: DataSpec, scheme: LabelScheme, plan: Plan, progress: Progress = lambda stage, done, total: None
) -> Population:
    """Raises DataError or UsageError where the data cannot be parted as asked."""
    if spec.kind in PEOPLE_SETS:
        return _recorded(spec, scheme, plan, progress)
    if plan.random_split:
        raise UsageError(f"The data source '{spec.kind}' has no random split", why="its own split is fixed")
    return _rendered(scheme, plan) if spec.kind == "synthetic" else _stills(spec, scheme, plan)


def _rendered(scheme: LabelScheme, plan: Plan) -> Population:
    """One rendered person a client, before a laptop; the held-out people are others in the same kind of rooms."""
    clients = RenderedClients(plan.count, plan.per_client, scheme, plan.seed, traits_of(plan.traits))
    held_out = render_sequences(_SYNTHETIC_HELD_OUT_PER_CLASS, scheme.name, LAPTOP, seed=0, people=_SYNTHETIC_HELD_OUT)
    return Population(clients, held_out, "one rendered person a client; scored on others")


def _stills(spec: DataSpec, scheme: LabelScheme, plan: Plan) -> Population:
    """Label-skewed clients from the images that no starter weights have seen; scored on the official split."""
    stills = client_stills(spec, scheme)
    shares = _skewed(stills.labels, plan.count, plan)
    held_out, description = scoring_stills(spec, scheme)
    return Population(
        [to_sequences(stills.take(share)) for share in shares],
        to_sequences(held_out),
        f"Dirichlet({_alpha(plan):g}) label skew over images that starter weights have not seen;"
        f" scored on {description}",
    )


def _recorded(spec: DataSpec, scheme: LabelScheme, plan: Plan, progress: Progress) -> Population:
    """The data set's official split where it has one, else a share of the people is held out."""
    official = PEOPLE_SETS[spec.kind].official
    if official and not plan.random_split:
        train, held_out = training_people(spec, scheme, progress)[0], scoring_people(spec, scheme, progress)
        return Population(deal(train, plan), held_out, official)
    data = everybody(spec, scheme, progress)
    part = hold_out_anybody if plan.random_split else hold_out_people
    train_rows, test_rows = part(data, plan.holdout, plan.seed)
    held_out = data.take(test_rows)
    if plan.random_split:
        words = f"random: {len(held_out)} sequences held out, whosoever they are"
    else:
        words = f"{len(set(held_out.subjects))} people held out"
    return Population(deal(data.take(train_rows), plan), held_out, words, random=plan.random_split)


def deal(data: Sequences, plan: Plan) -> list[Sequences]:
    """What each client holds of people's `data`: the sequences of one person, or label-skewed ones of anybody.

    Raises UsageError where there are more clients than people, DataError where there are too few sequences.
    """
    if plan.clients == BY_SUBJECT:
        if traits_of(plan.traits).label_skew is not None:
            raise UsageError("People's own sequences cannot be skewed by label", fix="Give a number of --clients")
        shares = _sized([share[: plan.per_client] for share in by_subject(data)], plan)
    else:
        people, clients = len(set(data.subjects)), plan.count
        if clients > people:
            raise UsageError(
                f"There cannot be {clients} clients",
                why=f"the data has {people} people to train on",
                fix=f"Take at most {people}, or `--clients {BY_SUBJECT}`",
            )
        shares = _skewed(data.labels, clients, plan)
    return [data.take(share) for share in shares]


def _skewed(labels: np.ndarray, clients: int, plan: Plan) -> list[np.ndarray]:
    return _sized(dirichlet(labels, clients, _alpha(plan), plan.per_client, plan.seed), plan)


def _sized(shares: list[np.ndarray], plan: Plan) -> list[np.ndarray]:
    """The part of each share that quantity skew leaves its client. Raises UsageError for traits of rendered people."""
    traits = traits_of(plan.traits)
    if traits.feature_shift or traits.personal_priors is not None:
        raise UsageError(
            "Recorded people cannot be given feature-shift or personal-priors",
            why="their pictures and labels are their own",
            fix="Use `--data synthetic` for these",
        )
    sizes = traits.sizes(len(shares), plan.per_client, np.random.default_rng((plan.seed, 0)))
    return [share[:size] for share, size in zip(shares, sizes, strict=True)]


def _alpha(plan: Plan) -> float:
    skew = traits_of(plan.traits).label_skew
    return plan.alpha if skew is None else skew

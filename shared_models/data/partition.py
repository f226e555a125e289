"""Who holds what: how a data set is dealt out to clients, and how people are held out for scoring."""

import numpy as np

from shared_models.data.sequences import Sequences
from shared_models.errors import DataError, UsageError


def by_subject(sequences: Sequences) -> list[np.ndarray]:
    """One index array for each subject, in the order of their ids.

    Raises DataError where any sequence has no subject id.
    """
    if not len(sequences) or None in sequences.subjects:
        raise DataError(
            "The data set cannot be split by subject",
            why="not every sequence has a subject id",
            fix="Use data with subject ids, or give a number of clients",
        )
    members: dict[str, list[int]] = {}
    for index, subject in enumerate(sequences.subjects):
        members.setdefault(str(subject), []).append(index)
    return [np.array(members[subject], dtype=np.int64) for subject in sorted(members)]


def hold_out_people(sequences: Sequences, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (train, test) such that nobody is in both; `fraction` of the people, at least one, is in test.

    Raises UsageError where `fraction` is not between 0 and 1, DataError where there are no subject ids or
    there is only one subject.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"The share of people to hold out must lie between 0 and 1, not {fraction}")
    people = by_subject(sequences)
    if len(people) < 2:
        raise DataError("Nobody can be held out", why="the data set has only one subject")
    held_out = min(max(round(fraction * len(people)), 1), len(people) - 1)
    order = np.random.default_rng(seed).permutation(len(people))
    test = np.sort(np.concatenate([people[i] for i in order[:held_out]]))
    train = np.sort(np.concatenate([people[i] for i in order[held_out:]]))
    return train, test


def hold_out_anybody(sequences: Sequences, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (train, test) drawn without regard to whose they are: what `hold_out_people` is there to avoid.

    Scores on such a split say little about people whom the model has never seen; it is there to show how much less.
    Raises UsageError where `fraction` is not between 0 and 1, DataError where there are fewer than two sequences.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"The share of sequences to hold out must lie between 0 and 1, not {fraction}")
    if len(sequences) < 2:
        raise DataError("No sequence can be held out", why=f"the data set has {len(sequences)}")
    order = np.random.default_rng(seed).permutation(len(sequences))
    held_out = min(max(round(fraction * len(order)), 1), len(order) - 1)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def unseen(sequences: Sequences, others: Sequences) -> np.ndarray:
    """Indices of the sequences whose source pixels do not occur in `others`.

    Data sets gathered from the web hold copies: 264 of the 3,396 usable images of FERPlus's validation split
    are in its training split too.
    """
    known = set(others.digests)
    return np.array([i for i, digest in enumerate(sequences.digests) if digest not in known], dtype=np.int64)


def dirichlet(labels: np.ndarray, clients: int, alpha: float, per_client: int, seed: int) -> list[np.ndarray]:
    """Deal sequences with labels (N,) to clients whose class mixes differ: indices (per_client,) each.

    Each client's mix is drawn from Dirichlet(alpha * prior), where prior is the mix of the whole data set
    (Hsu, Qi and Brown 2019, arXiv 1909.06335, "Synthetic Non-Identical Client Data"): a small alpha gives
    clients of one class, a large one gives everybody the same mix. No sequence is dealt twice. Where a class
    runs out, the client takes more of its other classes, and where those have run out, of whatever is left.

    Raises UsageError where clients, alpha or per_client is not positive, DataError where there are fewer
    than clients * per_client sequences.
    """
    if clients < 1 or per_client < 1 or alpha <= 0:
        raise UsageError("The number of clients, their sequences and alpha must be greater than 0")
    if clients * per_client > len(labels):
        raise DataError(
            f"There are not enough sequences for {clients} clients with {per_client} each",
            why=f"the data set has {len(labels)}",
            fix="Take fewer clients, or fewer sequences for each",
        )
    rng = np.random.default_rng(seed)
    classes, sizes = np.unique(labels, return_counts=True)
    pools = [list(rng.permutation(np.flatnonzero(labels == label))) for label in classes]
    shares = []
    for _ in range(clients):
        mix = rng.dirichlet(alpha * sizes / len(labels))
        counts = _draw_counts(mix, np.array([len(pool) for pool in pools]), per_client, rng)
        dealt = [pool.pop() for pool, count in zip(pools, counts, strict=True) for _ in range(count)]
        shares.append(np.sort(np.array(dealt, dtype=np.int64)))
    return shares


def _draw_counts(mix: np.ndarray, left: np.ndarray, total: int, rng: np.random.Generator) -> np.ndarray:
    """How many to take of each class: `total` in all, near `mix`, and no more than are `left`."""
    taken = np.zeros_like(left)
    while taken.sum() < total:
        remaining = left - taken
        weights = np.where(remaining > 0, mix, 0.0)
        if weights.sum() == 0:
            weights = remaining.astype(float)
        wanted = rng.multinomial(total - taken.sum(), weights / weights.sum())
        taken += np.minimum(wanted, remaining)
    return taken

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_models.data.labels import scheme_by_name
from shared_models.data.partition import by_subject, dirichlet, hold_out_anybody, hold_out_people, unseen
from shared_models.data.sequences import Sequences
from shared_models.errors import DataError, UsageError


def make_sequences(subjects: list[str | None], first: int = 0) -> Sequences:
    count = len(subjects)
    return Sequences(
        scheme=scheme_by_name("basic-7"),
        frames=np.zeros((count, 1, 1, 4, 4), dtype=np.uint8),
        targets=np.full((count, 7), 1 / 7, dtype=np.float32),
        subjects=tuple(subjects),
        digests=tuple(f"{first + i:016x}" for i in range(count)),
    )


repeatable = settings(derandomize=True, deadline=None)
people = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=40).filter(lambda ids: len(set(ids)) > 1)


@repeatable
@given(people)
def test_each_subject_holds_all_of_their_own_sequences(ids: list[str]) -> None:
    shares = by_subject(make_sequences(list(ids)))
    assert [{ids[i] for i in share} for share in shares] == [{person} for person in sorted(set(ids))]
    assert sorted(np.concatenate(shares)) == list(range(len(ids)))


@repeatable
@given(people, st.floats(0.01, 0.99), st.integers(0, 9))
def test_held_out_people_are_in_no_other_part(ids: list[str], fraction: float, seed: int) -> None:
    train, test = hold_out_people(make_sequences(list(ids)), fraction, seed)
    held_out = {ids[i] for i in test}
    assert held_out.isdisjoint(ids[i] for i in train)
    assert sorted([*train, *test]) == list(range(len(ids)))
    assert abs(len(held_out) - fraction * len(set(ids))) <= 1


def test_holding_people_out_follows_the_seed() -> None:
    sequences = make_sequences([f"p{i}" for i in range(20)])
    first, again, other = (hold_out_people(sequences, 0.2, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("subjects", [[], [None, None], ["a", None]])
def test_no_split_by_subject_without_ids(subjects: list[str | None]) -> None:
    for split in (by_subject, lambda data: hold_out_people(data, 0.5, seed=0)):
        with pytest.raises(DataError, match=r"cannot be split by subject. not every sequence has a subject id"):
            split(make_sequences(subjects))


def test_one_person_cannot_be_held_out() -> None:
    with pytest.raises(DataError, match=r"Nobody can be held out. the data set has only one subject"):
        hold_out_people(make_sequences(["a", "a"]), 0.5, seed=0)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_of_people_lies_between_none_and_all(fraction: float) -> None:
    with pytest.raises(UsageError, match="must lie between 0 and 1"):
        hold_out_people(make_sequences(["a", "b"]), fraction, seed=0)


@repeatable
@given(people, st.floats(0.01, 0.99), st.integers(0, 9))
def test_anybody_s_sequences_are_held_out_as_asked(ids: list[str], fraction: float, seed: int) -> None:
    sequences = make_sequences(list(ids))
    train, test = hold_out_anybody(sequences, fraction, seed)
    assert sorted([*train, *test]) == list(range(len(ids)))
    assert abs(len(test) - fraction * len(ids)) <= 1
    assert 0 < len(test) < len(ids)
    assert hold_out_anybody(sequences, fraction, seed)[1].tolist() == test.tolist()


def test_one_sequence_cannot_be_held_out() -> None:
    with pytest.raises(DataError, match="No sequence can be held out"):
        hold_out_anybody(make_sequences(["a"]), 0.5, seed=0)
    with pytest.raises(UsageError, match="must lie between 0 and 1"):
        hold_out_anybody(make_sequences(["a", "b"]), 1.0, seed=0)


def test_unseen_leaves_out_copies() -> None:
    sequences, others = make_sequences([None] * 6), make_sequences([None] * 3, first=2)
    assert unseen(sequences, others).tolist() == [0, 1, 5]


@repeatable
@given(
    labels=st.lists(st.integers(0, 7), min_size=30, max_size=120),
    clients=st.integers(1, 6),
    per_client=st.integers(1, 5),
    alpha=st.floats(1e-3, 1e3),
    seed=st.integers(0, 99),
)
def test_clients_get_their_number_and_share_nothing(
    labels: list[int], clients: int, per_client: int, alpha: float, seed: int
) -> None:
    shares = dirichlet(np.array(labels), clients, alpha, per_client, seed)
    assert [len(share) for share in shares] == [per_client] * clients
    dealt = np.concatenate(shares)
    assert len(set(dealt)) == clients * per_client
    assert set(dealt) <= set(range(len(labels)))


def test_everything_can_be_dealt_out_however_skewed() -> None:
    labels = np.repeat([0, 3, 5], [50, 45, 5])
    dealt = np.concatenate(dirichlet(labels, clients=10, alpha=0.01, per_client=10, seed=0))
    assert sorted(dealt) == list(range(100))


def largest_class_share(alpha: float) -> float:
    labels = np.repeat(np.arange(8), 500)
    shares = dirichlet(labels, clients=30, alpha=alpha, per_client=60, seed=3)
    return float(np.mean([np.bincount(labels[share]).max() / 60 for share in shares]))


def test_the_skew_grows_as_alpha_falls() -> None:
    skews = [largest_class_share(alpha) for alpha in (1000, 10, 1, 0.1)]
    assert skews == sorted(skews)
    assert skews[0] < 0.3
    assert skews[-1] > 0.8


def test_a_large_alpha_gives_everybody_the_prior() -> None:
    labels = np.repeat([0, 1, 2], [3000, 1500, 500])
    shares = dirichlet(labels, clients=20, alpha=1e4, per_client=100, seed=0)
    mix = np.mean([np.bincount(labels[share], minlength=3) / 100 for share in shares], axis=0)
    np.testing.assert_allclose(mix, [0.6, 0.3, 0.1], atol=0.03)


def test_dealing_follows_the_seed() -> None:
    labels = np.arange(200) % 5
    first, again, other = (np.concatenate(dirichlet(labels, 4, 0.5, 20, seed)).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_too_few_sequences_are_said_so() -> None:
    with pytest.raises(DataError, match=r"not enough sequences for 3 clients with 4 each. the data set has 11"):
        dirichlet(np.zeros(11, dtype=np.int64), clients=3, alpha=1, per_client=4, seed=0)


@pytest.mark.parametrize(("clients", "alpha", "per_client"), [(0, 1, 1), (1, 0, 1), (1, -1, 1), (1, 1, 0)])
def test_numbers_below_one_are_refused(clients: int, alpha: float, per_client: int) -> None:
    with pytest.raises(UsageError, match="must be greater than 0"):
        dirichlet(np.zeros(9, dtype=np.int64), clients, alpha, per_client, seed=0)

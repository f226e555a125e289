"""Whether weights say truthfully that they meet nobody again."""

from collections.abc import Callable

import numpy as np
import pytest

from shared_models.data.labels import scheme_by_name
from shared_models.data.remembered import digests_of, shares_nobody, together
from shared_models.data.sequences import Sequences


@pytest.fixture
def people() -> Callable[..., Sequences]:
    """`people("a", None, ...)`: one sequence each, with digests that nothing else has."""
    made = iter(range(10_000))

    def people(*subjects: str | None) -> Sequences:
        count, scheme = len(subjects), scheme_by_name("basic-7")
        frames = np.zeros((count, 1, 1, 8, 8), np.uint8)
        digests = tuple(f"{next(made):016x}" for _ in subjects)
        return Sequences(scheme, frames, np.eye(7, dtype=np.float32)[[0] * count], subjects, digests)

    return people


def test_another_person_of_the_same_source_is_nobody_known(people) -> None:
    seen = digests_of("ckplus", people("S1", "S2"))
    assert shares_nobody(seen, "ckplus", people("S3")) is True


def test_another_sequence_of_the_same_person_is_noticed(people) -> None:
    seen = digests_of("ckplus", people("S1", "S2"))
    assert shares_nobody(seen, "ckplus", people("S2", "S3")) is False


def test_the_same_sequence_is_noticed_by_whatever_file(people) -> None:
    data = people("a", "b")
    assert shares_nobody(set(data.digests[:1]), "ravdess", data) is False


def test_of_a_file_that_remembers_no_people_it_is_not_known(people) -> None:
    assert shares_nobody(set(people("a").digests), "ravdess", people("b")) is None


def test_where_somebody_is_not_named_it_is_not_known(people) -> None:
    assert shares_nobody(digests_of("manifest", people("a", None)), "manifest", people("b")) is None
    assert shares_nobody(digests_of("manifest", people("a")), "manifest", people("b", None)) is None
    assert shares_nobody(set(), "manifest", people("b", None)) is None


def test_people_of_two_sources_cannot_be_compared_but_rendered_ones_are_nobody_else(people) -> None:
    assert shares_nobody(digests_of("ckplus", people("1")), "ravdess", people("2")) is None
    assert shares_nobody(digests_of("synthetic", people("1")), "ravdess", people("2")) is True
    assert shares_nobody(digests_of("ferplus", people(None)), "synthetic", people("2")) is True


def test_untrained_weights_have_met_nobody(people) -> None:
    assert shares_nobody(set(), "ckplus", people("S1")) is True


def test_what_two_trainings_remember_is_remembered_together(people) -> None:
    one, other = digests_of("ckplus", people("S1")), digests_of("synthetic", people("7"))
    old = set(people("S9").digests)
    both = together(one, other)
    assert shares_nobody(both, "ckplus", people("S2")) is True
    assert shares_nobody(both, "ckplus", people("S1")) is False
    assert together(set(), one) == one
    for mixed in (together(old, one), together(one, old)):
        assert shares_nobody(mixed, "ckplus", people("S2")) is None, "nobody knows who is in the older half"
        assert shares_nobody(mixed, "ckplus", people("S1")) is False


def test_nobody_is_named_in_what_is_remembered(people) -> None:
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests_of("ckplus", people("S1", None)))

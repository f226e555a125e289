from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared_models.data import splits
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec, parse_spec
from shared_models.data.splits import (
    BENCHMARK_PEOPLE,
    PUBLIC_PEOPLE,
    ferplus_clients,
    ferplus_held_out,
    load_benchmark,
    load_public,
)
from shared_models.errors import DataError, UsageError

BASIC = scheme_by_name("basic-8")
SYNTHETIC = DataSpec("synthetic", None)


def some_stills(numbers: list[int]) -> Sequences:
    """Still n has pixels and a digest that follow from n alone."""
    digests = tuple(np.random.default_rng(n).bytes(8).hex() for n in numbers)
    frames = np.stack([np.random.default_rng(n).integers(0, 256, (1, 1, 48, 48), np.uint8) for n in numbers])
    targets = np.eye(8, dtype=np.float32)[[n % 8 for n in numbers]]
    return Sequences(BASIC, frames, targets, (None,) * len(numbers), digests)


@pytest.fixture
def ferplus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., DataSpec]:
    """`ferplus(FER2013Train=[...], ...)`: a data set with these stills in its splits."""

    def make(**contents: list[int]) -> DataSpec:
        for split in contents:
            (tmp_path / split).mkdir()
        monkeypatch.setattr(splits, "load_ferplus", lambda path, split: some_stills(contents[split]))
        return DataSpec("ferplus", tmp_path)

    return make


def test_pretraining_and_clients_share_no_image_and_lose_none(ferplus) -> None:
    numbers = list(range(1000))
    spec = ferplus(FER2013Train=numbers)
    public, _ = load_public(spec, BASIC, seed=0)
    clients = ferplus_clients(spec, BASIC)
    assert not set(public.digests) & set(clients.digests)
    assert set(public.digests) | set(clients.digests) == set(some_stills(numbers).digests)
    assert 860 < len(public) < 940


def test_copies_of_an_image_fall_on_the_same_side_in_any_order(ferplus) -> None:
    numbers = [n for n in range(60) for _ in range(2)]
    spec = ferplus(FER2013Train=np.random.default_rng(3).permutation(numbers).tolist())
    public, _ = load_public(spec, BASIC, seed=5)
    clients = ferplus_clients(spec, BASIC)
    assert len(clients) > 0
    assert not set(public.digests) & set(clients.digests)
    assert sorted(public.digests + clients.digests) == sorted(some_stills(numbers).digests)


def test_what_pretraining_saw_is_said_in_words(ferplus) -> None:
    _, sentence = load_public(ferplus(FER2013Train=list(range(40))), BASIC, seed=7)
    for word in ("FERPlus", "FER2013Train", "90%", "seed 7", "MIT", "research"):
        assert word in sentence


def test_the_test_split_scores_where_it_is_there(ferplus) -> None:
    spec = ferplus(FER2013Train=[1], FER2013Valid=[2, 3], FER2013Test=[4, 5, 6])
    assert load_benchmark(spec, BASIC).digests == some_stills([4, 5, 6]).digests


def test_else_the_validation_split_without_what_training_holds(ferplus) -> None:
    spec = ferplus(FER2013Train=[1, 2], FER2013Valid=[2, 3, 4])
    held_out, sentence = ferplus_held_out(spec, BASIC)
    assert held_out.digests == some_stills([3, 4]).digests
    assert "FER2013Valid" in sentence
    assert "1 images" in sentence


def test_a_benchmark_of_stills_is_the_same_sequences_each_time(ferplus) -> None:
    spec = ferplus(FER2013Train=[1], FER2013Test=[4, 5])
    one, other = load_benchmark(spec, BASIC), load_benchmark(spec, BASIC)
    assert one.frames.shape == (2, 16, 1, 48, 48)
    np.testing.assert_array_equal(one.frames, other.frames)


def test_another_scheme_than_the_data_has_is_refused(ferplus) -> None:
    spec = ferplus(FER2013Train=[1], FER2013Test=[2])
    for load in (lambda s, k: load_public(s, k, 0), load_benchmark, ferplus_clients):
        with pytest.raises(DataError, match="label scheme basic-8, not basic-7"):
            load(spec, scheme_by_name("basic-7"))


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would be rendered; rendering itself has its own tests."""
    asked: list[dict[str, Any]] = []

    def render(per_class: int, scheme: str, domain: object, *, seed: int, people: range) -> Sequences:
        asked.append({"per_class": per_class, "scheme": scheme, "seed": seed, "people": people})
        return some_stills([1, 2])

    monkeypatch.setattr(splits, "render_sequences", render)
    return asked


def test_rendered_people_who_score_are_never_pretrained_on(rendered) -> None:
    _, sentence = load_public(SYNTHETIC, BASIC, seed=4)
    load_benchmark(SYNTHETIC, BASIC)
    public, benchmark = rendered
    assert not set(public["people"]) & set(benchmark["people"])
    assert (public["people"], benchmark["people"]) == (PUBLIC_PEOPLE, BENCHMARK_PEOPLE)
    assert (public["scheme"], public["seed"], benchmark["seed"]) == ("basic-8", 4, 0)
    assert sentence == "2 rendered sequences of 400 rendered people, seed 4"


def test_a_manifest_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []
    monkeypatch.setattr(splits, "HaarFinder", lambda: "finder")
    monkeypatch.setattr(splits, "load_manifest", lambda *args: asked.append(args) or some_stills([1]))
    spec = parse_spec(f"manifest:{tmp_path / 'study.csv'}")
    data, sentence = load_public(spec, BASIC, seed=0)
    assert load_benchmark(spec, BASIC).digests == data.digests
    assert asked == [(tmp_path / "study.csv", BASIC, "finder")] * 2
    assert sentence.startswith("1 sequences of manifest:")


@pytest.mark.parametrize("kind", ["ferplus", "manifest"])
def test_a_source_without_its_path_is_refused(kind: str) -> None:
    for load in (lambda s, k: load_public(s, k, 0), load_benchmark):
        with pytest.raises(UsageError, match=f"'{kind}' needs a path"):
            load(DataSpec(kind, None), BASIC)

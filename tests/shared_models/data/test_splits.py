"""What is pretrained on, chosen on and reported on, for every data source that a person can name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import data_sets
import numpy as np
import pytest

from shared_models.data import splits
from shared_models.data.crops import pixel_digest
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.data.sources import FORMS, DataSpec, parse_spec
from shared_models.data.splits import (
    BENCHMARK_PEOPLE,
    PUBLIC_PEOPLE,
    REPORT_PEOPLE,
    HeldOut,
    load_benchmark,
    load_held_out,
    load_public,
)
from shared_models.data.still_sets import STILL_SETS, client_stills, scoring_stills
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
        made_up = replace(STILL_SETS["ferplus"], load=lambda path, split, scheme: some_stills(contents[split]))
        monkeypatch.setitem(STILL_SETS, "ferplus", made_up)
        return DataSpec("ferplus", tmp_path)

    return make


def test_pretraining_and_clients_share_no_image_and_lose_none(ferplus) -> None:
    numbers = list(range(1000))
    spec = ferplus(FER2013Train=numbers)
    public, _ = load_public(spec, BASIC, seed=0)
    clients = client_stills(spec, BASIC)
    assert not set(public.digests) & set(clients.digests)
    assert set(public.digests) | set(clients.digests) == set(some_stills(numbers).digests)
    assert 860 < len(public) < 940


def test_copies_of_an_image_fall_on_the_same_side_in_any_order(ferplus) -> None:
    numbers = [n for n in range(60) for _ in range(2)]
    spec = ferplus(FER2013Train=np.random.default_rng(3).permutation(numbers).tolist())
    public, _ = load_public(spec, BASIC, seed=5)
    clients = client_stills(spec, BASIC)
    assert len(clients) > 0
    assert not set(public.digests) & set(clients.digests)
    assert sorted(public.digests + clients.digests) == sorted(some_stills(numbers).digests)


def test_what_pretraining_saw_is_said_in_words(ferplus) -> None:
    _, sentence = load_public(ferplus(FER2013Train=list(range(40))), BASIC, seed=7)
    for word in ("FERPlus", "FER2013Train", "90%", "seed 7", "MIT", "research"):
        assert word in sentence


def both_parts(spec: DataSpec, name: str = "basic-8") -> tuple[HeldOut, HeldOut]:
    chosen, reported = (load_held_out(spec, scheme_by_name(name), part) for part in ("select", "report"))
    scored = load_benchmark(spec, scheme_by_name(name))
    assert scored.digests == chosen.sequences.digests, "rounds are scored on what is chosen on"
    return chosen, reported


def test_ferplus_is_chosen_on_the_validation_split_and_reported_on_the_test_split(ferplus) -> None:
    spec = ferplus(FER2013Train=[1, 2], FER2013Valid=[1, 3, 4, 5], FER2013Test=[2, 5, 6])
    chosen, reported = both_parts(spec)
    assert chosen.sequences.digests == some_stills([3, 4]).digests
    assert reported.sequences.digests == some_stills([5, 6]).digests
    assert chosen.split == (
        "FER2013Valid without its 1 images that FER2013Train holds too, without its 1 images that FER2013Test holds too"
    )
    assert reported.split == "FER2013Test without its 1 images that FER2013Train holds too"
    assert not reported.one_for_both


@pytest.mark.parametrize("there", ["FER2013Valid", "FER2013Test"])
def test_where_one_of_the_two_is_not_there_the_other_serves_for_both_and_says_so(ferplus, there: str) -> None:
    spec = ferplus(FER2013Train=[1, 2], **{there: [2, 3, 4]})
    for part in both_parts(spec):
        assert part.sequences.digests == some_stills([3, 4]).digests
        assert part.split == f"{there} without its 1 images that FER2013Train holds too"
        assert part.one_for_both


def test_fer2013_scores_on_its_private_test_without_copies_of_training_images(tmp_path: Path) -> None:
    contents = {"Training": range(30), "PublicTest": [50], "PrivateTest": [29, 60, 61]}
    spec = DataSpec("fer2013", data_sets.write_fer2013(tmp_path / "fer2013.csv", contents))
    held_out, sentence = scoring_stills(spec, scheme_by_name("basic-7"))
    np.testing.assert_array_equal(held_out.frames[:, 0, 0], [data_sets.small_face(n) for n in (60, 61)])
    assert sentence == "PrivateTest without its 1 images that Training holds too"


def test_of_affectnet_a_part_of_the_training_split_is_chosen_on_and_not_trained_on(tmp_path: Path) -> None:
    spec = parse_spec(data_sets.write_copy("affectnet", tmp_path))
    chosen, reported = both_parts(spec)
    public, sentence = load_public(spec, BASIC, seed=0)
    assert "train_set (88% of it, parted by content)" in sentence
    assert (chosen.split, reported.split) == ("2% of train_set, parted by content and not trained on", "val_set")
    clients = client_stills(spec, BASIC)
    parts = [set(part.digests) for part in (public, chosen.sequences, clients, reported.sequences)]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)), "no image is in two of them"
    assert not reported.one_for_both


def test_fer2013_is_chosen_on_its_public_test(tmp_path: Path) -> None:
    contents = {"Training": range(30), "PublicTest": [29, 50, 51], "PrivateTest": [51, 60]}
    spec = DataSpec("fer2013", data_sets.write_fer2013(tmp_path / "fer2013.csv", contents))
    chosen, reported = both_parts(spec, "basic-7")
    np.testing.assert_array_equal(chosen.sequences.digests, [pixel_digest([data_sets.small_face(50)])])
    assert len(reported.sequences) == 2


def test_a_benchmark_of_stills_is_the_same_sequences_each_time(ferplus) -> None:
    spec = ferplus(FER2013Train=[1], FER2013Test=[4, 5])
    one, other = load_benchmark(spec, BASIC), load_benchmark(spec, BASIC)
    assert one.frames.shape == (2, 16, 1, 48, 48)
    np.testing.assert_array_equal(one.frames, other.frames)


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
    _, reported = both_parts(SYNTHETIC)
    public, benchmark, report, again = rendered
    people = [set(part["people"]) for part in (public, benchmark, report)]
    assert sum(map(len, people)) == len(set.union(*people))
    assert (public["people"], benchmark["people"], report["people"]) == (PUBLIC_PEOPLE, BENCHMARK_PEOPLE, REPORT_PEOPLE)
    assert max(REPORT_PEOPLE) < 2000, "students have the numbers from there on"
    assert (public["scheme"], public["seed"], benchmark["seed"]) == ("basic-8", 4, 0)
    assert benchmark == again
    assert reported.split == "rendered people 1100 to 1119, whom nothing is trained on"
    assert sentence == "2 rendered sequences of 400 rendered people, seed 4"


FURTHER = {"basic-7-any": (), "learner-levels": ("daisee",), "valence-arousal": ("affectnet", "iemocap")}
"""Which data sets have labels for it, beside a manifest and FERPlus."""
RECORDED: dict[str, tuple[str, set[str], set[str], set[str]]] = {
    "ckplus": ("basic-8", {"S1", "S2", "S3", "S6"}, {"S4"}, {"S5"}),
    "ravdess": ("basic-7", {f"actor-0{n}" for n in range(1, 4)}, {"actor-04"}, {"actor-05"}),
    "iemocap": (
        "basic-7",
        {f"Ses0{n}{who}" for n in range(1, 4) for who in "FM"},
        {"Ses04F", "Ses04M"},
        {"Ses05F", "Ses05M"},
    ),
    "daisee": ("learner-4x4", {"110001", "110002"}, {"400022"}, {"500039"}),
}
"""Label scheme, the people who are pretrained on, whom models are chosen on, and who are reported on."""


@pytest.mark.parametrize("kind", RECORDED)
def test_recorded_people_are_in_one_part_only(kind: str, tmp_path: Path, cache_folder: Path) -> None:
    name, training, selecting, scoring = RECORDED[kind]
    assert not training & selecting | training & scoring | selecting & scoring
    spec, told = parse_spec(data_sets.write_copy(kind, tmp_path / "copy")), list[tuple[str, int, int]]()
    public, sentence = load_public(spec, scheme_by_name(name), 3, lambda *what: told.append(what))
    chosen, reported = both_parts(spec, name)
    parts = (public, chosen.sequences, reported.sequences)
    assert [set(part.subjects) for part in parts] == [training, selecting, scoring]
    assert not reported.one_for_both
    assert sentence.startswith(f"{len(public)} sequences of {len(training)} people of ")
    assert sentence.endswith("; seed 3")
    assert told[-1] == ("faces", len(public), len(public))
    assert list(cache_folder.rglob("*.npz"))
    assert not list((tmp_path / "copy").rglob("*.npz")), "a data set is never written to"


def test_too_few_people_to_part_are_said_so(tmp_path: Path) -> None:
    data_sets.write_ckplus(tmp_path, {"S1/001": 1, "S2/001": 2}, [data_sets.portrait(1)])
    with pytest.raises(DataError, match=r"There are too few people in .* to train on some, choose models on others"):
        load_benchmark(DataSpec("ckplus", tmp_path), BASIC)


def test_a_manifest_is_taken_as_it_is(tmp_path: Path) -> None:
    spec = parse_spec(data_sets.write_copy("manifest", tmp_path))
    data, sentence = load_public(spec, BASIC, seed=0)
    benchmark = load_benchmark(spec, BASIC)
    assert data.subjects == benchmark.subjects == ("p", "q")
    assert data.digests == benchmark.digests
    assert sentence == f"2 sequences of {spec}; seed 0"


@pytest.mark.parametrize("kind", [kind for kind, form in FORMS.items() if form != kind])
def test_a_source_without_its_path_is_refused(kind: str) -> None:
    for load in (lambda s, k: load_public(s, k, 0), load_benchmark):
        with pytest.raises(UsageError, match=f"'{kind}' needs a path"):
            load(DataSpec(kind, None), BASIC)


@pytest.mark.parametrize("kind", [kind for kind, form in FORMS.items() if form != kind])
def test_a_source_that_is_not_there_is_one_sentence(kind: str, tmp_path: Path) -> None:
    for load in (lambda s, k: load_public(s, k, 0), load_benchmark):
        scheme = scheme_by_name("learner-4x4" if kind == "daisee" else "basic-8")
        with pytest.raises(DataError, match="nowhere"):
            load(DataSpec(kind, tmp_path / "nowhere"), scheme)


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [
        (kind, scheme)
        for scheme, known in FURTHER.items()
        for kind in FORMS
        if kind not in ("synthetic", "manifest", "ferplus", *known)
    ],
)
def test_what_a_data_set_does_not_know_is_never_made_up(kind: str, scheme: str, tmp_path: Path) -> None:
    spec = parse_spec(data_sets.write_copy(kind, tmp_path / "copy"))
    with pytest.raises(DataError, match=f"label scheme {scheme} does not fit the data"):
        load_benchmark(spec, scheme_by_name(scheme))


@pytest.mark.parametrize("scheme", ["learner-levels", "valence-arousal"])
def test_the_renderer_has_no_levels_or_values(scheme: str) -> None:
    with pytest.raises(DataError, match=f"renderer has no expression for the label scheme {scheme}"):
        load_benchmark(SYNTHETIC, scheme_by_name(scheme))

"""Rendered clients are made when asked for, one by one."""

import pickle
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from shared_models.data.labels import scheme_by_name
from shared_models.data.sources import parse_spec
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.sequences import render_sequences
from shared_models.privacy.gradients import engine_by_name
from simulations.engines.local import LocalDevices, LocalEngine
from simulations.populations import Plan, populate, seen_in_pretraining
from simulations.populations.rendered import RenderedClients
from simulations.populations.traits import Traits, traits_of

SCHEME = scheme_by_name("basic-7")


def rendered(count: int, most: int = 1, seed: int = 0, **traits: float) -> RenderedClients:
    return RenderedClients(count, most, SCHEME, seed, Traits(**traits))


def test_a_client_is_one_person_and_the_same_however_many_there_are() -> None:
    few, many = rendered(2, 8), rendered(10_000, 8)
    assert np.array_equal(few[1].frames, many[1].frames)
    assert set(few[1].subjects) == {"synthetic-2001"}
    assert np.array_equal(
        few[1].frames, render_sequences(2, domain=LAPTOP, seed=0, people=[2001]).take(range(8)).frames
    )
    assert rendered(1, seed=1)[0].subjects == ("synthetic-3000",)


def test_what_is_known_of_clients_is_known_before_they_are_made(monkeypatch) -> None:
    monkeypatch.setattr("simulations.populations.rendered.render_labels", lambda *_, **__: pytest.fail("rendered"))
    monkeypatch.setattr("simulations.populations.dealt._SYNTHETIC_HELD_OUT_PER_CLASS", 1)
    population = populate(parse_spec("synthetic"), SCHEME, Plan("10000", 5, 1.0, 0.2, 0, ("quantity-skew",)))
    assert len(population.sizes) == len(population.clients) == 10_000
    assert population.subject_disjoint is True
    assert seen_in_pretraining(population.clients, frozenset({"abc"})) == 0


def test_a_worker_gets_the_recipe_and_makes_the_same(monkeypatch) -> None:
    clients = rendered(3)
    copy = pickle.loads(pickle.dumps(clients))
    assert np.array_equal(copy[2].frames, clients[2].frames)


def test_a_number_that_is_none_is_no_client() -> None:
    clients = rendered(3)
    assert len(list(clients)) == 3
    for number in (3, -1):
        with pytest.raises(IndexError):
            clients[number]


def _peak_bytes(devices: int, model, policy) -> int:
    """Peak memory of making a population of `devices` and training 3 of them for two rounds."""
    tracemalloc.start()
    clients = rendered(devices)
    engine = LocalEngine(model, LocalDevices(model, clients, engine_by_name("fast"), 0), 0)
    engine.train(policy, 2, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_is_that_of_the_cohort_not_of_the_population(model, policy) -> None:
    """A client's frames alone are 37 KB; what is left of the other 9,000 devices is less than 300 bytes each."""
    _peak_bytes(10, model, policy)  # what the first run of the renderer loads
    small, large = _peak_bytes(1_000, model, policy), _peak_bytes(10_000, model, policy)
    assert large - small < 9_000 * 300


def test_label_skew_gives_clients_few_classes_and_a_large_number_gives_all() -> None:
    names, rng = list("abcdefg"), np.random.default_rng(0)
    assert max(Counter(Traits(label_skew=0.01).labels(names, 50, rng)).values()) == 50
    assert len(Counter(Traits(label_skew=1000.0).labels(names, 500, rng))) == 7


def test_personal_priors_are_as_unequal_as_the_documentation_says() -> None:
    """Two labels have 95 % of all sequences, and a client's own most frequent one .606 of its 60 on average."""
    traits, counted, modal = traits_of(["personal-priors"]), Counter[str](), []
    for client in range(2000):
        labels = traits.labels(SCHEME.classes, 60, np.random.default_rng(client))
        counted.update(labels)
        modal.append(max(Counter(labels).values()) / 60)
    shares = {label: count / counted.total() for label, count in counted.items()}
    assert (shares["neutral"], shares["happiness"]) == (pytest.approx(0.494, abs=0.02), pytest.approx(0.456, abs=0.02))
    assert shares["anger"] == pytest.approx(0.01, abs=0.004)
    assert np.mean(modal) == pytest.approx(0.606, abs=0.01)


def test_quantity_skew_keeps_sizes_between_one_and_the_most() -> None:
    sizes = rendered(3000, 60, quantity_skew=1.0).sizes
    assert (min(sizes), max(sizes)) == (1, 60)
    assert np.median(sizes) == pytest.approx(30, abs=2)
    assert rendered(10, 60, quantity_skew=1.0).sizes == sizes[:10]


def test_a_client_of_a_shifted_population_has_a_light_of_its_own() -> None:
    """Recordings of one client differ less in brightness from each other than clients do."""

    def spread(shift: float) -> float:
        clients = [client.frames.mean(axis=(1, 2, 3, 4)) for client in rendered(6, 4, feature_shift=shift)]
        return float(np.std([means.mean() for means in clients]))

    assert spread(1.0) > 1.3 * spread(0.0)

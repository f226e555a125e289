import flwr
import pytest

from shared_models.errors import RoundError, UsageError
from simulations.engines import flower, require_engine


def test_the_adapter_was_written_for_this_version_of_flower() -> None:
    assert flwr.__version__ == "1.41.0", (
        "Flower changed. simulations/engines/flower.py imports modules that Flower does not promise to keep:"
        " read each of its imports again, run tests/simulations/test_one_result.py, and then pin the new version here"
    )


def test_an_engine_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="Use one of: local, flower"):
        require_engine("cloud")


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_a_start_of_ray_that_fails_is_tried_once_more(monkeypatch, failures) -> None:
    ray = pytest.importorskip("ray", reason="the flower engine needs attune[cluster]")
    starts, served = [], []

    def start(**options):
        assert options["_node_ip_address"] == "127.0.0.1"
        starts.append(options["num_cpus"])
        if len(starts) <= failures:
            raise RuntimeError("A process did not come up")

    monkeypatch.setattr(ray, "init", start)
    monkeypatch.setattr(flower, "start_vce", lambda **options: options["f_stop"].wait())
    runtime = flower.FlowerRuntime(1)
    if failures == 2:
        with pytest.raises(RoundError, match=r"Ray cannot run the simulation.*A process did not come up"):
            runtime.run(lambda grid, context: served.append(grid), print, 3)
        assert (starts, served) == ([3, 3], [])
    else:
        runtime.run(lambda grid, context: served.append(grid), print, 3)
        assert (starts, len(served)) == ([3] * (failures + 1), 1)

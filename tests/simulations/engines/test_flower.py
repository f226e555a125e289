import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import flwr
import psutil
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


class Ray:
    """Stands where the module `ray` stands."""

    def __init__(self, failures=0, address="127.0.0.1"):
        self._failures, self.starts = failures, []
        self.util = SimpleNamespace(get_node_ip_address=lambda: address)
        self.is_on = False

    def init(self, **options):
        self.starts.append(options["num_cpus"])
        if len(self.starts) <= self._failures:
            raise RuntimeError("A process did not come up")
        self.is_on = True

    def shutdown(self):
        self.is_on = False


@pytest.fixture
def run_on(monkeypatch):
    """Runs a server on `ray`; returns how often it was called."""

    def run(ray):
        served = []
        monkeypatch.setitem(sys.modules, "ray", ray)
        monkeypatch.setattr(flower, "start_vce", lambda **options: options["f_stop"].wait())
        for name in [*flower._ENVIRONMENT, "RAY_AUTH_TOKEN"]:
            monkeypatch.setenv(name, "")
        flower.FlowerRuntime(1).run(lambda grid, context: served.append(grid), print, 3)
        return len(served)

    return run


@pytest.mark.parametrize("failures", [0, 1])
def test_a_start_of_ray_that_fails_once_is_tried_again(run_on, failures) -> None:
    ray = Ray(failures)
    assert run_on(ray) == 1
    assert ray.starts == [3] * (failures + 1)


def test_a_start_that_fails_again_is_said(run_on) -> None:
    with pytest.raises(RoundError, match=r"Ray cannot run the simulation.*A process did not come up.*--engine local"):
        run_on(ray := Ray(failures=2))
    assert ray.starts == [3, 3]


def test_a_ray_that_would_listen_to_other_machines_is_ended(run_on) -> None:
    with pytest.raises(RoundError, match="other machines"):
        run_on(ray := Ray(address="192.0.2.7"))
    assert not ray.is_on


@pytest.mark.usefixtures("with_ray")
@pytest.mark.filterwarnings("ignore")  # of Ray
def test_ray_listens_on_loopback_only_and_obeys_nobody_else(monkeypatch) -> None:
    seen = {}

    def look(**options):
        import ray

        processes = psutil.Process().children(recursive=True)
        sockets = [socket for process in processes for socket in process.net_connections("inet")]
        seen["addresses"] = {socket.laddr.ip.removeprefix("::ffff:") for socket in sockets if socket.status == "LISTEN"}
        address, mine = ray.get_runtime_context().gcs_address, dict(os.environ)
        theirs = {name: value for name, value in mine.items() if not name.startswith("RAY_AUTH")}
        seen["own"], seen["stranger"] = asks(address, mine), asks(address, theirs)
        ray.shutdown()
        options["f_stop"].wait()

    monkeypatch.setattr(flower, "start_vce", look)
    flower.FlowerRuntime(1).run(lambda grid, context: None, print, 1)
    assert seen["addresses"] == {"127.0.0.1"}
    assert (seen["own"].returncode, seen["stranger"].returncode) == (0, 1)
    assert "AuthenticationError" in seen["stranger"].stderr


def asks(address: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Another program on this machine that asks Ray for its state."""
    command = [str(Path(sys.executable).with_name("ray")), "status", "--address", address]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

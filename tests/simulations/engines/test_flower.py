import flwr
import pytest

from shared_models.errors import UsageError
from simulations.engines import require_engine


def test_the_adapter_was_written_for_this_version_of_flower() -> None:
    assert flwr.__version__ == "1.41.0", (
        "Flower changed. simulations/engines/flower.py imports modules that Flower does not promise to keep:"
        " read each of its imports again, run tests/simulations/test_one_result.py, and then pin the new version here"
    )


def test_an_engine_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="Use one of: local, flower"):
        require_engine("cloud")

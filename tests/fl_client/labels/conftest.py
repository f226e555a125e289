import pytest

from tests.fl_client.labels.desk import Desk


@pytest.fixture
def desk():
    return Desk()

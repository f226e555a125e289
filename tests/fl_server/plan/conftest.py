"""Plans of new federations with the shipped table or another."""

from collections.abc import Callable

import pytest

from fl_server.plan.document import Plan
from fl_server.plan.make import make_plan
from fl_server.plan.utility import SHIPPED, Measured, UtilityTable, load_utility
from fl_server.settings import Settings, load_settings


@pytest.fixture(scope="session")
def shipped() -> UtilityTable:
    return load_utility(SHIPPED, "cnn-lstm", "basic-7", "classifier")


@pytest.fixture
def planned(folder, shipped) -> Callable[..., Plan]:
    """`planned(devices, epsilon=2.0, ...)`: the plan with these policy settings."""
    settings = load_settings(folder.settings)

    def planned(devices: int, rounds: int = 6, **policy: object) -> Plan:
        fields = settings.model_dump()
        fields["policy"] |= policy
        fields["rounds"]["rounds"] = rounds
        changed = Settings.model_validate(fields)
        return make_plan(changed, changed.privacy_policy(), shipped, devices)

    return planned


@pytest.fixture
def row(shipped) -> Callable[..., Measured]:
    """`row(uar=0.3)`: a row of the table with these values."""
    return lambda **values: shipped.rows[0].model_copy(update=values)

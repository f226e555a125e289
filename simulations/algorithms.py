"""Federated algorithms by name: each is a few settings of the product, so that what is simulated can be run.

| name | is | what becomes of the claims |
| --- | --- | --- |
| fedavg | the mean of updates, each counting the same (McMahan et al. 2017, algorithm 1) | they stand: the server's work is post-processing |
| fedprox | fedavg, each local step pulled back to the round's weights (Li et al. 2020, algorithm 2) | they stand: the pull is a function of noised steps, added after clipping and noise |
| fedavgm | momentum over rounds on the server (Hsu et al. 2019, section 4.3) | they stand: post-processing of changes that are noised |
| fedadam | Adam over rounds on the server (Reddi et al. 2021, algorithm 2) | they stand: as for fedavgm |
"""  # noqa: E501 - a table

from collections.abc import Sequence
from typing import Any

from fl_server.settings import AggregationSettings, PolicySettings, aggregation_settings, policy_settings
from shared_models.errors import UsageError

ALGORITHMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "fedavg": ({}, {}),
    "fedprox": ({"proximal": 0.1}, {}),
    "fedavgm": ({}, {"optimiser": "fedavgm"}),
    "fedadam": ({}, {"optimiser": "fedadam", "server_learning_rate": 0.1}),
}
"""By name: its entries of `[policy]` and of `[aggregation]`, where they are not given."""


def settings_for(
    algorithm: str, entries: Sequence[str], **policy: object
) -> tuple[PolicySettings, AggregationSettings]:
    """The settings of a run of `algorithm`, with the policy entries given and then `entries`.

    entries: `name=value` for `[policy]`, `aggregation.name=value` for `[aggregation]`

    Raises UsageError where there is no such algorithm or an entry is none, SettingsError where a value is not allowed.
    """
    if algorithm not in ALGORITHMS:
        raise UsageError(f"There is no algorithm '{algorithm}'", fix=f"Use one of: {', '.join(ALGORITHMS)}")
    of_policy, of_server = ALGORITHMS[algorithm]
    mark = "aggregation."
    server = [entry.removeprefix(mark) for entry in entries if entry.startswith(mark)]
    device = [entry for entry in entries if not entry.startswith(mark)]
    return policy_settings(device, **(of_policy | policy)), aggregation_settings(server, **of_server)

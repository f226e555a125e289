import os
import signal
from collections.abc import Sequence
from functools import partial

import pytest
import torch

from shared_models.errors import DataError, RoundError
from shared_models.privacy.gradients import engine_by_name
from simulations.engines.local import LocalDevices, LocalEngine
from simulations.engines.workers import WorkerDevices

FAST = engine_by_name("fast")


class Made(Sequence):
    """Clients made by `make(number)`, in whichever process asks."""

    def __init__(self, count, make):
        self._count, self._make = count, make

    def __len__(self):
        return self._count

    def __getitem__(self, number):
        return self._make(number)


def kill_once(marker, clients, number):
    """Kills the process that asks for client 1, unless that was done before."""
    if number == 1 and (marker is None or not marker.exists()):
        if marker:
            marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return clients[number]


def refuse(number):
    raise DataError("There is nothing of this client")


def test_a_worker_that_is_killed_is_started_again_and_the_weights_stay_the_same(
    model, policy, make_sequences, weights_of, tmp_path
) -> None:
    """Nine devices in one worker: more than it has places for updates, so none may be written over."""
    clients, marker = [make_sequences(1, number) for number in range(9)], tmp_path / "killed"
    expected = LocalEngine(model, LocalDevices(model, clients, FAST, 3), 3).train(policy, 2, 9).model
    with WorkerDevices(model, Made(9, partial(kill_once, marker, clients)), FAST, 3, 1) as devices:
        trained = LocalEngine(model, devices, 3).train(policy, 2, 9).model
    assert marker.exists()
    assert torch.equal(weights_of(trained), weights_of(expected))


def test_a_worker_that_dies_again_on_the_same_device_ends_the_run_in_a_sentence(model, clients, policy) -> None:
    said = r"died 2 times on device 1.*exit code is -9.*fewer --workers"
    with (
        WorkerDevices(model, Made(2, partial(kill_once, None, clients)), FAST, 3, 1) as devices,
        pytest.raises(RoundError, match=said),
    ):
        LocalEngine(model, devices, 3).train(policy, 1, 2)


def test_what_goes_wrong_in_a_worker_is_told_as_it_is(model, policy) -> None:
    with (
        WorkerDevices(model, Made(2, refuse), FAST, 3, 1) as devices,
        pytest.raises(DataError, match="nothing of this client"),
    ):
        LocalEngine(model, devices, 3).train(policy, 1, 2)

"""Pretraining at the command line: progress, signals, and what it took."""

import datetime as dt
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fl_server.pretraining import Order, Stopped, pretrain_to
from shared_models import commandline
from shared_models.commandline import err, out
from shared_models.resources import use_threads


def pretrain_and_show(path: Path, order: Order, threads: int) -> None:
    """Pretrains to `path`; on SIGINT or SIGTERM it writes a checkpoint and leaves with 130."""
    use_threads(threads)
    with stoppable() as stopping, commandline.progress_by_stage() as follow:
        wall, cpu = pretrain_to(path, order, follow, stopping)
    out.print(f"Trained in {_spoken(wall)}, {_spoken(cpu)} of processor time")
    out.print(f"The weights are in {path}", soft_wrap=True)


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """For training that goes on when its command is repeated: yields whether SIGINT or SIGTERM has come."""
    stop = threading.Event()
    before = {received: signal.signal(received, lambda *_: stop.set()) for received in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop.is_set
    except Stopped:
        err.print("Stopped. The same command goes on from here.")
        raise
    finally:
        for received, handler in before.items():
            signal.signal(received, handler)


def _spoken(seconds: float) -> str:
    return str(dt.timedelta(seconds=round(seconds)))

"""Each round's scores for TensorBoard, where `[watch] tensorboard` asks for them."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fl_server.folder import FederationFolder
from fl_server.round_summary import RoundSummary
from shared_models.errors import SettingsError

if TYPE_CHECKING:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter


class Scalars:
    """Writes to `tensorboard/` in the federation's folder, or nothing; TensorBoard is imported only where it is on.

    `tensorboard --logdir DIR/tensorboard` shows one curve for each name; a restart adds a file and goes on with them.
    """

    def __init__(self, folder: FederationFolder, enabled: bool) -> None:
        """Raises SettingsError where it is on and TensorBoard is not installed."""
        self._writer = _writer(folder) if enabled else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, summary: RoundSummary) -> None:
        """The scores of a round that closed; of a failed one, whose model is the one before, only how it went."""
        if self._writer is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars_of(summary)]
        self._writer.add_event(Event(wall_time=time.time(), step=summary.round, summary=Summary(value=values)))
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def scalars_of(summary: RoundSummary) -> Iterator[tuple[str, float]]:
    """What is written of a round, by TensorBoard's tag."""
    if summary.state != "failed":
        yield from (
            ("score/accuracy", summary.accuracy),
            ("score/uar", summary.uar),
            ("score/macro_f1", summary.macro_f1),
        )
        yield from ((f"f1/{name}", value) for name, value in summary.f1.items())
        yield "budget/epsilon", summary.epsilon
    yield "round/accepted", summary.accepted
    yield "round/rejected", sum(summary.rejected.values())
    yield "round/seconds", summary.seconds


def _writer(folder: FederationFolder) -> "EventFileWriter":
    try:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise SettingsError(
            "watch.tensorboard is on, and TensorBoard is not installed",
            fix='Install it with `pip install "attune[tensorboard]"`, or turn the setting off',
        ) from error
    folder.tensorboard.mkdir(mode=0o700, exist_ok=True)
    return EventFileWriter(str(folder.tensorboard))

"""A federation in memory: Flower's Grid without a network, on a clock that only waits move."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Context, Message, RecordDict

from fl_client.app import client_app
from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.metrics import score
from shared_models.networks.model import EmotionModel
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, weights_hash
from simulations.study import PaperStudy

Handler = Callable[[Message], Message | None]


class Clock:
    """Stands for the stop event and for `time`: a wait takes no time and moves the clock."""

    def __init__(self) -> None:
        self.now, self.waits, self.stopped = 1000.0, [], False
        self.at_wait: Callable[[], object] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.stopped

    def set(self) -> None:
        self.stopped = True

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        self.at_wait()
        if len(self.waits) > 5000:
            pytest.fail("the server waits for ever")
        return self.stopped


class MemoryGrid:
    """Delivers each task to its node's handler at once, and each reply when its delay has passed."""

    def __init__(self, clock: Clock) -> None:
        self.handlers: dict[int, Handler] = {}
        self.delays: dict[int, float] = {}
        self.offline: set[int] = set()
        self.sent: list[Message] = []
        self.waiting: list[tuple[float, Message]] = []
        self._clock = clock

    def get_node_ids(self) -> list[int]:
        return [node for node in self.handlers if node not in self.offline]

    def push_messages(self, messages: list[Message]) -> list[str]:
        for message in messages:
            message.metadata.__dict__["_message_id"] = message.object_id
            self.sent.append(message)
            node = message.metadata.dst_node_id
            replies = self.handlers[node](message)
            due = self._clock.now + self.delays.get(node, 0.0)
            for reply in replies if isinstance(replies, list) else [replies]:
                if reply is not None:
                    self.waiting.append((due, reply))
        return [message.metadata.message_id for message in messages]

    def pull_messages(self, message_ids: list[str]) -> list[Message]:
        asked = [(due, r) for due, r in self.waiting if r.metadata.reply_to_message_id in message_ids]
        arrived = [reply for due, reply in asked if due <= self._clock.now]
        self.waiting = [(due, reply) for due, reply in self.waiting if reply not in arrived]
        return arrived


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    time = SimpleNamespace(monotonic=clock.monotonic)
    for module in ("rounds", "federation"):
        monkeypatch.setattr(f"fl_server.{module}.time", time)
    return clock


@pytest.fixture
def grid(clock: Clock, inside_a_task: None) -> MemoryGrid:
    return MemoryGrid(clock)


@pytest.fixture
def connect(grid: MemoryGrid) -> Callable[[int, Any], Handler]:
    """`connect(node, laptop)`: the laptop's own app answers what is sent to `node`; gives that handler."""

    def connect(node: int, laptop: Any) -> Handler:
        app = client_app(laptop.participant())

        def answer(message: Message) -> Message:
            context = Context(run_id=1, node_id=node, node_config={}, state=RecordDict(), run_config={})
            return app(message=message, context=context)

        grid.handlers[node] = answer
        return answer

    return connect


@pytest.fixture(scope="session")
def benchmark() -> Benchmark:
    rng = np.random.default_rng(11)
    count, scheme = 14, scheme_by_name("basic-7")
    return Benchmark(
        Sequences(
            scheme,
            rng.integers(0, 256, (count, 4, 1, 48, 48), dtype=np.uint8),
            np.eye(7, dtype=np.float32)[np.arange(count) % 7],
            tuple(f"person {i % 4}" for i in range(count)),
            tuple(f"{i:016x}" for i in range(count)),
        )
    )


@dataclass
class SmallStudy:
    """A federation's folder with a record of rounds; its models are not trained."""

    paper: PaperStudy
    model: EmotionModel
    metrics: dict[str, Any]
    rounds: int = 0

    @property
    def folder(self) -> FederationFolder:
        return self.paper.folder

    @property
    def devices(self) -> list[str]:
        return list(self.paper.devices)

    def reopen(self, round_: int) -> None:
        """Goes on as a new process of the server does, from the model of `round_`."""
        devices, header = self.paper.devices, self.paper._header
        self.paper = PaperStudy(self.folder)
        self.paper.devices, self.paper._header = devices, header
        self.model, _ = Checkpoints(self.folder.checkpoints).load(round_)

    def round(self, *devices: int) -> None:
        """One more round, closed with updates of the devices with these numbers."""
        before = weights_hash(self.model.state_dict())
        with torch.no_grad():
            next(self.model.parameters()).add_(1.0)
        self.rounds += 1
        updates = {self.devices[i]: f"{self.rounds:064x}" for i in devices}
        self.paper.close_round(self.rounds, before, self.model, updates, self.metrics)


@pytest.fixture
def small_study(folder: FederationFolder, quick_disk: None) -> SmallStudy:
    """Three enrolled devices and no round yet."""
    torch.manual_seed(0)
    metrics = score(np.eye(7)[[0, 1, 2]], np.array([0, 1, 3]), tuple("abcdefg")).to_dict()
    header = WeightsHeader(model="cnn-lstm", scheme="basic-7", input_shape=(16, 1, 48, 48), training_data="none")
    study = SmallStudy(PaperStudy(folder), build_model("cnn-lstm", 7), metrics)
    study.paper.enrol(3)
    study.paper.begin(study.model, header, metrics)
    return study

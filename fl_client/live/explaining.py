"""What the model looked at in the last window: worked out when the student asks, in memory, and forgotten.

It needs gradients, which an exported model has none of: the same weights are loaded for torch and let go of again.
"""

from dataclasses import dataclass
from threading import Lock

from fl_client.home import Home
from fl_client.live.model import ModelSource
from fl_client.live.reader import LiveReader
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import INPUT_SHAPE
from shared_models.evaluation.explanation import Explanation, explain
from shared_models.evaluation.strip import strip
from shared_models.networks.model import EmotionModel
from shared_models.networks.starter import initial_model
from shared_models.privacy.policy import Policy


@dataclass(frozen=True)
class Explained:
    """One window's explanation, with its strip as PNG. `classes` are the scheme's, in its order."""

    classes: tuple[str, ...]
    explanation: Explanation
    picture: bytes


class WindowExplainer:
    """Explains what `reader` read last. One at a time, so that impatient clicks do not take the memory of many."""

    def __init__(self, reader: LiveReader, home: Home, policy: Policy) -> None:
        self._reader, self._policy = reader, policy
        self._source = ModelSource(home.model, policy)
        self._alone = Lock()

    def explain(self) -> Explained | None:
        """None where no whole window of one clear face has just been read.

        Raises ModelError where there are no weights.
        """
        with self._alone:
            frames = self._reader.window()
            if frames is None:
                return None
            explanation = explain(self._source.newest(self._load), frames)
            return Explained(scheme_by_name(self._policy.scheme).classes, explanation, strip(frames, explanation))

    def _load(self, initial: str) -> EmotionModel:
        return initial_model(initial, self._policy.model, self._policy.scheme, INPUT_SHAPE)[0]

"""What the model looked at in the last window, as the template places it. Made for one answer and kept nowhere."""

from base64 import b64encode
from dataclasses import dataclass

import numpy as np

from fl_client.live.reading import sureness
from fl_client.page.device import Device, Explained
from fl_client.page.words import Words
from shared_models.errors import ModelError
from shared_models.evaluation.explanation import Explanation, by_third

_MOST = 0.5
"""A third of the time that has more of the attention than this is named."""


@dataclass(frozen=True)
class LookedView:
    """`picture` is the strip as a PNG in base64; `where` and `when` say in words what it shows."""

    label: str
    sure: str
    percent: int
    picture: str
    has_heat: bool
    where: str
    when: str


class LookedAt:
    """The last window of one device, in the words of one language."""

    def __init__(self, device: Device, words: Words) -> None:
        self._device, self._words = device, words

    def now(self) -> LookedView | str:
        """The explanation, or the sentence that says why there is none. Nothing is worked out unless frames of the
        camera are looked at now."""
        device = self._device
        if device.explainer is None:
            return device.no_reader or self._words("looked.none")
        if not device.is_looking():
            return self._words("looked.not_now")
        if device.reader is not None and device.reader.state != "reading":
            return self._words("reading.not_yet", why=device.reader.state.rstrip("."))
        try:
            explained = device.explainer.explain()
        except ModelError as error:
            return str(error)
        return self._words("looked.not_whole") if explained is None else self._view(explained)

    def _view(self, explained: Explained) -> LookedView:
        explanation = explained.explanation
        probability = float(explanation.outputs[explanation.class_index])
        return LookedView(
            label=self._words.label(explained.classes[explanation.class_index]),
            sure=self._words(f"sure.{sureness(probability).replace(' ', '_')}").lower(),
            percent=round(100 * probability),
            picture=b64encode(explained.picture).decode(),
            has_heat=explanation.heat is not None,
            where=self._where(explanation),
            when=self._when(by_third(explanation.weights)),
        )

    def _where(self, explanation: Explanation) -> str:
        if explanation.heat is None:
            return self._words("looked.where_never")
        if explanation.place is None:
            return self._words("looked.where_none")
        row, column = explanation.place
        return self._words(
            "looked.where", row=self._words(f"looked.row.{row}"), column=self._words(f"looked.column.{column}")
        )

    def _when(self, shares: np.ndarray) -> str:
        most = int(shares.argmax())
        if shares[most] <= _MOST:
            return self._words("looked.when_even")
        third = self._words(f"looked.third.{most}")
        return self._words("looked.when_most", share=round(100 * float(shares[most])), third=third)

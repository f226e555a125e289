"""Which model comes from which, and the number of the next round, as the server's ledger tells it.

Numbers count upwards. That of a void round comes again where no later round counts, but none from before an operator
went back does: devices refuse tasks of a round older than one that they have answered.
"""

from collections.abc import Iterable

from shared_models.privacy.events import AnyEvent, ModelRestored, RoundClosed, RoundVoid
from shared_models.privacy.ledger import Entry


class Lineage:
    """Where a federation stands after the entries that it has followed. It checks none of them.

    current:    the round whose model the next round starts from
    next_round: the number of that next round
    models:     hash of the model of each round that counts; that of round 0 is known once a round has started from it
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.current, self.next_round = 0, 1
        self.models: dict[int, str] = {}
        self._began_from: dict[int, int] = {}
        self._least = 1
        for entry in entries:
            self.follow(entry.body)

    @property
    def model(self) -> str | None:
        """The hash of the current model; None before the first round."""
        return self.models.get(self.current)

    def follow(self, event: AnyEvent) -> None:
        if isinstance(event, RoundClosed):
            self.models.setdefault(self.current, event.model_before)
            self.models[event.round] = event.model_after
            self._began_from[event.round] = self.current
            self.current, self.next_round = event.round, event.round + 1
        elif isinstance(event, RoundVoid):
            self._forget(event.round)
        elif isinstance(event, ModelRestored):
            self.models.setdefault(event.to_round, event.model_hash)
            self.current = event.to_round
            self.next_round = self._least = event.round + 1

    def _forget(self, round_: int) -> None:
        """Back from a void round to the last one on the way to it that counts."""
        self.models.pop(round_, None)
        while self.current > 0 and self.current not in self.models:
            self.current = min(self._began_from.get(self.current, 0), self.current - 1)
        self.next_round = max(self._least, 1 + max(self.models, default=0))

"""Clients that are made when they are asked for."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import overload

from shared_models.data.sequences import Sequences


class MadeClients(Sequence[Sequences]):
    """A sequence of clients of which none is held: `make` gives the one with a number."""

    @abstractmethod
    def make(self, number: int) -> Sequences: ...

    @overload
    def __getitem__(self, number: int) -> Sequences: ...
    @overload
    def __getitem__(self, number: slice) -> list[Sequences]: ...
    def __getitem__(self, number: int | slice) -> Sequences | list[Sequences]:
        if isinstance(number, slice):
            return [self[n] for n in range(len(self))[number]]
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self.make(number)

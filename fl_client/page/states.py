"""The states of a label scheme, whose classes may have levels: `boredom:0` to `boredom:3`."""

from collections.abc import Sequence

from fl_client.page.device import Reading

_TOP_LEVEL = 3


def states_of(classes: Sequence[str]) -> list[str]:
    """The states of a scheme's classes, which may have levels, in order."""
    return list(dict.fromkeys(name.partition(":")[0] for name in classes))


def by_state(reading: Reading) -> dict[str, float]:
    """How strongly each state is read, 0 to 1: its probability, or where it has levels 0 to 3, its expected level
    over 3, so that "not at all" counts nothing."""
    shares = dict.fromkeys(states_of(reading.classes), 0.0)
    for name, probability in zip(reading.classes, reading.probabilities, strict=True):
        state, _, level = name.partition(":")
        shares[state] += float(probability) * (int(level) / _TOP_LEVEL if level else 1)
    return shares

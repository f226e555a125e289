"""Whom the promises rely on, what happens to the data, and what people agreed to."""

from pydantic import NonNegativeInt

from fl_server.report.bands import Band
from fl_server.report.document.base import Group


class Actor(Group):
    """Somebody in the system."""

    name: str
    """who"""
    sees: str
    """what they see"""
    trusted_to: str
    """what they are relied on to do"""


class Trust(Group):
    """Whom the promises rely on, and for what."""

    actors: list[Actor]
    """everybody in the system"""
    assumptions: list[str]
    """what else must be true"""
    secure_sum: bool
    """whether the server sees only the sum of the updates"""
    collusion: str
    """who may work together before a promise fails"""


class DataHandling(Group):
    """What is recorded, where it stays, and for how long."""

    synthetic: bool
    """whether every face is rendered, so that nobody was filmed"""
    source: str
    """where the sequences come from"""
    leaves_device: list[str]
    """all that leaves a laptop"""
    stays_on_device: list[str]
    """what never leaves it"""
    minimisation: list[str]
    """how the data is kept small"""
    resolution: str
    """size of a stored face crop"""
    frames_per_sequence: NonNegativeInt
    """frames in one stored sequence"""
    retention: str
    """how long a sequence is kept"""
    encryption: str
    """how it is encrypted"""
    bystanders: str
    """what happens when somebody else is in the picture"""


class Consent(Group):
    """What people agreed to, how many are in each state, and how one leaves."""

    text_hash: str
    """hash of the text that they read"""
    scopes: list[str]
    """what they could agree to"""
    states: dict[str, Band]
    """people in each state of consent that the server can know of, as bands"""
    withdrawals: Band
    """people who withdrew, by the server's register or a ledger that was handed over, as a band"""
    erasures: Band
    """erasures that devices recorded, as a band"""
    erasure_time: str | None
    """how long an erasure took"""
    how_to_leave: list[str]
    """the steps of leaving, in the participant's words"""

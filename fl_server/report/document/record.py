"""The budget as the ledger has it, and whether the ledger was verified."""

from typing import Literal

from pydantic import AwareDatetime, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat

from fl_server.report.bands import Band
from fl_server.report.document.base import Group, Probability


class Debit(Group):
    """What one round cost a device that took part in it and in every round before."""

    round: NonNegativeInt
    """the round's number"""
    steps: NonNegativeInt
    """steps debited"""
    noise_multiplier: NonNegativeFloat
    """noise of those steps"""
    sampling_rate: Probability
    """sampling rate of those steps"""
    epsilon_after: NonNegativeFloat
    """epsilon spent after the round by the device that took part most, all its rounds so far composed"""
    devices: Band
    """devices that took part, as a band"""


class SpentBand(Group):
    """How many devices have spent an epsilon from `epsilon_from` up to `epsilon_to`."""

    epsilon_from: NonNegativeFloat
    """lower end of the range"""
    epsilon_to: NonNegativeFloat
    """upper end of the range"""
    devices: Band
    """devices in the range, as a band"""


class Forecast(Group):
    """What a device will have spent after some number of rounds that it takes part in."""

    participations: NonNegativeInt
    """rounds that a device takes part in"""
    epsilon: NonNegativeFloat
    """epsilon spent after them"""


class StepBack(Group):
    """The operator went back to an earlier model, or put back a backup. What was spent stays spent."""

    after_round: NonNegativeInt
    """the last number of a round in use at that time"""
    to_round: NonNegativeInt
    """the round whose model the next round started from"""


class Check(Group):
    """One thing that was checked about the record."""

    name: str
    """what was checked"""
    passed: bool
    """whether it held"""
    detail: str
    """how many things were checked, or what failed"""


class Budget(Group):
    """The budget over a device's lifetime, round by round."""

    cap: PositiveFloat
    """the epsilon that a device never exceeds"""
    spent: NonNegativeFloat
    """epsilon spent by the device that took part most"""
    remaining: NonNegativeFloat
    """what is left of the cap for such a device"""
    debits: list[Debit]
    """one entry for each round"""
    devices_by_spent: list[SpentBand]
    """how many devices have spent how much"""
    forecast: list[Forecast]
    """what every further round will cost, up to the cap"""


class Ledger(Budget):
    """The budget over a device's lifetime, round by round, and whether the record of it was verified."""

    entries: NonNegativeInt
    """entries in the server's ledger"""
    chain_head: str
    """hash of the last entry"""
    void_rounds: NonNegativeInt
    """rounds that were cut off; what devices spent on them stays spent"""
    steps_back: list[StepBack] = Field(default_factory=list)
    """the times that the operator went back to an earlier model or put back a backup"""
    device_entries: NonNegativeInt
    """entries of devices' ledgers that the server holds and checked"""
    device_ledgers: NonNegativeInt
    """whole ledgers that devices' owners handed over"""
    receipts: NonNegativeInt
    """receipts that the server gave for updates, as far as it holds them"""
    verification: Literal["not_verified", "verified", "failed"]
    """`verified` where every check passed"""
    checks: list[Check]
    """what was checked"""
    verified_at: AwareDatetime | None
    """when it was checked"""

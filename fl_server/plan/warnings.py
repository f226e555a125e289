"""What an operator should know before asking anybody: where the model will be of little use, and what is not known."""

from collections.abc import Iterator

from fl_server.plan.utility import Expected, UtilityTable
from shared_models.privacy.policy import Policy


def warnings_of(policy: Policy, table: UtilityTable, devices: int) -> Iterator[str]:
    if devices < policy.min_survivors:
        yield f"No round will count: {devices} devices are fewer than the policy's {policy.min_survivors} survivors."
    if not table.rows:
        yield "No simulated study is of this kind: how useful its model will be is not known."
        return
    if not _trained_alike(policy, table):
        yield f"Rounds, steps, recordings, sampling or delta are not those of the simulated studies: {table.source()}"
    expected = table.at(devices, policy.epsilon)
    if expected is None:
        yield (
            f"Usefulness may be near chance: no simulated study is as small as {devices} devices or as private as"
            f" epsilon {policy.epsilon:g}, and smaller and more private ones score less."
        )
        return
    if expected.near_chance:
        yield (
            f"Usefulness may be near chance: the worst simulated study of {_kind(expected)} scored"
            f" {expected.worst:.2f} (average recall); guessing scores {expected.chance:.2f}."
        )
    if not expected.improves:
        yield _no_gain(expected, table.smallest(policy.epsilon))


def _trained_alike(policy: Policy, table: UtilityTable) -> bool:
    """Whether the studies had the policy's rounds, steps, recordings and delta, and used all recordings in a step."""
    ours = (policy.lifetime_rounds, policy.steps, policy.max_sequences, policy.delta, policy.q)
    return all(ours == (row.rounds, row.steps, row.sequences, row.delta, 1.0) for row in table.rows)


def _no_gain(expected: Expected, smallest: int | None) -> str:
    sentence = (
        f"Training may make the model worse: it starts at {expected.before:.2f} (average recall), and the worst"
        f" simulated study of {_kind(expected)} ended at {expected.worst:.2f}."
    )
    if smallest is None:
        return sentence
    return f"{sentence} At this epsilon every simulated study of {smallest} devices or more improved the model."


def _kind(expected: Expected) -> str:
    return f"{expected.clients} devices at epsilon {expected.epsilon:g}"

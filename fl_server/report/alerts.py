"""What a reader must know before anything else. Each keeps a report a draft and is printed in its first lines."""

from collections.abc import Iterable

from fl_server.legal.answers import Answers
from fl_server.legal.gate import findings
from fl_server.report.record import Record
from shared_models.privacy.policy import Policy


def alerts(record: Record, policy: Policy, answers: Answers) -> list[str]:
    """The sentences, worst first; none where nothing stands in the way of a final report."""
    return [*_of_the_record(record), *_of_the_policy(record, policy), *_of_the_people(record), *_of_the_law(answers)]


def _of_the_record(record: Record) -> Iterable[str]:
    for check in record.checks:
        if not check.passed:
            yield f"The ledger does not verify: {check.name}. {check.detail}"


def _of_the_policy(record: Record, policy: Policy) -> Iterable[str]:
    named = [round_.policy_hash for round_ in record.rounds]
    if len(set(named)) > 1:
        changed = next(r.round for r in record.rounds if r.policy_hash != named[0])
        yield (
            f"The privacy policy was changed in mid-study, at round {changed}: the figures below are those of the"
            " policy in force now and do not cover what was spent under another one."
        )
    elif named and named[0] != policy.hash:
        yield "The policy in the settings is not the one that the ledger's rounds were run under."


def _of_the_people(record: Record) -> Iterable[str]:
    if not record.rounds:
        yield "No round has been completed: nothing has been spent and nothing is shown to work."
    elif len(record.participations) < 2:
        yield "Only one device took part: every new model shows that device's update as it was sent."


def _of_the_law(answers: Answers) -> Iterable[str]:
    if any(finding.level == "refuse" for finding in findings(answers)):
        yield "The legal gate does not let this study start: its questions are not answered, or an answer forbids it."

"""What a reader must know before anything else. Each keeps a report a draft and is printed in its first lines."""

from collections.abc import Iterable
from itertools import pairwise

from fl_server.legal.answers import Answers
from fl_server.legal.gate import findings
from fl_server.report.record import Record


def alerts(record: Record, answers: Answers) -> list[str]:
    """The sentences, worst first; none where nothing stands in the way of a final report."""
    return [*_of_the_record(record), *_of_the_people(record), *_of_the_law(answers)]


def _of_the_record(record: Record) -> Iterable[str]:
    """What failed; and, whatever failed first, a policy that was changed on the way."""
    if record.failed is not None:
        yield f"The ledger does not verify ({record.failed.name}): {record.failed.detail}"
    rounds = record.evidence.rounds
    changed = [r.round for before, r in pairwise(rounds) if r.policy_hash != before.policy_hash]
    if changed:
        yield (
            f"The privacy policy was changed in mid-study, at round {changed[0]}. No figure is given: none would cover"
            " what was spent under both."
        )


def _of_the_people(record: Record) -> Iterable[str]:
    if not record.evidence.rounds:
        yield "No round has been completed: nothing has been spent and nothing is shown to work."
    elif len(record.evidence.participations) == 1:
        yield "Only one device took part: every new model shows that device's update as it was sent."
    if record.still_let_in:
        yield (
            "A participant's ledger says that they withdrew, and the server has not heard it: take the device out with"
            " `fl-server devices remove`."
        )


def _of_the_law(answers: Answers) -> Iterable[str]:
    if any(finding.level == "refuse" for finding in findings(answers)):
        yield "The legal gate does not let this study start: its questions are not answered, or an answer forbids it."

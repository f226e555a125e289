"""What is so on this device now: what `fl-client status` prints. Works beside a running program, or without one."""

from datetime import UTC, datetime
from typing import Any

from fl_client.consent import ConsentBook
from fl_client.daemon_status import DaemonStatus, read_status
from fl_client.earlier import history
from fl_client.home import Home, load_enrolment
from fl_client.store_folder import count_stored
from shared_models.files import is_held
from shared_models.privacy.events import spent_epsilon
from shared_models.privacy.ledger import intents_of


def device_facts(home: Home) -> dict[str, Any]:
    """docs/client-status.md has the fields. What was spent is recounted from the ledger.

    Raises EnrolmentError where the device is not enrolled, LedgerError where its ledger does not hold.
    """
    enrolment = load_enrolment(home)
    intents = intents_of(history(home, enrolment))
    consent, policy = ConsentBook(home.root).current(), enrolment.policy
    return {
        "device": enrolment.pseudonym,
        "study": enrolment.study,
        "title": enrolment.title,
        "consent": consent.state.value,
        "scopes": sorted(scope.value for scope in consent.scopes),
        "withdrawal_unheard": home.withdrawal.exists(),
        **_daemon_facts(home),
        "stored": count_stored(home.store),
        "max_sequences": policy.max_sequences,
        "participations": len(intents),
        "participations_cap": policy.participations,
        "epsilon": max(spent_epsilon(intents, one.unit, policy.delta) for one in policy.mechanisms),
        "epsilon_cap": policy.epsilon,
        "delta": policy.delta,
        "policy_hash": policy.hash,
    }


def _daemon_facts(home: Home) -> dict[str, Any]:
    """A program that was killed leaves a status behind that says nothing of what it does now."""
    running, said = is_held(home.lock), read_status(home.status)
    if said is None:
        state = "starting" if running else "never started"
        said = DaemonStatus(since=datetime.now(UTC), node=state, capture=state)
    elif not running:
        said = said.model_copy(
            update={"node": "stopped", "capture": "ended", "clock": "", "unknown": [], "workers": {}}
        )
    return {"running": running} | said.model_dump(exclude={"version", "pid", "since", "written", "stored"})

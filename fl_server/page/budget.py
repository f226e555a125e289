"""The budget's figures for the page. They are computed again only when the ledger has grown."""

from functools import lru_cache
from pathlib import Path

from fl_server.folder import FederationFolder
from fl_server.policy_in_force import kept_policy
from fl_server.report.document import Budget
from fl_server.report.ledger_figures import ledger_figures
from fl_server.verify.lines import complete_lines, entries_of
from shared_models.privacy.events import RoundClosed
from shared_models.privacy.policy import Policy


def read_budget(folder: FederationFolder) -> Budget | None:
    """From the policy in force and the ledger, whose signatures a report checks, not a page.

    None before there is a policy, or where it adds no noise. Raises LedgerError where an entry cannot be read.
    """
    policy = kept_policy(folder)
    if policy is None or not policy.mechanisms:
        return None
    size = folder.ledger.stat().st_size if folder.ledger.exists() else 0
    return _budget(folder.ledger, size, policy)


@lru_cache(maxsize=2)
def _budget(ledger: Path, size: int, policy: Policy) -> Budget:
    """`size` is there to tell one state of the ledger from the next."""
    bodies = [entry.body for entry in entries_of(complete_lines(ledger))]
    return Budget.model_validate(ledger_figures(policy, [body for body in bodies if isinstance(body, RoundClosed)]))

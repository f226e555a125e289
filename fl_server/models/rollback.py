"""Going back to the model of an earlier round, while no server runs."""

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.settings import load_settings
from fl_server.verify.lineage import Lineage
from shared_models.errors import CheckpointError, UsageError
from shared_models.files import only_one
from shared_models.privacy.events import ModelRestored
from shared_models.privacy.ledger import Ledger


def roll_back(folder: FederationFolder, round_: int) -> ModelRestored:
    """Writes to the server's ledger that the next round starts from the model of `round_`.

    Later checkpoints stay, and so does every debit: numbers of rounds count on, and no budget is refunded.

    Raises SettingsError where there is no federation, UsageError where a server runs or the next round starts from
    `round_` already, CheckpointError where that checkpoint is damaged, has no weights or is not the one that the ledger
    names, LedgerError where the ledger does not hold.
    """
    study = load_settings(folder.settings).study.id
    with only_one(folder.lock, f"A server on {folder.root}"):
        _, record = Checkpoints(folder.checkpoints).load(round_)
        ledger = Ledger(folder.ledger, load_signing_key(folder))
        line = Lineage(ledger.entries)
        if round_ == line.current:
            raise UsageError(
                f"The next round starts from the model of round {round_} already",
                fix="Choose another; `fl-server models list` shows them",
            )
        if line.models.get(round_) != record.model_hash:
            raise CheckpointError(
                f"The checkpoint of round {round_} is not the model that the server's ledger names",
                why="the round was void, or its folder was exchanged",
                fix="Choose another; `fl-server models list` shows them",
            )
        restored = ModelRestored(study=study, round=line.next_round - 1, to_round=round_, model_hash=record.model_hash)
        ledger.append(restored)
        return restored

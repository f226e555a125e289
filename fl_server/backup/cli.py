"""`fl-server backup` and `fl-server restore`"""

from pathlib import Path
from typing import Annotated

import typer

from fl_server.folder import FederationFolder
from shared_models.commandline import out
from shared_models.errors import KeyStoreError
from shared_models.passphrase import passphrase_in

app = typer.Typer()

PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="A file with the passphrase that seals the backup.")
]


@app.command(epilog="Example: fl-server backup study study.backup --passphrase-file passphrase")
def backup(
    directory: Annotated[Path, typer.Argument(help="The federation's folder.")],
    file: Annotated[Path, typer.Argument(help="Where the backup goes, outside of that folder.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write keys, settings, ledgers, register and models to one file. Can be used while the server runs."""
    from fl_server.backup.make import back_up

    passphrase = _passphrase(passphrase_file)
    manifest = back_up(FederationFolder(directory), file, passphrase)
    size = file.stat().st_size / 1e6
    out.print(f"The backup of {len(manifest.files)} files is in {file} ({size:.1f} MB).", soft_wrap=True)
    if passphrase is None:
        out.print(
            "Warning: it holds the private keys in the open, and whoever has it can pose as your server. Seal it with"
            " --passphrase-file.",
            soft_wrap=True,
        )


@app.command(epilog="Example: fl-server restore study.backup study --passphrase-file passphrase")
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `fl-server backup` wrote.")],
    directory: Annotated[Path, typer.Argument(help="The folder to make.")],
    passphrase_file: PassphraseFile = None,
    next_round: Annotated[
        int | None, typer.Option(min=1, help="Number of the next round, where rounds were run after the backup.")
    ] = None,
) -> None:
    """Put a federation back from its backup. Never run it beside the server that it was made of."""
    from fl_server.backup.restore import restore as put_back

    restored = put_back(file, directory, _passphrase(passphrase_file), next_round)
    made, event = restored.manifest.made_at, restored.event
    out.print(
        f"The federation {restored.manifest.study} is in {directory}, as it was on {made:%Y-%m-%d %H:%M} UTC.",
        soft_wrap=True,
    )
    if event is None:
        return
    out.print(f"Round {event.round + 1} will start from the model of round {event.to_round}.")
    out.print(
        "Warning: what happened after the backup is not in it. Devices count their own budgets: nothing is refunded."
        " Those enrolled since must be invited anew. A device refuses a round older than one that it has answered, as"
        " `device_task`: where rounds were run after the backup, restore with --next-round. Make sure that the old"
        " server never runs again.",
        soft_wrap=True,
    )


def _passphrase(path: Path | None) -> str | None:
    """What is in the file; raises KeyStoreError where it cannot be read or is empty."""
    if path is None:
        return None
    passphrase = passphrase_in(path, fix="Correct --passphrase-file")
    if not passphrase:
        raise KeyStoreError("The passphrase is empty", fix="Choose one of several words")
    return passphrase

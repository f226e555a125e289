"""`fl-client data`: what is stored on this device, for its owner to see, take along and delete."""

from pathlib import Path
from typing import Annotated

import typer

from fl_client.home import Home
from fl_client.labels import PSEUDO
from fl_client.options import DEFAULT_HOME, HomeOption, JsonOption, ask_passphrase, shown
from fl_client.stored_sequence import Damaged, StoredSequence
from shared_models import commandline
from shared_models.commandline import out, print_json
from shared_models.errors import DataError, UsageError

app = typer.Typer(help="What is stored on this device.", no_args_is_help=True)
_MIB = 2**20


@app.command("list", epilog="Example: fl-client data list")
def list_data(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Every sequence stored on this device: its name, label and time, and whether it can still be opened."""
    from fl_client.keys import open_vault
    from fl_client.settings import load_settings
    from fl_client.store import Store

    place = Home(home)
    limits = load_settings(place.settings).store
    with Store(place.store, open_vault(home, ask_passphrase)) as store:
        rows, size = [_row(one) for one in store.each()], store.size
    if as_json:
        print_json(rows)
        return
    for row in rows:
        if row["damaged"]:
            text = f"[red]cannot be opened: {row['damaged']}[/]"
        else:
            text = f"{row['captured_at']}  {shown(str(row['label']))} ({row['source']})"
        out.print(f"{row['id']}  {text}", soft_wrap=True)
    out.print(
        f"{len(rows)} sequences, {size / _MIB:.1f} MiB of at most {limits.max_mib};"
        f" each is deleted when it is {limits.keep_days} days old"
    )
    guessed = sum(row.get("source") == PSEUDO for row in rows)
    if guessed:
        out.print(f"{guessed} of them were labelled by the model itself")
    damaged = sum(row["damaged"] is not None for row in rows)
    if damaged:
        out.print(
            f"{damaged} of them cannot be opened and are left out of training: `fl-client data delete ID` removes one"
        )


@app.command("export", epilog="Example: fl-client data export my-data")
def export_data(
    folder: Annotated[Path, typer.Argument(help="Where it goes: a folder that does not exist yet, or is empty.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a readable copy of everything that is stored: a picture of each sequence, and a table. NOT encrypted."""
    from fl_client.export import export
    from fl_client.keys import open_vault
    from fl_client.store import Store

    with Store(Home(home).store, open_vault(home, ask_passphrase)) as store:
        exported = export(store.each(), folder)
    commandline.err.print(
        f"[bold]What lies in {shown(str(folder))} is not encrypted:[/] whoever reads that folder sees your face."
        " Delete it when you no longer need it."
    )
    if as_json:
        print_json({"folder": str(folder), "sequences": exported.sequences, "damaged": exported.damaged})
        return
    out.print(f"Exported {exported.sequences} sequences.")
    if exported.damaged:
        out.print(f"{exported.damaged} more cannot be opened; README.txt there names them.")


@app.command("delete", epilog="Example: fl-client data delete --all")
def delete_data(
    ids: Annotated[list[str] | None, typer.Argument(help="Names of sequences, as `data list` prints them.")] = None,
    home: HomeOption = DEFAULT_HOME,
    everything: Annotated[bool, typer.Option("--all", help="Delete every sequence; needs no passphrase.")] = False,
) -> None:
    """Delete sequences so that no copy of their files can be opened either."""
    from fl_client.keys import open_vault
    from fl_client.store import Store
    from fl_client.store_folder import erase_store
    from shared_models.files import atomic_write

    if everything == bool(ids):
        raise UsageError("Say what to delete", fix="Name sequences, or give --all")
    vault = open_vault(home, ask_passphrase)
    if everything:
        erase_store(Home(home).store, vault)
    else:
        with Store(Home(home).store, vault) as store:
            unknown = [one for one in ids or [] if one not in store]
            if unknown:
                raise DataError(
                    f"There is no sequence {shown(unknown[0])}",
                    fix="Nothing was deleted; `fl-client data list` shows the names",
                )
            store.delete(ids or [])
    atomic_write(Home(home).erasures, b"")
    out.print("Deleted.")


def _row(one: StoredSequence | Damaged) -> dict[str, str | None]:
    """The facts of one sequence; of one that cannot be opened, its name and why."""
    if isinstance(one, Damaged):
        return {"id": one.id, "label": None, "source": None, "captured_at": None, "damaged": one.why}
    return {
        "id": one.id,
        "label": one.label,
        "source": one.source,
        "captured_at": one.captured_at.isoformat(),
        "damaged": None,
    }

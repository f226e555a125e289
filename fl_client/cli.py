"""The student's command line."""

import getpass
import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import platformdirs
import typer
from rich.markup import escape

from fl_client.consent import ConsentBook, Scope, State
from fl_client.explain import odds_sentence, policy_paragraph
from fl_client.home import Enrolment, Home, Identity, load_enrolment
from fl_client.keys import KeyVault
from fl_client.settings import load_settings
from shared_models import commandline
from shared_models.commandline import out, print_json
from shared_models.errors import AddressError, ConsentError, KeyStoreError, SettingsError, UsageError

app = commandline.program("Attune on a student's laptop: capture, train privately, take part, stop at any time.")

data_app = typer.Typer(help="What is stored on this device.", no_args_is_help=True)
app.add_typer(data_app, name="data")


def _pass_on(home: Path) -> Path:
    """Whatever is done with a device that has left: first its server is told, where it has not heard yet."""
    if Home(home).withdrawal.exists():
        from fl_client.withdrawal import tell

        heard = tell(Home(home), _PATIENCE_SECONDS)
        said = "has heard now" if heard else "does not answer and has not heard yet"
        commandline.err.print(f"The study's server {said} that this device has left.")
    return home


HomeOption = Annotated[
    Path,
    typer.Option("--home", help="Folder of this device.", show_default="the user's data folder", callback=_pass_on),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
_PATIENCE_SECONDS = 5.0
_DEFAULT_HOME = Path(platformdirs.user_data_dir("attune"))


def run() -> NoReturn:
    commandline.run(app)


@app.command(epilog="Example: fl-client enrol attune1.eyJhZGRyZXNz...")
def enrol(
    invitation: Annotated[str, typer.Argument(help="The line that you were sent, or a file that holds it.")],
    home: HomeOption = _DEFAULT_HOME,
    yes: Annotated[bool, typer.Option("--yes", help="Enrol without asking.")] = False,
) -> None:
    """Join a study: check its server, read its terms, make this device's keys. Nothing is captured yet."""
    from fl_client.countersigned import head_in
    from fl_client.enrolment import accept, read_offer
    from fl_client.keys import open_vault
    from fl_client.terms import policy_of
    from shared_models.enrolment.invitation import Invitation

    place = Home(home)
    if place.enrolment.exists():
        raise UsageError(f"The device in {home} is enrolled already", fix="Use another --home for a second device")
    offer = read_offer(Invitation.decode(_text_or_file(invitation)))
    policy = policy_of(offer.terms)
    load_settings(place.settings).limits.check(policy)
    study, head = offer.terms, head_in(place.ledger)
    out.print(f"[bold]{_shown(study.title)}[/] - run by {_shown(study.controller)} ({_shown(study.contact)})")
    out.print(f"Purpose: {_shown(study.purpose)}\n")
    out.print(policy_paragraph(policy))
    out.print(odds_sentence(policy))
    if not yes and not typer.confirm("\nMake this device's keys and join?", default=False):
        raise typer.Abort
    place.create()
    vault, identity = open_vault(home, _ask), Identity.generate()
    identity.save(place, vault)
    enrolment = accept(offer, identity, head)
    enrolment.save(place)
    ConsentBook(home).inform(enrolment.text_hash, enrolment.policy.hash)
    out.print(f"Enrolled as device [bold]{enrolment.pseudonym}[/]. Nothing is captured before `fl-client consent`.")


@app.command(epilog="Example: fl-client consent --scopes capture,store,train")
def consent(
    home: HomeOption = _DEFAULT_HOME,
    scopes: Annotated[
        str, typer.Option(help="What you agree to, by commas: capture, store, train, audit.")
    ] = "capture,store,train",
    yes: Annotated[bool, typer.Option("--yes", help="Agree without being asked again.")] = False,
) -> None:
    """Read what the study asks for and agree to all of it or to parts. Can be changed at any time."""
    place = Home(home)
    enrolment = load_enrolment(place)
    wanted = {name.strip() for name in scopes.split(",") if name.strip()}
    unknown = wanted - {scope.value for scope in Scope}
    if unknown:
        raise UsageError(f"There is no scope '{sorted(unknown)[0]}'", fix=f"Use {', '.join(Scope)}")
    load_settings(place.settings).limits.check(enrolment.policy)
    out.print(_shown(enrolment.consent_text))
    out.print(policy_paragraph(enrolment.policy))
    out.print(odds_sentence(enrolment.policy))
    if not yes and not typer.confirm(f"\nDo you agree to: {', '.join(sorted(wanted))}?", default=False):
        raise ConsentError("Nothing was agreed to", fix="Nothing is captured; run `fl-client consent` to decide again")
    book = ConsentBook(home)
    book.inform(enrolment.text_hash, enrolment.policy.hash)
    book.grant(wanted, enrolment.text_hash, enrolment.policy.hash)
    out.print(f"You agreed to: {', '.join(sorted(wanted))}. `fl-client pause` stops everything at once.")


@app.command("run", epilog="Example: fl-client run --camera 0 --labels taps.csv")
def run_daemon(
    home: HomeOption = _DEFAULT_HOME,
    camera: Annotated[str, typer.Option(help="A camera's number, a video file or a folder of images.")] = "0",
    labels: Annotated[
        Path | None, typer.Option(help="CSV of seconds,label that stands for taps; none keeps nothing.")
    ] = None,
) -> None:
    """Capture and take part, in the foreground, until Ctrl-C."""
    from fl_client.capture.sources import open_source
    from fl_client.daemon import Daemon
    from fl_client.journal import open_journal
    from fl_client.keys import open_vault
    from fl_client.labels import LabelScript
    from fl_client.leave import leave
    from fl_client.page.wiring import device_page
    from fl_client.store import Store
    from shared_models.data.labels import scheme_by_name
    from shared_models.files import only_one
    from shared_models.resources import use_one_core

    use_one_core()
    place = Home(home)
    enrolment, settings = load_enrolment(place), load_settings(place.settings)
    script = LabelScript.read(labels, scheme_by_name(enrolment.policy.scheme)) if labels else LabelScript([])
    vault = open_vault(home, _ask)
    commandline.log_to(place.log)
    ConsentBook(home).require(Scope.CAPTURE, enrolment.policy.hash)
    with (
        only_one(place.lock, f"The device in {home}"),
        open_source(camera, settings.capture.fps) as source,
        Store(place.store, vault) as store,
    ):
        identity = Identity.load(place, vault)
        journal = open_journal(place, vault, enrolment, identity)
        daemon = Daemon(place, settings, enrolment, identity, store, journal)
        for received in (signal.SIGINT, signal.SIGTERM):
            signal.signal(received, lambda *_: daemon.stop())
        page = device_page(
            place, settings.page, enrolment, store, lambda: leave(place, vault, enrolment, identity), daemon.stop
        )
        out.print(f"Device {enrolment.pseudonym} is running. Ctrl-C stops it, `fl-client pause` pauses it.")
        if settings.page.on:
            out.print("`fl-client page` opens its page in your browser.")
        finder = _finder(settings.capture.face_model, settings.capture.face_model_sha256)
        daemon.run(source, finder, script, page if settings.page.on else None)
    if place.withdrawal.exists():
        out.print("You have left. This program only waits for the study's server to hear it; Ctrl-C ends it.")
    daemon.tell_of_leaving()


@app.command(epilog="Example: fl-client status --json")
def status(home: HomeOption = _DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """What this device does, what is stored, and what has been spent."""
    facts = _facts(Home(home))
    if as_json:
        print_json(facts)
        return
    out.print(f"Device {facts['device']} in [bold]{_shown(facts['title'])}[/]")
    out.print(f"Consent: {facts['consent']} ({', '.join(facts['scopes']) or 'nothing'})")
    out.print(f"Running: {'yes' if facts['running'] else 'no'}; {facts['node']}; capture: {facts['capture']}")
    out.print(f"Stored sequences: {facts['stored']} of at most {facts['max_sequences']}")
    out.print(
        f"Privacy spent: epsilon {facts['epsilon']:.4f} of {facts['epsilon_cap']:.4f}"
        f" (delta {facts['delta']:g}) in {facts['participations']} of {facts['participations_cap']} rounds"
    )


@app.command(epilog="Example: fl-client privacy --json")
def privacy(home: HomeOption = _DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """What left this device, when, and what it has cost, recounted from its ledger alone."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from fl_client.account import account
    from fl_client.countersigned import kept_receipt
    from shared_models.privacy.ledger import read_ledger

    place = Home(home)
    enrolment = load_enrolment(place)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(enrolment.ledger_key))
    facts = account(read_ledger(place.ledger, key), enrolment) | {"receipt": kept_receipt(place)}
    if as_json:
        print_json(facts)
        return
    for row in facts["uploads"]:
        out.print(
            f"{row['at']}  round {row['round']}: {row['answer']}, by engine {row['engine']};"
            f" epsilon {row['epsilon_after']:.4f} from then on",
            soft_wrap=True,
        )
    out.print(f"Spent: epsilon {facts['epsilon']:.4f} of {facts['epsilon_cap']:.4f}, delta {facts['delta']:g}")
    out.print(
        f"Whoever sees all of it and guesses whether one {facts['unit']} of yours was used is right in at most"
        f" {facts['right_in_100_now']} of 100 cases now, {facts['right_in_100_at_cap']} at the cap; a coin in 50."
    )
    if facts["receipt"]:
        out.print(f"The server countersigned this ledger up to entry {facts['receipt']['entries']}.")
    out.print("Every signature and link of the ledger holds. A ledger cannot prove that the noise was added.")


@app.command(epilog="Example: fl-client pause")
def pause(home: HomeOption = _DEFAULT_HOME) -> None:
    """Stop capturing and training at once; nothing is deleted."""
    ConsentBook(home).pause()
    out.print("Paused: no frame is looked at and no task is taken. `fl-client resume` goes on.")


@app.command(epilog="Example: fl-client resume")
def resume(home: HomeOption = _DEFAULT_HOME) -> None:
    """Go on after a pause, with the same consent."""
    ConsentBook(home).resume()
    out.print("Resumed.")


@app.command(epilog="Example: fl-client withdraw")
def withdraw(
    home: HomeOption = _DEFAULT_HOME,
    yes: Annotated[bool, typer.Option("--yes", help="Leave without being asked again.")] = False,
) -> None:
    """Leave the study for good: stop, and destroy everything stored on this device."""
    from fl_client.keys import open_vault
    from fl_client.leave import leave

    place = Home(home)
    enrolment = load_enrolment(place)
    if ConsentBook(home).current().state is State.WITHDRAWN:
        if place.withdrawal.exists():  # though it was tried again before this command began
            raise AddressError(
                "You have left, and the study's server has not heard it yet",
                fix=f"Run this again later, or tell {_shown(enrolment.contact)}",
            )
        out.print("You have left already: nothing is stored here, and nothing is left to be told.")
        return
    if not yes and not typer.confirm("Leave the study and destroy everything stored here?", default=False):
        raise typer.Abort
    vault = open_vault(home, lambda prompt: _ask(f"{prompt} (empty if you forgot it)"))
    identity = _identity(place, vault)
    if identity is None and not yes:
        out.print("This device's keys cannot be opened, so that the study's server cannot be told from here.")
        if not typer.confirm("Leave without telling it?", default=False):
            raise typer.Abort
    leave(place, vault, enrolment, identity)
    out.print("You have left. What was stored here is destroyed, and this device can take part in nothing more.")
    out.print("What was sent before cannot be called back, and what it cost is not given back.")
    out.print(_told(place, enrolment, identity))


@data_app.command("list", epilog="Example: fl-client data list")
def list_data(home: HomeOption = _DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Every sequence stored on this device: its name, label and time."""
    from fl_client.keys import open_vault
    from fl_client.store import Store

    with Store(Home(home).store, open_vault(home, _ask)) as store:
        rows = [
            {"id": one.id, "label": one.label, "source": one.source, "captured_at": one.captured_at.isoformat()}
            for one in store.load_all()
        ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        out.print(f"{row['id']}  {row['captured_at']}  {_shown(row['label'])} ({row['source']})", soft_wrap=True)
    out.print(f"{len(rows)} sequences")


@data_app.command("delete", epilog="Example: fl-client data delete --all")
def delete_data(
    ids: Annotated[list[str] | None, typer.Argument(help="Names of sequences, as `data list` prints them.")] = None,
    home: HomeOption = _DEFAULT_HOME,
    everything: Annotated[bool, typer.Option("--all", help="Delete every sequence; needs no passphrase.")] = False,
) -> None:
    """Delete sequences so that no copy of their files can be opened either."""
    from fl_client.keys import open_vault
    from fl_client.store import Store, erase_store
    from shared_models.files import atomic_write

    if everything == bool(ids):
        raise UsageError("Say what to delete", fix="Name sequences, or give --all")
    vault = open_vault(home, _ask)
    if everything:
        erase_store(Home(home).store, vault)
    else:
        with Store(Home(home).store, vault) as store:
            store.delete(ids or [])
    atomic_write(Home(home).erasures, b"")
    out.print("Deleted.")


@app.command("page", epilog="Example: fl-client page")
def page(
    home: HomeOption = _DEFAULT_HOME,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser, or print the address.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Open the page of the running program: what it does, what is kept, what was sent, and every switch."""
    from fl_client.page.cli import open_page

    open_page(home, browser, as_json)


def _identity(place: Home, vault: KeyVault) -> Identity | None:
    """The device's keys; None where they cannot be opened."""
    try:
        return Identity.load(place, vault)
    except (KeyStoreError, SettingsError):
        return None


def _told(place: Home, enrolment: Enrolment, identity: Identity | None) -> str:
    """Tells the server that the owner of this device has left, and says what came of it."""
    from fl_client.withdrawal import tell

    by_hand = f"tell {_shown(enrolment.contact)} that device {enrolment.pseudonym} has left"
    if identity is None or not enrolment.enrolment_address:
        return f"The study's server could not be told, since only this device's keys can do that: {by_hand}."
    if tell(place):
        return "The study's server has heard it and asks this device for nothing more."
    return (
        "The study's server does not answer: it is told by the running program, by the next `fl-client` command"
        f" for this device, or by `fl-client withdraw` again. Or {by_hand}."
    )


def _facts(place: Home) -> dict[str, Any]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from fl_client.store import count_stored
    from shared_models.files import is_held
    from shared_models.privacy.events import spent_epsilon
    from shared_models.privacy.ledger import intents_of, read_ledger

    enrolment = load_enrolment(place)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(enrolment.ledger_key))
    intents = intents_of(read_ledger(place.ledger, key))
    consent_now = ConsentBook(place.root).current()
    daemon = json.loads(place.status.read_bytes()) if place.status.exists() else {}
    policy = enrolment.policy
    return {
        "device": enrolment.pseudonym,
        "study": enrolment.study,
        "title": enrolment.title,
        "consent": consent_now.state.value,
        "scopes": sorted(scope.value for scope in consent_now.scopes),
        "withdrawal_unheard": place.withdrawal.exists(),
        "running": is_held(place.lock),
        "node": daemon.get("node", "never started"),
        "capture": daemon.get("capture", "never started"),
        "frames": daemon.get("frames", 0),
        "refused": daemon.get("refused", {}),
        "stored": count_stored(place.store),
        "max_sequences": policy.max_sequences,
        "participations": len(intents),
        "participations_cap": policy.participations,
        "epsilon": max(spent_epsilon(intents, one.unit, policy.delta) for one in policy.mechanisms),
        "epsilon_cap": policy.epsilon,
        "delta": policy.delta,
        "policy_hash": policy.hash,
    }


def _shown(text: str) -> str:
    """Text of a server's, as it is: no markup and no control character of its own reaches the terminal."""
    return escape("".join(c if c.isprintable() or c == "\n" else "?" for c in text))


def _finder(model: str, sha256: str):  # type: ignore[no-untyped-def]
    from shared_models.data.faces import HaarFinder, YuNetFinder

    return YuNetFinder(Path(model), sha256) if model else HaarFinder()


def _ask(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise SettingsError(
            "A passphrase is needed and there is nobody to ask",
            fix="Name a file that holds it in ATTUNE_PASSPHRASE_FILE",
        )
    return getpass.getpass(f"{prompt}: ")


def _text_or_file(given: str) -> str:
    path = Path(given)
    return path.read_text(encoding="utf-8") if len(given) < 256 and path.is_file() else given

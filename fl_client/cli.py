"""The student's command line."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from fl_client import core_dumps, data_cli, deciding
from fl_client.consent import ConsentBook
from fl_client.doctor import doctor
from fl_client.home import Home, load_enrolment
from fl_client.labels.cli import probe
from fl_client.live.cli import watch
from fl_client.options import DEFAULT_HOME, HomeOption, JsonOption, ask_passphrase, shown
from fl_client.page.cli import page
from fl_client.service.cli import app as service
from shared_models import commandline
from shared_models.commandline import out, print_json

app = commandline.program("Attune on a student's laptop: capture, train privately, take part, stop at any time.")
app.add_typer(data_cli.app, name="data")

app.command(epilog="Example: fl-client enrol attune1.eyJhZGRyZXNz...")(deciding.enrol)
app.command(epilog="Example: fl-client consent --scopes capture,store,train")(deciding.consent)
app.command(epilog="Example: fl-client withdraw")(deciding.withdraw)
app.command(epilog="Example: fl-client doctor --json")(doctor)
app.add_typer(service, name="service")


def run() -> NoReturn:
    core_dumps.leave_none()
    commandline.run(app)


@app.command("run", epilog="Example: fl-client run --camera 0 --labels taps.csv")
def run_daemon(
    home: HomeOption = DEFAULT_HOME,
    camera: Annotated[
        str, typer.Option(help="A camera's number, a video file, a folder of images or `synthetic`.")
    ] = "0",
    labels: Annotated[
        Path | None, typer.Option(help="CSV of seconds,label that stands for taps; none keeps nothing.")
    ] = None,
) -> None:
    """Capture and take part, in the foreground, until Ctrl-C; wait where the study's terms are not agreed to."""
    from fl_client.running import Running
    from shared_models.resources import use_one_core

    use_one_core()
    place = Home(home)
    running = Running(place, camera, labels, ask_passphrase, _printer(out), _printer(commandline.err))
    commandline.log_to(place.log)
    for received in (signal.SIGINT, signal.SIGTERM):
        signal.signal(received, lambda *_: running.stop())
    running.run()


def _printer(console: Console) -> Callable[[str], None]:
    return lambda sentence: console.print(escape(sentence), soft_wrap=True)


@app.command(epilog="Example: fl-client status --json")
def status(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """What this device does, what is stored, and what has been spent."""
    from fl_client.facts import device_facts

    facts = device_facts(Home(home))
    if as_json:
        print_json(facts)
        return
    out.print(f"Device {facts['device']} in [bold]{shown(facts['title'])}[/]")
    out.print(f"Consent: {facts['consent']} ({', '.join(facts['scopes']) or 'nothing'})")
    out.print(f"Running: {'yes' if facts['running'] else 'no'}; {facts['node']}; capture: {facts['capture']}")
    if facts["clock"]:
        out.print(f"{facts['clock']}. Set it: tasks can only be taken while the two agree.")
    if facts["unknown"]:
        out.print(f"This computer does not tell {', '.join(facts['unknown'])}: training does not wait for that.")
    out.print(f"Stored sequences: {facts['stored']} of at most {facts['max_sequences']}")
    out.print(
        f"Privacy spent: epsilon {facts['epsilon']:.4f} of {facts['epsilon_cap']:.4f}"
        f" (delta {facts['delta']:g}) in {facts['participations']} of {facts['participations_cap']} rounds"
    )


@app.command(epilog="Example: fl-client privacy --json")
def privacy(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """What left this device, when, and what it has cost, recounted from its ledger alone."""
    from fl_client.account import account
    from fl_client.countersigned import kept_receipt
    from fl_client.earlier import history

    place = Home(home)
    enrolment = load_enrolment(place)
    facts = account(history(place, enrolment), enrolment) | {"receipt": kept_receipt(place)}
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
def pause(home: HomeOption = DEFAULT_HOME) -> None:
    """Stop capturing and training at once; nothing is deleted."""
    ConsentBook(home).pause()
    out.print("Paused: no frame is looked at and no task is taken. `fl-client resume` goes on.")


@app.command(epilog="Example: fl-client resume")
def resume(home: HomeOption = DEFAULT_HOME) -> None:
    """Go on after a pause, with the same consent."""
    ConsentBook(home).resume()
    out.print("Resumed.")


app.command(epilog="Example: fl-client watch --camera 0")(watch)
app.command(epilog="Example: fl-client probe")(probe)
app.command(epilog="Example: fl-client page")(page)

"""`fl-client service`: the program at every login."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fl_client.options import DEFAULT_HOME, HomeOption, JsonOption, shown
from shared_models.commandline import out, print_json
from shared_models.errors import UsageError

app = typer.Typer(help="The program at every login.", no_args_is_help=True)


@app.command("install", epilog="Example: fl-client service install --camera 0")
def install_service(
    home: HomeOption = DEFAULT_HOME,
    camera: Annotated[str, typer.Option(help="As for `fl-client run`.")] = "0",
    labels: Annotated[Path | None, typer.Option(help="As for `fl-client run`.")] = None,
    printed: Annotated[
        str | None, typer.Option("--print", help="Only print the file for systemd, launchd, windows, or here.")
    ] = None,
) -> None:
    """Start `fl-client run` now and at every login, at low priority, again where it fails."""
    from fl_client.home import Home, load_enrolment
    from fl_client.service.job import job_for
    from fl_client.service.managing import MANAGERS, install, manager_here

    options = ["--camera", _absolute(camera), *(["--labels", str(labels.absolute())] if labels else [])]
    job = job_for(home, DEFAULT_HOME, options)
    if printed is not None:
        if printed not in {"here", *MANAGERS}:
            raise UsageError(f"There is no service manager '{printed}'", fix=f"Use here, {', '.join(MANAGERS)}")
        text = (manager_here() if printed == "here" else MANAGERS[printed]).text(job)
        sys.stdout.write(text.decode("utf-16" if text[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"))
        return
    load_enrolment(Home(home))
    file = install(manager_here(), job, home.absolute())
    out.print(f"Installed and started: {shown(str(file))}. `fl-client service remove` takes it away.", soft_wrap=True)


@app.command("remove", epilog="Example: fl-client service remove")
def remove_service(home: HomeOption = DEFAULT_HOME) -> None:
    """Stop the service and take it away; the device stays enrolled, and nothing is deleted."""
    from fl_client.service.job import label_of
    from fl_client.service.managing import manager_here, remove

    gone = remove(manager_here(), label_of(home, DEFAULT_HOME), home.absolute())
    out.print("Removed. `fl-client run` still works by hand." if gone else "There is no service for this device.")


@app.command("status", epilog="Example: fl-client service status --json")
def service_status(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Whether the service is installed, begins at every login, and runs now."""
    from fl_client.service.job import label_of
    from fl_client.service.managing import facts, manager_here

    found = facts(manager_here(), label_of(home, DEFAULT_HOME), home.absolute())
    if as_json:
        print_json(found)
        return
    enabled = {True: "yes", False: "no", None: f"{found['manager']} does not answer"}[found["enabled"]]
    out.print(f"Installed: {'yes' if found['installed'] else 'no'} ({shown(found['file'])})", soft_wrap=True)
    out.print(f"At every login: {enabled}")
    out.print(f"Running: {'yes' if found['running'] else 'no'}")


def _absolute(camera: str) -> str:
    return camera if camera.isdecimal() else str(Path(camera).absolute())

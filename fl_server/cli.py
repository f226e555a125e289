"""The operator's command line."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.markup import escape

from fl_server.backup.cli import app as backups
from fl_server.evaluation.cli import app as evaluations
from fl_server.folder import FederationFolder
from fl_server.models.cli import app as models
from fl_server.settings import load_settings, parse_entries
from shared_models import commandline
from shared_models.commandline import out, print_json
from shared_models.data.sources import HELP
from shared_models.errors import UsageError

if TYPE_CHECKING:
    from fl_server.certificates import Brought

app = commandline.program("Attune's server: a federation that learns from laptops without their pictures.")

app.add_typer(backups)
app.add_typer(evaluations)
app.add_typer(models, name="models")
devices_app = typer.Typer(help="The devices of a federation.", no_args_is_help=True)
app.add_typer(devices_app, name="devices")

Directory = Annotated[Path, typer.Argument(help="The federation's folder.")]
ChainOption = Annotated[
    Path | None, typer.Option("--certificate", help="Your own certificate chain in PEM, its authority last.")
]
ChainKeyOption = Annotated[Path | None, typer.Option("--certificate-key", help="The key of that certificate in PEM.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
_DAY_SECONDS = 24 * 3600
_FORMATS = "html, pdf, json, bundle, model-card, data-sheet or opendp."


def run() -> NoReturn:
    commandline.run(app)


@app.command(epilog="Example: fl-server init study --set policy.epsilon=4 --set server.host=fl.example.org")
def init(
    directory: Directory,
    entry: Annotated[
        list[str] | None, typer.Option("--set", help="An entry of federation.toml, as section.name=value.")
    ] = None,
    certificate: ChainOption = None,
    certificate_key: ChainKeyOption = None,
) -> None:
    """Make a federation: settings, keys and certificates."""
    from fl_server.setup import create_federation

    settings = create_federation(directory, parse_entries(entry or []), _brought(certificate, certificate_key))
    policy = settings.privacy_policy()
    out.print(f"Made the federation [bold]{settings.study.id}[/] in {directory}")
    for mechanism in policy.mechanisms:
        out.print(
            f"Noise multiplier {mechanism.sigma:.4f} for each {mechanism.unit}: epsilon {policy.epsilon:g},"
            f" delta {policy.delta:g}, over {policy.lifetime_rounds} rounds of {policy.steps} steps"
        )
    out.print(f"Look through {directory / 'federation.toml'}, then `fl-server invite {directory}`.")


@app.command(epilog="Example: fl-server invite study --count 20")
def invite(
    directory: Directory,
    count: Annotated[int, typer.Option(min=1, max=10_000, help="How many invitations.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=365, help="How long they are valid.")] = 14,
    replaces: Annotated[
        str | None, typer.Option(help="A device that the invited one takes the place of, with what it has spent.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print one-time invitations, one a line. Each enrols one device."""
    from fl_server.certificates import ca_fingerprint
    from fl_server.devices import require_known
    from fl_server.enrolment.registry import Registry
    from shared_models.enrolment.invitation import Invitation

    folder = FederationFolder(directory)
    server = load_settings(folder.settings).server
    registry, fingerprint = Registry(folder.enrolment), ca_fingerprint(folder)
    if replaces is not None:
        if count > 1:
            raise UsageError("One device is replaced by one", fix="Leave out --count")
        require_known(folder, [replaces])
    lines = []
    for _ in range(count):
        secret, expires = registry.invite(days * _DAY_SECONDS, replaces)
        invitation = Invitation(
            address=f"{server.host}:{server.enrolment_port}",
            ca_sha256=fingerprint,
            secret=secret.hex(),
            expires=expires,
        )
        lines.append(invitation.encode())
    if as_json:
        print_json({"invitations": lines})
    else:
        for line in lines:
            out.print(line, soft_wrap=True)


@devices_app.command("list", epilog="Example: fl-server devices list study --json")
def list_devices(directory: Directory, as_json: JsonOption = False) -> None:
    """Every device that ever enrolled: since when, how often it took part, and whether it has left."""
    from fl_server.devices import device_facts, device_table

    rows = device_facts(FederationFolder(directory))
    if as_json:
        print_json([row.model_dump(mode="json") for row in rows])
    else:
        out.print(device_table(rows) if rows else "Nobody has enrolled yet.")


@devices_app.command("remove", epilog="Example: fl-server devices remove study 3c6c8b98")
def remove_devices(
    directory: Directory,
    pseudonyms: Annotated[list[str], typer.Argument(help="Devices, as `devices list` names them.")],
) -> None:
    """Let devices take part no more, for good. A running server notices within two seconds."""
    from fl_server.devices import remove

    gone = remove(FederationFolder(directory), pseudonyms)
    out.print(f"Removed: {', '.join(gone)}." if gone else "They had left already.")


@app.command(epilog="Example: fl-server start study --rounds 10")
def start(
    directory: Directory,
    rounds: Annotated[int | None, typer.Option(min=1, help="Total number of rounds, also when resuming.")] = None,
) -> None:
    """Run the federation in the foreground until the last round or Ctrl-C; go on where it stopped."""
    from fl_server.leaving import leave_soon
    from fl_server.live import LiveTable
    from fl_server.server import Server
    from shared_models.files import only_one
    from shared_models.resources import use_one_core

    use_one_core()
    folder = FederationFolder(directory)
    settings = load_settings(folder.settings)
    commandline.log_to(folder.log)
    with (
        only_one(folder.lock, f"A server on {directory}"),
        LiveTable(settings.study.title, settings.policy.epsilon) as table,
    ):
        server = Server(folder, settings, table)
        for received in (signal.SIGINT, signal.SIGTERM):
            signal.signal(received, lambda *_: leave_soon(server.stop))
        server.run(rounds or settings.rounds.rounds)


@app.command(epilog="Example: fl-server status study --json")
def status(directory: Directory, as_json: JsonOption = False) -> None:
    """Where the federation stands: what the server does, devices, rounds, scores, budget spent."""
    from fl_server.show_status import show_status
    from fl_server.status import read_status

    facts = read_status(FederationFolder(directory))
    if as_json:
        print_json(facts.model_dump())
    else:
        show_status(facts, out)


@app.command(epilog="Example: fl-server plan study --devices 20 --out plan.html")
def plan(
    directory: Directory,
    devices: Annotated[int | None, typer.Option(min=1, help="Devices that take part in a round.")] = None,
    utility: Annotated[Path | None, typer.Option(help="A table of simulated studies in CSV.")] = None,
    file: Annotated[Path | None, typer.Option("--out", help="Also write a page: .html or .pdf.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What the policy will cost and is expected to bring, before anyone is asked for consent."""
    from fl_server.plan.make import make_plan
    from fl_server.plan.show import show_plan
    from fl_server.plan.utility import SHIPPED, load_utility
    from fl_server.plan.write import write_page
    from fl_server.policy_in_force import policy_in_force

    folder = FederationFolder(directory)
    settings = load_settings(folder.settings)
    studies = load_utility(utility or SHIPPED, settings.model.name, settings.model.scheme, settings.model.trainable)
    made = make_plan(settings, policy_in_force(folder, settings), studies, devices or settings.rounds.min_devices)
    if file is not None:
        write_page(made, file)
    if as_json:
        print_json(made.model_dump())
    else:
        show_plan(made, out)


@app.command(epilog="Example: fl-server report study --format pdf --out report.pdf")
def report(
    directory: Directory,
    format_: Annotated[str, typer.Option("--format", help=_FORMATS)] = "html",
    file: Annotated[Path | None, typer.Option("--out", help="Where to write it.")] = None,
    supersedes: Annotated[str | None, typer.Option(help="Id of the report that this one replaces.")] = None,
) -> None:
    """Write the privacy-budget report, or a document that is made from it, from the ledger and the checkpoints."""
    from fl_server.report.assemble import build_with_record
    from fl_server.report.formats import FORMATS
    from shared_models.files import atomic_write

    if format_ not in FORMATS:
        raise UsageError(f"There is no report format '{format_}'", fix=f"Use one of: {', '.join(FORMATS)}")
    chosen = FORMATS[format_]
    folder = FederationFolder(directory)
    document, record = build_with_record(folder, supersedes)
    path = file or directory / chosen.file
    atomic_write(path, chosen.write(document, record, folder), 0o644)
    for alert in document.report.alerts:
        out.print(f"Draft: {escape(alert)}", soft_wrap=True)
    out.print(f"The report is in {path}", soft_wrap=True)


@app.command(epilog="Example: fl-server verify bundle.zip --key 3f0c...")
def verify(
    bundle: Annotated[Path, typer.Argument(help="A file that `fl-server report --format bundle` wrote.")],
    key: Annotated[str | None, typer.Option(help="The server's public key in hex, from elsewhere.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a bundle of evidence offline: chains, signatures, receipts, and that every figure follows."""
    from fl_server.verify.show import verify_and_show

    verify_and_show(bundle, key, as_json)


@app.command(epilog="Example: fl-server renew study")
def renew(directory: Directory, certificate: ChainOption = None, certificate_key: ChainKeyOption = None) -> None:
    """Put a new server certificate in place, from the federation's own authority or brought; devices stay enrolled."""
    from fl_server.certificates import issue_server_certificate, take_certificate

    folder = FederationFolder(directory)
    host, brought = load_settings(folder.settings).server.host, _brought(certificate, certificate_key)
    if brought is None:
        issue_server_certificate(folder, host)
    else:
        take_certificate(folder, host, brought)
    out.print("A new certificate is in place. A running server uses it within a minute.")


@app.command(epilog="Example: fl-server pretrain study --data ferplus:faces --set frame_epochs=40")
def pretrain(
    directory: Directory,
    data: Annotated[list[str] | None, typer.Option(help=f"{HELP} Can be given again; else synthetic.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.")] = 0,
    file: Annotated[Path | None, typer.Option("--out", help="Where the weights go.")] = None,
    encoder: Annotated[Path | None, typer.Option(help="Weights whose encoder is kept; else it is trained.")] = None,
    backbone: Annotated[
        Path | None, typer.Option(help="torchvision's weights, from which training the encoder begins.")
    ] = None,
    entry: Annotated[list[str] | None, typer.Option("--set", help="An entry of the recipe, as name=value.")] = None,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Processor threads.")] = 1,
) -> None:
    """Train starting weights on public or rendered data; put their path under model.initial."""
    from fl_server.pretraining import Order
    from fl_server.pretraining.recipe import recipe_with
    from fl_server.pretraining.show import pretrain_and_show

    if encoder and backbone:
        raise UsageError("An encoder that is kept does not begin anywhere", fix="Give --encoder or --backbone")
    settings = load_settings(FederationFolder(directory).settings).model
    recipe = parse_entries([f"recipe.{text}" for text in entry or []]).get("recipe", {})
    path = file or directory / "pretrained.safetensors"
    order = Order(
        settings.name, settings.scheme, tuple(data or ["synthetic"]), seed, recipe_with(recipe), encoder, backbone
    )
    pretrain_and_show(path, order, threads)


def _brought(chain: Path | None, key: Path | None) -> "Brought | None":
    from fl_server.certificates import Brought

    if chain is None and key is None:
        return None
    if chain is None or key is None:
        raise UsageError("A certificate and its key belong together", fix="Give --certificate and --certificate-key")
    return Brought(chain, key)

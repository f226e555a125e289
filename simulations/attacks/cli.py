"""`fl-sim attack ...`"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared_models import commandline
from shared_models.commandline import out, print_json
from simulations.options import Data, Gradients, Init, JsonOption, PolicyEntries, RunEntries, Trainable

if TYPE_CHECKING:
    from simulations.attacks.arena import Scenario

app = typer.Typer(help="Attacks on Attune's own code, against what it claims.", no_args_is_help=True)
Clients = Annotated[int, typer.Option(min=2, help="Devices, all of which take part in every round.")]
PerClient = Annotated[int, typer.Option(min=1, help="Sequences of one device.")]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds of a federation.")]
Shares = Annotated[
    list[float] | None, typer.Option("--share", help="Share of the devices that attack; 0.1 and 0.2 where not given.")
]
Defences = Annotated[
    list[str] | None,
    typer.Option(
        "--defence", help="none, noise, norm-bound, default, trimmed-mean, median or all; each where not given."
    ),
]
Epsilon = Annotated[float, typer.Option(help="Lifetime epsilon where there is noise.")]
Delta = Annotated[float, typer.Option(help="Lifetime delta where there is noise.")]
Seeds = Annotated[int, typer.Option(min=1, help="Repetitions, each with other people, noise and attackers.")]
_SHARES = (0.1, 0.2)
FirstSeed = Annotated[int, typer.Option(min=0, help="The first seed.")]


@app.command("audit", epilog="Example: fl-sim attack audit --epsilon 1 --canaries 1000")
def attack_audit_(
    data: Data = "synthetic",
    canaries: Annotated[int, typer.Option(min=1, help="Sequences planted, each put in or left out by a coin.")] = 1000,
    rounds: Annotated[int, typer.Option(min=1, help="Participations of a device's life.")] = 6,
    epsilon: Annotated[float, typer.Option(help="The lifetime epsilon that is claimed.")] = 8.0,
    delta: Annotated[float, typer.Option(help="The lifetime delta that is claimed.")] = 1e-5,
    trainable: Trainable = "classifier",
    init: Init = "starter",
    entry: PolicyEntries = None,
    gradients: Annotated[Gradients, typer.Option(help="Engine of per-sequence gradients.")] = Gradients.FAST,
    seed: Annotated[int, typer.Option(min=0, help="Seed of coins, canaries and simulated noise.")] = 0,
    directory: Annotated[Path, typer.Option("--out", help="Where audit.json goes.")] = Path("runs/audit"),
    as_json: JsonOption = False,
) -> None:
    """Plant canaries, train by the client's own code for a device's life, and hold the leakage against the claim."""
    from fl_server.settings import policy_settings
    from simulations.attacks.audit import AuditOptions, raise_if_violated, run_audit

    policy = policy_settings(entry or [], epsilon=epsilon, delta=delta)
    options = AuditOptions(data, canaries, rounds, policy, trainable, init, gradients.value, seed)
    with commandline.progress_by_stage() as follow:
        result = run_audit(options, directory, partial(follow, "uploads"))
    if as_json:
        print_json(result)
    else:
        _print_audit(result, directory)
    raise_if_violated(result)


@app.command("inversion", epilog="Example: fl-sim attack inversion --victims 3 --out runs/inversion")
def attack_inversion_(
    data: Data = "synthetic",
    victims: Annotated[int, typer.Option(min=1, help="Devices whose single upload is attacked.")] = 5,
    crowd: Annotated[int, typer.Option(min=2, help="People among whom a victim is looked for.")] = 20,
    iterations: Annotated[int, typer.Option(min=1, help="Steps of the attacker's search.")] = 150,
    epsilon: Annotated[float, typer.Option(help="Lifetime epsilon of one sequence.")] = 8.0,
    delta: Annotated[float, typer.Option(help="Lifetime delta of one sequence.")] = 1e-5,
    trainable: Trainable = "all",
    init: Init = "random",
    entry: PolicyEntries = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of people, weights and simulated noise.")] = 0,
    directory: Annotated[Path, typer.Option("--out", help="Where pictures and inversion.json go.")] = Path(
        "runs/inversion"
    ),
    as_json: JsonOption = False,
) -> None:
    """Rebuild faces from single uploads, without and with the policy's noise, and count who can be recognised."""
    from fl_server.settings import policy_settings
    from simulations.attacks.inversion import InversionOptions, run_inversion

    policy = policy_settings(entry or [], epsilon=epsilon, delta=delta)
    options = InversionOptions(data, victims, crowd, iterations, policy, trainable, init, seed)
    with commandline.progress_by_stage() as follow:
        result = run_inversion(options, directory, partial(follow, "victims"))
    if as_json:
        print_json(result)
    else:
        _print_inversion(result, directory)


@app.command("membership", epilog="Example: fl-sim attack membership --epsilon 8 --epsilon 1")
def attack_membership_(
    data: Data = "synthetic",
    people: Annotated[int, typer.Option(min=1, help="Devices of a federation.")] = 3,
    per_person: Annotated[int, typer.Option(help="Sequences of a person; a federation has about half of them.")] = 8,
    models: Annotated[int, typer.Option(help="Federations of the same people; an even number.")] = 8,
    pools: Annotated[int, typer.Option(min=1, help="Repetitions with other people.")] = 4,
    rounds: Rounds = 6,
    epsilon: Annotated[
        list[float] | None, typer.Option(help="Lifetime epsilon of one sequence; 8 and 1 where not given.")
    ] = None,
    delta: Annotated[float, typer.Option(help="Lifetime delta of one sequence.")] = 1e-5,
    trainable: Trainable = "classifier",
    init: Init = "starter",
    entry: PolicyEntries = None,
    seed: FirstSeed = 0,
    directory: Annotated[Path, typer.Option("--out", help="Where membership.json goes.")] = Path("runs/membership"),
    as_json: JsonOption = False,
) -> None:
    """Tell trained sequences from others by the final model, without noise and with it, beside what epsilon allows."""
    from fl_server.settings import policy_settings
    from simulations.attacks.membership import run_membership
    from simulations.attacks.pool import MEMORISING, MembershipOptions

    policy = policy_settings(entry or [], delta=delta, **MEMORISING)
    epsilons = tuple(epsilon or (8.0, 1.0))
    options = MembershipOptions(
        data, people, per_person, models, pools, rounds, epsilons, policy, trainable, init, seed
    )
    with commandline.progress_by_stage() as follow:
        result = run_membership(options, directory, follow)
    if as_json:
        print_json(result)
    else:
        _print_membership(result, directory)


@app.command("poisoning", epilog="Example: fl-sim attack poisoning --attack backdoor --share 0.2 --defence median")
def attack_poisoning_(
    attack: Annotated[
        list[str] | None,
        typer.Option(help="label-flip, sign-flip, scaled or backdoor; all four where not given."),
    ] = None,
    share: Shares = None,
    defence: Defences = None,
    data: Data = "synthetic",
    clients: Clients = 20,
    per_client: PerClient = 40,
    rounds: Rounds = 6,
    epsilon: Epsilon = 8.0,
    delta: Delta = 1e-5,
    trainable: Trainable = "classifier",
    init: Init = "starter",
    entry: RunEntries = None,
    seeds: Seeds = 3,
    seed: FirstSeed = 0,
    directory: Annotated[Path, typer.Option("--out", help="Where poisoning.json goes.")] = Path("runs/poisoning"),
    as_json: JsonOption = False,
) -> None:
    """Let some devices make the model worse or obey a trigger, and measure the harm under each defence."""
    from simulations.attacks.harm import POISONING, HarmOptions, run_harm

    scenario = _scenario(data, clients, per_client, rounds, epsilon, delta, trainable, init, entry)
    options = HarmOptions(scenario, tuple(attack or ()), tuple(share or _SHARES), tuple(defence or ()), seeds, seed)
    with commandline.progress_by_stage() as follow:
        result = run_harm(POISONING, options, directory, partial(follow, "federations"))
    _print_harm(result, as_json, directory / "poisoning.json")


@app.command("free-riders", epilog="Example: fl-sim attack free-riders --attack zeros --share 0.5")
def attack_free_riders_(
    attack: Annotated[
        list[str] | None, typer.Option(help="zeros, random or old-update; all three where not given.")
    ] = None,
    share: Shares = None,
    defence: Defences = None,
    data: Data = "synthetic",
    clients: Clients = 20,
    per_client: PerClient = 40,
    rounds: Rounds = 6,
    epsilon: Epsilon = 8.0,
    delta: Delta = 1e-5,
    trainable: Trainable = "classifier",
    init: Init = "starter",
    entry: RunEntries = None,
    seeds: Seeds = 3,
    seed: FirstSeed = 0,
    directory: Annotated[Path, typer.Option("--out", help="Where free-riders.json goes.")] = Path("runs/free-riders"),
    as_json: JsonOption = False,
) -> None:
    """Let some devices take the model and give nothing for it, and measure what that costs the others."""
    from simulations.attacks.harm import FREE_RIDING, HarmOptions, run_harm

    scenario = _scenario(data, clients, per_client, rounds, epsilon, delta, trainable, init, entry)
    options = HarmOptions(scenario, tuple(attack or ()), tuple(share or _SHARES), tuple(defence or ()), seeds, seed)
    with commandline.progress_by_stage() as follow:
        result = run_harm(FREE_RIDING, options, directory, partial(follow, "federations"))
    _print_harm(result, as_json, directory / "free-riders.json")


@app.command("table", epilog="Example: fl-sim attack table --seeds 1 --out runs/harm")
def attack_table_(
    share: Shares = None,
    data: Data = "synthetic",
    clients: Clients = 20,
    per_client: PerClient = 40,
    rounds: Rounds = 6,
    epsilon: Epsilon = 8.0,
    delta: Delta = 1e-5,
    trainable: Trainable = "classifier",
    init: Init = "starter",
    entry: RunEntries = None,
    seeds: Seeds = 3,
    seed: FirstSeed = 0,
    directory: Annotated[Path, typer.Option("--out", help="Where table.json, .csv and .md go.")] = Path("runs/attacks"),
    as_json: JsonOption = False,
) -> None:
    """Run every attack under every defence, small, and write one table of harm."""
    from simulations.attacks.harm import HarmOptions
    from simulations.attacks.table import run_table

    scenario = _scenario(data, clients, per_client, rounds, epsilon, delta, trainable, init, entry)
    options = HarmOptions(scenario, (), tuple(share or _SHARES), (), seeds, seed)
    with commandline.progress_by_stage() as follow:
        result = run_table(options, directory, follow)
    _print_harm(result, as_json, directory / "table.json")


def _scenario(
    data: str,
    clients: int,
    per_client: int,
    rounds: int,
    epsilon: float,
    delta: float,
    trainable: str,
    init: str,
    entry: list[str] | None,
) -> "Scenario":
    """The federation that is attacked; what the trimmed mean leaves out is enough for the largest default share."""
    from simulations.algorithms import settings_for
    from simulations.attacks.arena import Scenario

    entries = [f"aggregation.trim={max(_SHARES)}", *(entry or [])]
    policy, aggregation = settings_for("fedavg", entries, epsilon=epsilon, delta=delta)
    return Scenario(data, clients, per_client, rounds, policy, aggregation, trainable, init)


def _print_membership(result: dict[str, Any], directory: Path) -> None:
    from rich.table import Table

    scores = result["scores"]
    table = Table(title=f"{scores['members']} members, {scores['others']} others; 95 %", title_justify="left")
    for column in ("", "AUC", "at most", "found at 1 % false alarms", "at most"):
        table.add_column(column, justify="right" if column else "left")
    for name, case in result["cases"].items():
        cells = []
        for figure in ("auc", "tpr_at_1_fpr"):
            found, limit = case[figure], case["at_most"][figure]
            cells.append(f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})")
            cells.append("-" if limit is None else f"{limit:.3f}")
        table.add_row(name.replace("_", " "), *cells)
    out.print(table)
    out.print(f"The result is in {directory / 'membership.json'}", soft_wrap=True)


def _print_harm(result: dict[str, Any], as_json: bool, path: Path) -> None:
    from rich import box
    from rich.table import Table

    from simulations.attacks.layout import heading, rows_of

    if as_json:
        print_json(result)
        return
    rows = rows_of(result["cells"])
    defences, title = heading(rows)[3:], f"Seeds: {len(result['seeds'])}. Mean and standard deviation, in percent"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("attack", no_wrap=True)
    for defence in defences:
        table.add_column(defence.replace("-", "-\n"), justify="right")
    for row in rows:
        attack, share, measure, *figures = row.texts(defences)
        table.add_row(f"{attack} {share}\n{measure}", *(figure.replace(" ± ", "\n± ") for figure in figures))
    out.print(table)
    out.print(f"The result is in {path}", soft_wrap=True)


def _print_audit(result: dict[str, Any], directory: Path) -> None:
    claim, mu, one_run, noise = result["claim"], result["mu"], result["one_run"], result["noise"]
    planted = result["canaries"]
    out.print(f"{planted['planted']} canaries on {planted['devices']} devices, {planted['included']} of them put in")
    claimed = "none with sampling" if claim["mu"] is None else f"{claim['mu']:.3f}"
    implied = "beyond any figure" if mu["epsilon_of_lower_95"] is None else f"{mu['epsilon_of_lower_95']:.2f}"
    out.print(f"mu claimed {claimed}; estimated {mu['estimate']:.3f}, at least {mu['lower_95']:.3f} (95 %)")
    out.print(f"epsilon claimed {claim['epsilon']:.2f}, delta {claim['delta']:g}; at least {implied} by mu (95 %)")
    out.print(f"at least {one_run['epsilon']:.2f} by {one_run['correct']} right of {one_run['guesses']} guesses (95 %)")
    out.print(f"noise {noise['scale']:.3f} times the claimed; any two uploads correlate {noise['correlation']:.3f}")
    out.print(f"Verdict: {result['verdict']}", *result["violations"])
    out.print(f"The result is in {directory / 'audit.json'}", soft_wrap=True)


def _print_inversion(result: dict[str, Any], directory: Path) -> None:
    from rich.table import Table

    table = Table(title=f"{len(result['victims'])} victims among {result['crowd']} people", title_justify="left")
    for column in ("", "recognised", "chance", "likeness", "label found", "state found"):
        table.add_column(column, justify="right" if column else "left")
    for name, summary in result["summary"].items():
        figures = ("identified", "chance", "median_correlation", "label_found", "median_pooled_state_correlation")
        table.add_row(name.replace("_", " "), *(f"{summary[figure]:.2f}" for figure in figures))
    out.print(table)
    out.print(f"Pictures and inversion.json are in {directory}", soft_wrap=True)

"""The researcher's command line."""

import signal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from shared_models import commandline
from shared_models.commandline import err, out, print_json
from shared_models.data.sources import HELP
from shared_models.errors import UsageError
from simulations.attacks.cli import app as attack_app
from simulations.options import Data, Gradients, Init, JsonOption, RunEntries, Trainable

app = commandline.program("Attune's simulations: what a study would cost and bring, before anyone is asked.")
bench_app = typer.Typer(help="Measurements of Attune's own code, as ratios inside one run.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")
app.add_typer(attack_app, name="attack")


_HOLDOUT = 0.2
PopulationTraits = Annotated[
    list[str] | None,
    typer.Option(help="label-skew, quantity-skew, feature-shift or personal-priors; with :NUMBER for how much."),
]
AvailabilityModels = Annotated[
    list[str] | None,
    typer.Option(help="diurnal, drop-out, stragglers, late-joiners or withdrawals; with :NUMBER for how much."),
]


Survivors = Annotated[
    float | None,
    typer.Option(min=0.01, max=1.0, help="min_survivors as a share of the cohort; run takes 0.8 for participants."),
]
Axis = Annotated[str | None, typer.Option(help="Values of this axis, with commas between them.")]


class Unit(StrEnum):
    SEQUENCE = "sequence"
    PARTICIPANT = "participant"
    NONE = "none"


class Scheme(StrEnum):
    BASIC_7 = "basic-7"
    BASIC_8 = "basic-8"
    LEARNER = "learner-4x4"


class Split(StrEnum):
    PEOPLE = "people"
    RANDOM = "random"


class Engine(StrEnum):
    LOCAL = "local"
    FLOWER = "flower"


def run() -> NoReturn:
    commandline.run(app)


@app.command("run", epilog="Example: fl-sim run --data ferplus:faces --clients 20 --rounds 10 --epsilon 8")
def run_(
    data: Data = "synthetic",
    clients: Annotated[str, typer.Option(help="Number of clients, or by-subject.")] = "4",
    cohort: Annotated[int | None, typer.Option(min=1, help="Clients a round; all where not given.")] = None,
    per_client: Annotated[int, typer.Option(min=1, help="The most sequences of one client.")] = 60,
    alpha: Annotated[float, typer.Option(min=0.001, help="Label skew (Dirichlet); small is strong.")] = 1.0,
    holdout: Annotated[
        float | None, typer.Option(help="Share of people to score on, where there are people; 0.2 where not given.")
    ] = None,
    split: Annotated[
        Split, typer.Option(help="people; or random, which holds out sequences whosoever they are and says so.")
    ] = Split.PEOPLE,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Hold out this many parts of the people in turn, instead of a share.")
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="Rounds, and each client's lifetime participations; 6, or 10 for participants."),
    ] = None,
    unit: Annotated[Unit, typer.Option(help="What the noise protects; none trains without noise.")] = Unit.SEQUENCE,
    epsilon: Annotated[float, typer.Option(help="Lifetime epsilon of each protected unit.")] = 8.0,
    delta: Annotated[float, typer.Option(help="Lifetime delta of each protected unit.")] = 1e-5,
    survivors: Survivors = None,
    scheme: Annotated[
        Scheme | None, typer.Option(help="Label scheme; the one that the data comes in where not given.")
    ] = None,
    model: Annotated[str, typer.Option(help="Model by name, such as rnn or cnn-gru; see docs/models.md.")] = "cnn-lstm",
    trainable: Trainable = "classifier",
    init: Init = "starter",
    population: PopulationTraits = None,
    availability: AvailabilityModels = None,
    algorithm: Annotated[
        str | None,
        typer.Option(help="fedavg, fedprox, fedavgm or fedadam; fedavg, or fedavgm for participants."),
    ] = None,
    entry: RunEntries = None,
    gradients: Annotated[Gradients, typer.Option(help="Engine of per-sequence gradients.")] = Gradients.FAST,
    no_baseline: Annotated[bool, typer.Option("--no-baseline", help="Leave out the run without noise.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of population, sampling and simulated noise.")] = 0,
    engine: Annotated[Engine, typer.Option(help="local, or flower: Flower's engine on Ray.")] = Engine.LOCAL,
    workers: Annotated[int, typer.Option(min=0, help="Processes that train clients; 0 for this one.")] = 0,
    directory: Annotated[Path, typer.Option("--out", help="Where result.json goes.")] = Path("runs/sim"),
    as_json: JsonOption = False,
) -> None:
    """Simulate a federation, privately and without noise, and score both on held-out data."""
    if folds and holdout is not None:
        raise UsageError("People are held out by --holdout or by --folds, not by both")
    if folds and split is Split.RANDOM:
        raise UsageError("Folds are of people: a random split has none", fix="Leave out --folds, or --split random")
    from simulations.algorithms import settings_for
    from simulations.defaults import defaults_for
    from simulations.populations import Plan
    from simulations.run import Options, run_simulation

    entries, defaults = entry or [], defaults_for(unit)
    if any(text.startswith("min_survivors=") for text in entries):
        if survivors is not None:
            raise UsageError("--survivors and --set min_survivors=... say the same in two ways", fix="Leave out one")
    elif survivors is None:
        survivors = defaults.survivors
    protected = Unit.SEQUENCE if unit is Unit.NONE else unit
    share = _HOLDOUT if holdout is None else holdout
    policy, aggregation = settings_for(
        algorithm or defaults.algorithm,
        entries,
        unit=protected,
        epsilon=epsilon,
        delta=delta,
        max_sequences=per_client,
        **defaults.policy,
    )
    options = Options(
        data=data,
        plan=Plan(clients, per_client, alpha, share, seed, tuple(population or []), split is Split.RANDOM),
        folds=folds or 1,
        cohort=cohort,
        rounds=rounds or defaults.rounds,
        unit=unit.value,
        gradients=gradients.value,
        policy=policy,
        model=model,
        trainable=trainable,
        initial=init,
        baseline=not no_baseline,
        engine=engine.value,
        workers=workers,
        aggregation=aggregation,
        availability=tuple(availability or []),
        scheme=scheme,
        survivors=survivors,
    )
    with commandline.progress_by_stage() as follow:
        result = run_simulation(options, directory, follow)
    if as_json:
        print_json(result)
    else:
        _print(result, directory)


@app.command("sweep", epilog="Example: fl-sim sweep --epsilon 1,2,4,8 --clients 10,50 --seed 0,1,2 --workers 2")
def sweep_(
    file: Annotated[Path | None, typer.Argument(help="A sweep in TOML; options go before what is in it.")] = None,
    unit: Axis = None,
    epsilon: Axis = None,
    clients: Axis = None,
    cohort: Axis = None,
    rounds: Axis = None,
    trainable: Axis = None,
    algorithm: Axis = None,
    seed: Axis = None,
    data: Annotated[str | None, typer.Option(help=HELP)] = None,
    init: Annotated[str | None, typer.Option(help="starter, random or a weights file.")] = None,
    per_client: Annotated[int | None, typer.Option(min=1, help="The most sequences of one client.")] = None,
    delta: Annotated[float | None, typer.Option(help="Lifetime delta of each protected unit.")] = None,
    population: PopulationTraits = None,
    availability: AvailabilityModels = None,
    survivors: Survivors = None,
    entry: RunEntries = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that measure points.")] = 1,
    directory: Annotated[Path, typer.Option("--out", help="Where table, pictures and summary go.")] = Path(
        "runs/sweep"
    ),
    as_json: JsonOption = False,
) -> None:
    """Simulate every combination of the axes; goes on where it was interrupted, and writes one table of them all."""
    from simulations.sweep.grid import load_sweep
    from simulations.sweep.run import raise_if_failed, run_sweep

    axes = {
        "unit": unit,
        "epsilon": epsilon,
        "clients": clients,
        "cohort": cohort,
        "rounds": rounds,
        "trainable": trainable,
        "algorithm": algorithm,
        "seed": seed,
    }
    given = {
        "data": data,
        "init": init,
        "per_client": per_client,
        "delta": delta,
        "population": population,
        "availability": availability,
        "survivors": survivors,
    }
    sweep = load_sweep(file, given, axes, entry or [])
    try:
        with commandline.progress_by_stage() as follow:
            swept = run_sweep(sweep, directory, workers, follow)
    except KeyboardInterrupt:
        err.print(f"Interrupted. The same command goes on with what is finished in {directory}")
        raise
    if as_json:
        print_json(swept.to_dict())
    else:
        out.print(f"{len(swept.rows)} of {swept.points} points are in {directory / 'results.csv'}", soft_wrap=True)
        out.print(f"The summary is in {directory / 'summary.md'}", soft_wrap=True)
    raise_if_failed(swept)


@bench_app.command("dp", epilog="Example: fl-sim bench dp --json")
def bench_dp_(as_json: JsonOption = False) -> None:
    """Measure what exact private training costs beside ordinary training, in time and memory."""
    from simulations.bench.dp import bench_dp

    with commandline.progress_by_stage() as follow:
        measured = bench_dp(follow)
    _print_rows(measured["cases"], as_json, "CPU time against batched SGD of the same model; peak memory in MiB")


@bench_app.command("accounting", epilog="Example: fl-sim bench accounting --json")
def bench_accounting_(as_json: JsonOption = False) -> None:
    """Measure how long 200 rounds take to account, beside the other accountants."""
    from simulations.bench.accounting import bench_accounting

    with commandline.progress_by_stage() as follow:
        measured = bench_accounting(follow)
    _print_rows(measured["cases"], as_json, "Epsilon of a device's life at delta 1e-5; wall seconds")


@bench_app.command("engines", epilog="Example: fl-sim bench engines --json")
def bench_engines_(
    clients: Annotated[int, typer.Option(min=1, help="Clients of 20 sequences each.")] = 100,
    cohort: Annotated[int, typer.Option(min=2, help="Clients a round.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Measure what the engines cost beside a plain loop that does only their arithmetic: CPU seconds and memory."""
    from simulations.bench.engines import Size, bench_engines

    with commandline.progress_by_stage() as follow:
        measured = bench_engines(follow, Size(clients, cohort, rounds))
    if as_json:
        print_json(measured)
    else:
        _print_engines(measured)


@bench_app.command("aggregation", epilog="Example: fl-sim bench aggregation --json")
def bench_aggregation_(
    clients: Annotated[int, typer.Option(min=1, help="Updates in the round.")] = 200,
    parameters: Annotated[int, typer.Option(min=1, help="Numbers in one update.")] = 5_000_000,
    as_json: JsonOption = False,
) -> None:
    """Measure what it costs to add up a round's updates, beside Flower's FedAvg: CPU time and peak memory."""
    from simulations.bench.aggregation import bench_aggregation

    with commandline.progress_by_stage() as follow:
        measured = bench_aggregation(follow, clients, parameters)
    if as_json:
        print_json(measured)
        return
    rows = [
        {"name": "Attune", "seconds": measured["seconds"], "peak_mib": measured["peak_mib"]},
        {"name": "FedAvg", "seconds": measured["fedavg_seconds"], "peak_mib": measured["fedavg_peak_mib"]},
    ]
    _print_rows(rows, as_json, f"{clients} updates of {parameters} numbers; CPU seconds, peak memory in MiB")


@bench_app.command("transport", epilog="Example: fl-sim bench transport --devices 1000 --cohort 200 --json")
def bench_transport_(
    devices: Annotated[int, typer.Option(min=2, help="Devices that are enrolled and ask for tasks.")] = 1000,
    cohort: Annotated[int, typer.Option(min=2, help="Devices that get a task in each round.")] = 200,
    rounds: Annotated[int, typer.Option(min=2, help="Rounds, with a pause of two polls between them.")] = 3,
    update_mb: Annotated[float, typer.Option(help="The least size of an update in MB; it chooses the model.")] = 1.0,
    poll_seconds: Annotated[float, typer.Option(min=0.1, help="How often a device asks, give or take 30 %.")] = 20.0,
    as_json: JsonOption = False,
) -> None:
    """Run the real server under many light devices that speak the real protocol: latencies, CPU and memory."""
    from simulations.bench.transport import TransportOptions, bench_transport

    options = TransportOptions(devices, cohort, rounds, update_mb, poll_seconds)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server and the devices end with this process
    with commandline.progress_by_stage() as follow:
        measured = bench_transport(options, follow)
    if as_json:
        print_json(measured)
    else:
        _print_rows([{"name": f"{devices} devices", **measured}], as_json, "One server under load; times in ms")


@bench_app.command("inference", epilog="Example: fl-sim bench inference --face-model yunet.onnx --json")
def bench_inference_(
    face_model: Annotated[
        Path | None, typer.Option(help="A YuNet model in ONNX form; the face finder of OpenCV where not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what live reading costs in CPU milliseconds: a step of the model, and all from a frame to a reading."""
    from tempfile import TemporaryDirectory

    from simulations.bench.inference import bench_inference

    with TemporaryDirectory(prefix="attune-bench-") as scratch, commandline.progress_by_stage() as follow:
        measured = bench_inference(follow, Path(scratch), face_model)
    if as_json:
        print_json(measured)
    else:
        _print_rows([{"name": "live reading", **measured}], as_json, "CPU on one thread, at 640x480")


def _print_rows(rows: list[dict[str, Any]], as_json: bool, title: str) -> None:
    """The figures as JSON, `{"cases": rows}`, or as one table with a row a figure and a column a case."""
    from rich.table import Table

    if as_json:
        print_json({"cases": rows})
        return
    table = Table(title=title, title_justify="left")
    for column in ("", *(row["name"] for row in rows)):
        table.add_column(column, justify="right" if column else "left", no_wrap=not column, overflow="fold")
    for name in list(rows[0])[1:]:
        table.add_row(name, *(_cell(row[name]) for row in rows))
    out.print(table)


def _print_engines(measured: dict[str, float]) -> None:
    from rich.table import Table

    table = Table(title="Of all processes together, and as ratios to the plain loop", title_justify="left")
    for column in ("", "CPU s", "ratio", "MiB", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for name in (name.removesuffix("_cpu_s") for name in measured if name.endswith("_cpu_s")):
        floor = "private_floor" if name.startswith("private_") else "floor"
        cells = (
            (f"{measured[name + unit]:.1f}", f"{measured[name + unit] / measured[floor + unit]:.2f}")
            for unit in ("_cpu_s", "_rss_mb")
        )
        table.add_row(name.replace("_", " "), *(cell for pair in cells for cell in pair))
    out.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}: {figure:.4f}" for name, figure in value.items())
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _told(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first claim of each figure, where there is one; else the first, which says why there is none."""
    stated = {claim["epsilon"]: claim for claim in reversed(claims) if claim["epsilon"] is not None}
    return list(reversed(stated.values())) or claims[:1]


def _print(result: dict[str, Any], directory: Path) -> None:
    from rich.table import Table

    table = Table(title=f"{result['data']['spec']}: {result['data']['split']}", title_justify="left")
    for column in ("", "accuracy", "UAR", "macro F1"):
        table.add_column(column, justify="right" if column else "left")
    rows = {
        "majority": result["baselines"]["majority"],
        "before": result["initial_metrics"],
        "after": result["metrics"],
        "without noise": result["baselines"]["non_private"],
    }
    for name, scores in rows.items():
        if scores:
            table.add_row(name, *(f"{scores[key]:.3f}" for key in ("accuracy", "uar", "macro_f1")))
    out.print(table)
    for claim in _told(result["claims"]):
        figure = (
            "no guarantee" if claim["epsilon"] is None else f"epsilon {claim['epsilon']:.4f}, delta {claim['delta']:g}"
        )
        out.print(
            f"Claim for one {claim['unit']} against the {claim['observer']}: {figure} ({claim['status']})",
            soft_wrap=True,
        )
    out.print(f"The result is in {directory / 'result.json'}", soft_wrap=True)

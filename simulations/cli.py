"""The researcher's command line."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from shared_models import commandline
from shared_models.commandline import out, print_json

app = commandline.program("Attune's simulations: what a study would cost and bring, before anyone is asked.")


bench_app = typer.Typer(help="Measurements of Attune's own code, as ratios inside one run.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


class Unit(StrEnum):
    SEQUENCE = "sequence"
    PARTICIPANT = "participant"
    NONE = "none"


class Gradients(StrEnum):
    FAST = "fast"
    OPACUS = "opacus"


class Engine(StrEnum):
    LOCAL = "local"


def run() -> NoReturn:
    commandline.run(app)


@app.command("run", epilog="Example: fl-sim run --data ferplus:faces --clients 20 --rounds 10 --epsilon 8")
def run_(
    data: Annotated[str, typer.Option(help="synthetic, manifest:FILE or ferplus:DIR.")] = "synthetic",
    clients: Annotated[str, typer.Option(help="Number of clients, or by-subject.")] = "4",
    cohort: Annotated[int | None, typer.Option(min=1, help="Clients a round; all where not given.")] = None,
    per_client: Annotated[int, typer.Option(min=1, help="The most sequences of one client.")] = 60,
    alpha: Annotated[float, typer.Option(min=0.001, help="Label skew (Dirichlet); small is strong.")] = 1.0,
    holdout: Annotated[float, typer.Option(help="Share of people to score on, where there are people.")] = 0.2,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, and each client's lifetime participations.")] = 6,
    unit: Annotated[Unit, typer.Option(help="What the noise protects; none trains without noise.")] = Unit.SEQUENCE,
    epsilon: Annotated[float, typer.Option(help="Lifetime epsilon of each protected unit.")] = 8.0,
    delta: Annotated[float, typer.Option(help="Lifetime delta of each protected unit.")] = 1e-5,
    trainable: Annotated[str, typer.Option(help="classifier, head, head+affine or all.")] = "classifier",
    init: Annotated[str, typer.Option(help="starter, random or a weights file.")] = "starter",
    entry: Annotated[
        list[str] | None, typer.Option("--set", help="A policy setting, such as clip_norm=0.3; see docs/settings.md.")
    ] = None,
    gradients: Annotated[Gradients, typer.Option(help="Engine of per-sequence gradients.")] = Gradients.FAST,
    no_baseline: Annotated[bool, typer.Option("--no-baseline", help="Leave out the run without noise.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of population, sampling and simulated noise.")] = 0,
    engine: Annotated[Engine, typer.Option(help="local: in this process.")] = Engine.LOCAL,
    directory: Annotated[Path, typer.Option("--out", help="Where result.json goes.")] = Path("runs/sim"),
    as_json: JsonOption = False,
) -> None:
    """Simulate a federation, privately and without noise, and score both on held-out data."""
    from fl_server.settings import policy_settings
    from simulations.populations import Plan
    from simulations.run import Options, run_simulation

    options = Options(
        data=data,
        plan=Plan(clients=clients, per_client=per_client, alpha=alpha, holdout=holdout, seed=seed),
        cohort=cohort,
        rounds=rounds,
        unit=unit.value,
        gradients=gradients.value,
        policy=policy_settings(
            entry or [],
            unit=Unit.SEQUENCE if unit is Unit.NONE else unit,
            epsilon=epsilon,
            delta=delta,
            max_sequences=per_client,
        ),
        model="cnn-lstm",
        trainable=trainable,
        initial=init,
        baseline=not no_baseline,
    )
    with commandline.progress_by_stage() as follow:
        result = run_simulation(options, directory, follow)
    if as_json:
        print_json(result)
    else:
        _print(result, directory)


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


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}: {figure:.4f}" for name, figure in value.items())
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


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
    for claim in result["claims"][:1]:
        figure = (
            "no guarantee" if claim["epsilon"] is None else f"epsilon {claim['epsilon']:.4f}, delta {claim['delta']:g}"
        )
        out.print(f"Claim for one {claim['unit']} against the {claim['observer']}: {figure} ({claim['status']})")
    out.print(f"The result is in {directory / 'result.json'}", soft_wrap=True)

"""What the demo leaves behind: result.json, and the last screen."""

from pathlib import Path
from statistics import fmean
from typing import Any

from rich.table import Table

from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.policy_in_force import policy_in_force
from fl_server.settings import load_settings
from shared_models.commandline import out
from shared_models.evaluation.metrics import Metrics, majority_baseline_of, metrics_from
from shared_models.evaluation.table import comparison_table
from shared_models.networks.describe import describe_model
from shared_models.networks.model import EmotionModel
from shared_models.privacy.claims import claims_for
from simulations.demo.reference import Outcome
from simulations.folds import SUMMARY
from simulations.result import Stopwatch, claim_rows, versions, write_result


def write_demo_result(
    path: Path,
    folder: FederationFolder,
    model: EmotionModel,
    statuses: list[dict[str, Any]],
    outcomes: list[Outcome],
    watch: Stopwatch,
) -> None:
    """Writes `result.json` in the form that every run has, with each device's claim and each seed beside it."""
    settings = load_settings(folder.settings)
    policy, checkpoints = policy_in_force(folder, settings), Checkpoints(folder.checkpoints)
    first, last = (checkpoints.record(round_).metrics for round_ in (0, checkpoints.rounds()[-1]))
    most = max(status["participations"] for status in statuses)
    trained = describe_model(model, policy.trainable)
    reference = outcomes[0].without_noise.to_dict()
    write_result(
        path,
        {
            "data": {
                "spec": settings.benchmark.data,
                "split": "rendered people; nobody is in pretraining, on a device and on the benchmark",
                "subject_disjoint": True,
            },
            "model": trained,
            "initial_metrics": first,
            "metrics": last,
            "baselines": {
                "majority": majority_baseline_of(last["confusion"]),
                "non_private": {name: reference[name] for name in SUMMARY},
            },
            "claims": claim_rows(claims_for(policy, most)),
            "devices": [
                {"device": status["device"], "stored": status["stored"], "rounds": status["participations"]}
                | {"claims": claim_rows(claims_for(policy, status["participations"]))}
                for status in statuses
            ],
            "seeds": [_seed_row(outcome) for outcome in outcomes],
            "cost": watch.cost(4 * trained["trained_parameters"]),
            "versions": versions(),
            "seed": outcomes[0].seed,
        },
    )


def show_outcome(root: Path, folder: FederationFolder, statuses: list[dict[str, Any]], outcomes: list[Outcome]) -> None:
    """The benchmark by emotion, the seeds, each device's claim, and where the files lie."""
    checkpoints = Checkpoints(folder.checkpoints)
    before, after = (metrics_from(checkpoints.record(r).metrics) for r in (0, checkpoints.rounds()[-1]))
    out.print(comparison_table(before, after, title="Held-out benchmark, by emotion"))
    out.print(_seed_table(outcomes))
    if shares := [outcome.gap_closed for outcome in outcomes if outcome.gap_closed is not None]:
        out.print(
            f"Share of the gap that private training closes: mean {fmean(shares):.0%},"
            f" from {min(shares):.0%} to {max(shares):.0%}\n"
        )
    out.print(_device_table(statuses))
    out.print(
        "This ran as a research simulation with synthetic data: the legal gate asks nothing, and nobody was filmed."
    )
    for what, path in (
        ("Report for an ethics board", folder.report),
        ("Result", root / "result.json"),
        ("Server: settings, ledger, checkpoints", folder.root),
        ("Devices: encrypted stores, ledgers", root / "devices"),
        ("What each process said", root / "logs"),
    ):
        out.print(f"{what}: [bold]{path}[/]", soft_wrap=True)


def _seed_table(outcomes: list[Outcome]) -> Table:
    table = Table(title="Accuracy over three groups of people", title_justify="left")
    for column in ("seed", "run as", "before", "private", "without noise", "gap closed"):
        table.add_column(column, justify="right")
    for outcome in outcomes:
        table.add_row(
            str(outcome.seed),
            "simulation" if outcome.simulated else "five processes",
            *(f"{scores.accuracy:.3f}" for scores in (outcome.before, outcome.private, outcome.without_noise)),
            "no gap" if outcome.gap_closed is None else f"{outcome.gap_closed:.0%}",
        )
    return table


def _device_table(statuses: list[dict[str, Any]]) -> Table:
    table = Table(title="What each device claims for each of its sequences, against everybody", title_justify="left")
    for column in ("device", "stored", "rounds", "epsilon", "of", "delta"):
        table.add_column(column, justify="right")
    for status in statuses:
        table.add_row(
            status["device"],
            str(status["stored"]),
            f"{status['participations']} of {status['participations_cap']}",
            f"{status['epsilon']:.4f}",
            f"{status['epsilon_cap']:g}",
            f"{status['delta']:g}",
        )
    return table


def _seed_row(outcome: Outcome) -> dict[str, Any]:
    def summary(metrics: Metrics) -> dict[str, float]:
        return {name: getattr(metrics, name) for name in SUMMARY}

    return {
        "seed": outcome.seed,
        "simulated": outcome.simulated,
        "before": summary(outcome.before),
        "private": summary(outcome.private),
        "without_noise": summary(outcome.without_noise),
        "gap_closed": outcome.gap_closed,
    }

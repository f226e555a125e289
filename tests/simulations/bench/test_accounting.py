from simulations.bench import accounting
from simulations.bench.accounting import bench_accounting


def test_each_history_is_two_hundred_rounds_counted_and_seconded(monkeypatch) -> None:
    assert {len(history) for history in accounting.HISTORIES.values()} == {200}
    monkeypatch.setattr(accounting, "HISTORIES", {"full-batches": accounting.HISTORIES["full-batches"]})
    (row,) = bench_accounting(lambda *_: None)["cases"]
    assert row.keys() == {
        "name",
        "rounds",
        "epsilon",
        "epsilon_without_amplification",
        "seconds",
        "guard_seconds",
        "second_opinions",
        "second_opinions_seconds",
        "disagreement",
    }
    assert row["epsilon"] == row["epsilon_without_amplification"]
    assert len(row["second_opinions"]) == 3
    assert row["disagreement"] is None

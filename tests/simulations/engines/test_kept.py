from simulations.engines.kept import Kept


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    kept = Kept[str, int](limit=10)
    kept.put("a", 1, 4)
    kept.put("b", 2, 4)
    assert kept.get("a") == 1
    kept.put("c", 3, 4)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)


def test_what_is_larger_than_the_limit_is_not_kept() -> None:
    kept = Kept[str, int](limit=10)
    kept.put("a", 1, 4)
    kept.put("b", 2, 11)
    assert kept.get("b") is None
    kept.put("c", 3, 10)
    assert kept.get("c") == 3

"""One table, two forms: each holds every cell, and none lets a cell become markup."""

from io import StringIO

from rich.console import Console

from shared_models.evaluation.sheets import Sheet

SHEET = Sheet("By <group>", ("Group", "F1"), [("a|b [red]", ".81"), ("<c>", ".70")], "Few people & few clips.")


def test_markdown_keeps_a_cell_in_its_column():
    assert SHEET.as_markdown().splitlines() == [
        "## By <group>",
        "",
        "| Group | F1 |",
        "| --- | ---: |",
        "| a/b [red] | .81 |",
        "| <c> | .70 |",
        "",
        "Few people & few clips.",
    ]


def test_the_terminal_shows_brackets_as_they_are():
    console = Console(file=StringIO(), width=80)
    console.print(SHEET.for_terminal())
    text = console.file.getvalue()
    assert "a|b [red]" in text
    assert "Few people & few clips." in " ".join(text.split())

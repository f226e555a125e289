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


def test_the_terminal_takes_no_markup_from_a_name_that_people_gave():
    """A trait is named by a column of somebody's manifest, a model by somebody's file."""
    console = Console(file=StringIO(), width=80)
    console.print(Sheet("By [/shade]", ("[/x]", "F1"), [("a", ".81")]).for_terminal())
    text = console.file.getvalue()
    assert "By [/shade]" in text
    assert "[/x]" in text

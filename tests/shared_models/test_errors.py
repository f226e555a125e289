import re
from pathlib import Path

import pytest

from shared_models import commandline, errors
from shared_models.errors import AttuneError, PolicyError, WireError

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AttuneError)]
KINDS = [kind for kind in CLASSES if kind is not AttuneError]
PAGE = Path(__file__).parents[2] / "docs" / "exit-codes.md"


def test_every_error_has_an_exit_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in KINDS]
    assert len(set(codes)) == len(codes)
    assert set(codes).isdisjoint({0, commandline.EXIT_UNEXPECTED, commandline.EXIT_INTERRUPTED})
    assert all("exit_code" in vars(kind) and 0 < kind.exit_code < 126 for kind in KINDS)


def test_wrong_usage_has_the_code_that_the_command_line_gives_it() -> None:
    assert errors.UsageError.exit_code == 2


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_drawn_tree_shows_every_error(kind: type[AttuneError]) -> None:
    assert re.search(rf"^\|- {kind.__name__} +{kind.exit_code}   \w", errors.__doc__ or "", re.MULTILINE)


def rows() -> dict[int, list[str]]:
    lines = [line.strip().strip("|").split("|") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    return {int(cells[0]): [cell.strip() for cell in cells[1:]] for cells in lines if cells[0].strip().isdigit()}


def test_the_page_of_exit_codes_has_a_row_for_each_and_no_other() -> None:
    expected = {kind.exit_code for kind in KINDS} | {0, commandline.EXIT_UNEXPECTED, commandline.EXIT_INTERRUPTED}
    assert rows().keys() == expected


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_page_names_each_error_and_says_what_to_do(kind: type[AttuneError]) -> None:
    name, happened, do = rows()[kind.exit_code]
    assert kind.__name__ in name
    assert len(happened.split()) >= 3
    assert len(do.split()) >= 3


def test_an_error_says_what_why_and_what_to_do() -> None:
    error = PolicyError("The policy is refused", why="epsilon is 9", fix="Ask for 8 or less.")
    assert str(error) == "The policy is refused: epsilon is 9. Ask for 8 or less."
    assert (error.what, error.why, error.fix) == ("The policy is refused", "epsilon is 9", "Ask for 8 or less.")
    assert str(PolicyError("It is refused")) == "It is refused."
    assert str(PolicyError("It is refused", fix="Ask")) == "It is refused. Ask."
    assert str(PolicyError("It is refused", why="so.")) == "It is refused: so."


def test_a_rejected_message_carries_one_word_for_the_log() -> None:
    error = WireError("shape", "A weight does not fit")
    assert error.reason == "shape"
    assert str(error) == "A weight does not fit. Bring both sides to the same version of Attune."

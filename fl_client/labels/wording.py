"""Questions and labels as people say them, from the table of one language."""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

Table = dict[str, dict[str, str]]


@cache
def table(language: str = "en") -> Table:
    """The texts of `strings/LANGUAGE.toml`, by section and name."""
    return tomllib.loads(files("fl_client").joinpath(f"strings/{language}.toml").read_text(encoding="utf-8"))


def question(choices: Sequence[str]) -> str:
    """What is asked, for a scheme with these classes."""
    return table()["probe"]["state" if ":" in choices[0] else "emotion"]


def label_words(label: str) -> str:
    """A class such as `fear` or `boredom:1`, in full."""
    words = table()
    name, _, level = label.partition(":")
    if not level:
        return words["label"][name]
    return words["label"]["with_level"].format(state=words["label"][name], level=words["level"][level])


def by_state(choices: Sequence[str]) -> dict[str, list[str]]:
    """The classes of a scheme with levels, by the word for their state: the rows of its grid."""
    rows: dict[str, list[str]] = {}
    for label in choices:
        rows.setdefault(table()["label"][label.partition(":")[0]], []).append(label)
    return rows

"""Every sentence of the page, from one table for each language."""

import tomllib
from datetime import datetime
from importlib.resources import files
from typing import Any

from fl_client.labels.wording import table


class Words:
    """`words("stored.heading")`: the text under that key, with the named values put in.

    Raises KeyError for a key that the table does not have.
    """

    def __init__(self, table: dict[str, str]) -> None:
        self.table = table

    @classmethod
    def load(cls, language: str = "en") -> "Words":
        """The page's own table, and the words for labels that the terminal uses too."""
        text = files("fl_client.page").joinpath(f"files/words.{language}.toml").read_text(encoding="utf-8")
        shared = table(language)
        return cls(dict(_flat(tomllib.loads(text) | {name: shared[name] for name in ("label", "level")})))

    def __call__(self, key: str, **values: object) -> str:
        return self.table[key].format_map(values)

    def count(self, key: str, number: int, **values: object) -> str:
        """The text for one, or for any other number, which it knows as {number}."""
        return self(f"{key}.{'one' if number == 1 else 'many'}", number=number, **values)

    def label(self, name: str) -> str:
        """A class of a label scheme, such as `fear` or `boredom:2`, as people say it."""
        state, _, level = name.partition(":")
        if not level:
            return self(f"label.{state}")
        return self("label.with_level", state=self(f"label.{state}"), level=self(f"level.{level}"))

    def when(self, moment: datetime) -> str:
        """A local time to the minute, with its day."""
        days = (datetime.now(moment.tzinfo).date() - moment.date()).days
        day = {0: self("time.today"), 1: self("time.yesterday")}.get(days, f"{moment:%Y-%m-%d}")
        return self("time.when", day=day, clock=f"{moment:%H:%M}")


def _flat(table: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in table.items():
        key = f"{above}{name}"
        rows += _flat(value, f"{key}.") if isinstance(value, dict) else [(key, value)]
    return rows

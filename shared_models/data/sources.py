"""What a person may write after `--data`: `synthetic`, or a kind of data set and where it lies."""

from dataclasses import dataclass
from pathlib import Path

from shared_models.errors import UsageError

FORMS = {
    "synthetic": "synthetic",
    "manifest": "manifest:FILE",
    "ferplus": "ferplus:DIR",
    "fer2013": "fer2013:FILE",
    "affectnet": "affectnet:DIR",
    "ckplus": "ckplus:DIR",
    "ravdess": "ravdess:DIR",
    "iemocap": "iemocap:DIR",
    "daisee": "daisee:DIR",
}
HELP = f"Where the data come from: {', '.join(FORMS.values())}."


@dataclass(frozen=True)
class DataSpec:
    """One data source: `kind` is a key of FORMS; `path` is None for the kind that needs no files."""

    kind: str
    path: Path | None

    def __str__(self) -> str:
        return self.kind if self.path is None else f"{self.kind}:{self.path}"

    @property
    def required_path(self) -> Path:
        """The path of a source that has one; raises UsageError where it was not given."""
        if self.path is None:
            raise UsageError(f"The data source '{self.kind}' needs a path")
        return self.path


def parse_spec(text: str) -> DataSpec:
    """Read `text` as a data source; whether its files exist is for the loader to find out.

    Raises UsageError where the kind does not exist, or its path is missing or not wanted.
    """
    kind, _, path = text.partition(":")
    if kind not in FORMS:
        raise UsageError(f"There is no data source '{kind}'", fix=f"Use one of: {', '.join(FORMS.values())}")
    if bool(path) != (FORMS[kind] != kind):
        raise UsageError(f"'{text}' is not a data source", fix=f"Write it as {FORMS[kind]}")
    return DataSpec(kind, Path(path) if path else None)

"""Options that several of the researcher's commands have."""

from enum import StrEnum
from typing import Annotated

import typer

from shared_models.data.sources import HELP

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Data = Annotated[str, typer.Option(help=HELP)]
Trainable = Annotated[str, typer.Option(help="classifier, head, head+affine or all.")]
Init = Annotated[str, typer.Option(help="starter, random or a weights file.")]
PolicyEntries = Annotated[
    list[str] | None, typer.Option("--set", help="A policy setting, such as clip_norm=0.3; see docs/settings.md.")
]
RunEntries = Annotated[
    list[str] | None,
    typer.Option("--set", help="A policy setting, such as clip_norm=0.3, or aggregation.NAME=VALUE."),
]


class Gradients(StrEnum):
    FAST = "fast"
    OPACUS = "opacus"

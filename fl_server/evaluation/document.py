"""What an evaluation says to people, in one form behind the terminal, the page and Markdown."""

from dataclasses import dataclass

from pydantic import BaseModel

from fl_server.report.blocks import Facts, Picture
from shared_models.evaluation.sheets import Sheet

Block = Sheet | Picture | Facts


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    blocks: list[Block]


@dataclass(frozen=True)
class Document:
    """The facts, and what is shown of them.

    title, subject: whose evaluation it is, and of what
    warnings:       what a reader must know before any figure
    picture:        what stands alone where a picture is asked for; None where there is none
    """

    facts: BaseModel
    title: str
    subject: str
    warnings: list[str]
    sections: list[Section]
    picture: Picture | None = None

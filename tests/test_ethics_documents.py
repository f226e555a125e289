"""The documents for participants and ethics boards name nothing that the program does not have."""

import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

import fl_client.cli
import fl_client.settings
import fl_server.cli
import fl_server.settings
import simulations.cli
from fl_client.consent import Scope
from fl_server.report.formats import FORMATS
from fl_server.settings import PolicySettings
from shared_models.data.sequences import CROP_SIZE, SEQUENCE_FRAMES
from shared_models.privacy.odds import odds

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "ethics"
INDEX = FOLDER / "README.md"
DOCUMENTS = sorted(FOLDER.glob("*.md"))
FOR_EVERYBODY = ["assent-minor.md", "participant-information.md"]
PROGRAMS = {
    name: typer.main.get_command(module.app)
    for name, module in (("fl-server", fl_server.cli), ("fl-client", fl_client.cli), ("fl-sim", simulations.cli))
}
_TWO_PAGES = 950  # words, tables among them, of A4 at 10 points
_LONGEST_SENTENCE, _MEAN_SENTENCE = 20, 9  # words, for a reader of 14


@pytest.fixture(params=DOCUMENTS, ids=lambda path: path.name)
def document(request) -> Path:
    return request.param


def test_everything_in_code_type_exists(document):
    text = document.read_text(encoding="utf-8")
    commands = [
        line.split("#")[0] for block in re.findall(r"^```\n(.*?)^```", text, re.S | re.M) for line in block.splitlines()
    ]
    named = re.findall(r"`([^`\n]+)`", re.sub(r"^```\n.*?^```", "", text, flags=re.S | re.M))
    assert [name for name in [*commands, *named] if not exists(name)] == []


@pytest.mark.parametrize(
    "name",
    [
        "fl-server promote DIRECTORY",
        "fl-server report DIRECTORY --colour",
        "fl-server report DIRECTORY --format word",
        "fl-server init study --set policy.budget=4",
        "fl-client consent --scopes capture,sell",
        "fl-client data upload",
        "--colour",
        "[study] motto",
        "[sudy]",
        "ledger.refunds",
        "diary.jsonl",
        "device-diaries/PSEUDONYM.jsonl",
    ],
)
def test_what_does_not_exist_is_noticed(name):
    assert not exists(name)


def test_every_relative_link_leads_to_a_file(document):
    links = [target.split("#")[0] for target in links_of(document) if "://" not in target]
    assert links
    assert [link for link in links if not (document.parent / link).is_file()] == []


def test_the_index_lists_every_document_and_is_found():
    assert {document.name for document in DOCUMENTS} - {INDEX.name} <= set(links_of(INDEX))
    assert "docs/ethics/README.md" in links_of(ROOT / "README.md")
    assert "ethics/README.md" in links_of(ROOT / "docs" / "guide-operator.md")


def test_no_model_is_called_anonymous_and_two_pages_suffice(document):
    text = document.read_text(encoding="utf-8")
    assert "anonymous model" not in " ".join(text.lower().split())
    assert len(re.findall(r"\w[\w'-]*", text)) <= _TWO_PAGES


@pytest.mark.parametrize("name", FOR_EVERYBODY)
def test_sentences_for_everybody_are_short(name):
    lengths = {sentence: len(sentence.split()) for sentence in sentences(FOLDER / name)}
    assert [sentence for sentence, length in lengths.items() if length > _LONGEST_SENTENCE] == []
    assert sum(lengths.values()) / len(lengths) <= _MEAN_SENTENCE


def test_figures_are_those_of_an_unchanged_study():
    text = "".join(" ".join(document.read_text(encoding="utf-8").split()) for document in DOCUMENTS)
    settings = PolicySettings()
    printed = re.findall(r"`\[policy\] (\w+)`; (\d+) unless changed", text)
    assert set(printed) == {(entry, str(getattr(settings, entry))) for entry in ("max_sequences", "participations")}
    policy = settings.calibrated("cnn-lstm", "basic-7", "classifier")
    worst = odds(policy.epsilon, policy.delta, policy.mu_after(policy.lifetime_rounds))
    assert re.findall(r"`fl-client enrol`; (\d+) unless changed", text) == [str(worst.at_most)]
    assert set(re.findall(r"(\d+) (?:small )?gray (?:face crops|crops|pictures)", text)) == {str(SEQUENCE_FRAMES)}
    assert set(re.findall(r"(\d+) x (\d+) pixels", text)) == {(str(CROP_SIZE), str(CROP_SIZE))}
    [days] = re.findall(r"until it expires: (\d+) days", text)
    assert int(days) == inspect.signature(fl_server.cli.invite).parameters["days"].default


def exists(name: str) -> bool:
    """Whether the program has what is printed in code type: a command line, an option, an entry, a field or a word."""
    first, *rest = name.split()
    if first in PROGRAMS:
        return is_command(PROGRAMS[first], rest)
    if name.startswith("--"):
        return any(name in options(command) for program in PROGRAMS.values() for command in flat(program))
    if name.startswith("["):
        return tuple(rest) in {(), *((entry,) for entry in entries().get(first.strip("[]"), ()))} and (
            first.strip("[]") in entries()
        )
    words = [part for part in name.split("/") if not part.startswith("PSEUDONYM")]
    return name.removesuffix("[]") in fields() or all(f'"{word}"' in sources() for word in words)


def is_command(command: Any, words: list[str]) -> bool:
    while words and hasattr(command, "commands"):
        command, words = command.commands.get(words[0]), words[1:]
    given = [word for word in words if word.startswith("--")]
    return (
        command is not None
        and not (hasattr(command, "commands") and words)
        and set(given) <= set(options(command))
        and all(value_exists(option, words[words.index(option) + 1 :]) for option in given)
    )


def value_exists(option: str, following: list[str]) -> bool:
    """Whether the word after `option` is one that it takes, where there is a list of them."""
    value = (following or [""])[0]
    match option:
        case "--format":
            return value in FORMATS
        case "--scopes":
            return set(value.split(",")) <= set(Scope)
        case "--set":
            section, _, entry = value.split("=")[0].partition(".")
            return entry in entries().get(section, ())
        case _:
            return True


def flat(command: Any) -> list[Any]:
    inner = getattr(command, "commands", {}).values()
    return [leaf for one in inner for leaf in flat(one)] if inner else [command]


def options(command: Any) -> list[str]:
    return [option for parameter in command.params for option in parameter.opts]


@cache
def entries() -> dict[str, set[str]]:
    """The entries of both settings files, by section."""
    return {
        name: set(section.annotation.model_fields)
        for settings in (fl_client.settings.Settings, fl_server.settings.Settings)
        for name, section in settings.model_fields.items()
    }


@cache
def fields() -> set[str]:
    """The report's fields; docs/report.md is tested to list each."""
    return set(re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "report.md").read_text(encoding="utf-8"), re.M))


@cache
def sources() -> str:
    return "".join(
        path.read_text(encoding="utf-8")
        for package in ("fl_client", "fl_server", "shared_models")
        for path in sorted((ROOT / package).rglob("*.py"))
    )


def links_of(document: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))


def sentences(document: Path) -> list[str]:
    """Sentences, list items and cells, without what is to be filled in."""
    text = re.sub(r"\[[^\]]*\](?:\([^)]*\))?", "", re.sub(r"`\[(\w+)\] ", "`", document.read_text(encoding="utf-8")))
    blocks = re.split(r"\n\s*\n|\n(?=[-#|])|\|", text)
    parts = (part for block in blocks for part in re.split(r"(?<=[.?!:])[*\"]*\s+", " ".join(block.split())))
    return [part for part in parts if len(part.split()) > 1]

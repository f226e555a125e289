"""Every text of the page is in the table, once, and each that is in the table is on the page."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

import fl_client.page
from fl_client.page.words import Words
from shared_models.data.labels import SCHEMES

FILES = files("fl_client.page").joinpath("files")
TEMPLATES = sorted(file.name for file in FILES.iterdir() if file.name.endswith(".j2"))
SPOKEN = {"alt", "aria-label", "title", "placeholder", "aria-description"}
WORDS = Words.load()


def source(name: str) -> str:
    return FILES.joinpath(name).read_text(encoding="utf-8")


def everything() -> str:
    """All sources that may ask for a text."""
    code = Path(fl_client.page.__path__[0]).glob("*.py")
    return "\n".join([*map(source, TEMPLATES), *(path.read_text(encoding="utf-8") for path in code)])


def without_expressions(name: str) -> str:
    return re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", source(name), flags=re.DOTALL)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_has_no_text_of_its_own(name):
    """Without comments and expressions, only tags are left, and what they say to people is not in them either."""
    rest = without_expressions(name)
    between = re.sub(r"<[^<>]*>", " ", rest)
    assert not re.search(r"\w", between), between.split()
    for attribute, value in re.findall(r'([\w-]+)="([^"]*)"', rest):
        assert attribute not in SPOKEN or not re.search(r"\w", value), (attribute, value)


def test_the_script_says_nothing():
    """It shows what the server wrote."""
    strings = re.findall(r'"([^"]*)"|`([^`]*)`', source("page.js"))
    assert not [text for pair in strings for text in pair if re.search(r"[a-z] [a-z]", text.replace("use strict", ""))]


def test_no_key_is_missing_and_none_is_left_over():
    text = everything()
    counted = {f"{key}.{n}" for key in re.findall(r'count\(\s*"([\w.]+)"', text) for n in ("one", "many")}
    said = {f"said.{key}" for key in re.findall(r'_back\("([\w.]+)"\)', text)} | {"said.session."}
    named = set(re.findall(r'(?:\bt|words|self|_refusal)\(\s*"([\w.]+)"', text)) | counted | said
    begun = set(re.findall(r'words\(\s*f"([\w.]+)\{', text)) | {key for key in named if key not in WORDS.table}
    assert not {key for key in begun if not any(full.startswith(key) for full in WORDS.table)}
    assert not {key for key in begun if key[-1] not in "._"}
    assert not {key for key in WORDS.table if key not in named and not key.startswith(tuple(begun))}


def test_every_label_of_every_scheme_has_a_name():
    for scheme in SCHEMES.values():
        assert len({WORDS.label(name) for name in scheme.classes}) == len(scheme.classes)


def test_a_key_that_is_missing_is_an_error():
    with pytest.raises(KeyError):
        WORDS("stored.no_such_key")


def test_numbers_have_a_form_of_their_own_for_one():
    assert WORDS.count("stored.number", 1, most=60).startswith("One sequence")
    assert WORDS.count("stored.number", 2, most=60).startswith("2 sequences")

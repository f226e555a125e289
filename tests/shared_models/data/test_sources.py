from pathlib import Path

import pytest

from shared_models.data.sources import FORMS, DataSpec, parse_spec
from shared_models.errors import UsageError


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("synthetic", DataSpec("synthetic", None)),
        ("manifest:clips/list.csv", DataSpec("manifest", Path("clips/list.csv"))),
        ("ferplus:data", DataSpec("ferplus", Path("data"))),
        ("fer2013:data/fer2013.csv", DataSpec("fer2013", Path("data/fer2013.csv"))),
        *(
            (f"{kind}:data", DataSpec(kind, Path("data")))
            for kind in ("affectnet", "ckplus", "ravdess", "iemocap", "daisee")
        ),
        ("manifest:C:/clips/list.csv", DataSpec("manifest", Path("C:/clips/list.csv"))),
    ],
)
def test_a_spec_is_read_and_written_back(text: str, spec: DataSpec) -> None:
    assert parse_spec(text) == spec
    assert str(spec) == text


def test_an_unknown_kind_lists_those_that_exist() -> None:
    with pytest.raises(UsageError, match=r"no data source 'fer'.*synthetic, manifest:FILE, ferplus:DIR, .*daisee:DIR"):
        parse_spec("fer:data")


@pytest.mark.parametrize(
    ("text", "form"),
    [("manifest", "manifest:FILE"), ("ferplus:", "ferplus:DIR"), ("synthetic:x", "synthetic")],
)
def test_a_path_is_wanted_or_not(text: str, form: str) -> None:
    with pytest.raises(UsageError, match=f"'{text}' is not a data source. Write it as {form}"):
        parse_spec(text)


def test_every_source_is_documented_with_its_form() -> None:
    text = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    assert [form for form in FORMS.values() if f"| `{form}` |" not in text] == []

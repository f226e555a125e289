"""The published schema of the report and the page that lists its fields, both written from the document's classes.

`python -m fl_server.report.schema` writes them to docs/.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fl_server.report.document import SCHEMA_VERSION, Report
from shared_models.files import atomic_write

_BEGIN, _END = "<!-- fields: written by fl_server.report.schema -->", "<!-- end of fields -->"
_SCORES = {
    "accuracy": "share of sequences classified right",
    "uar": "unweighted average recall over the classes present",
    "macro_f1": "mean F1 over the classes present",
    "per_class": "scores by class name",
    "per_class.*.precision": "of those called this class, the share that are",
    "per_class.*.recall": "of those that are this class, the share found",
    "per_class.*.f1": "harmonic mean of precision and recall",
    "per_class.*.support": "sequences of this class; 0 where the benchmark has none",
    "confusion": "counts, one row a true class, one column a predicted class",
    "log_loss": "mean negative log-likelihood, in nats",
    "ece": "expected calibration error, 15 bins",
    "by_subject": "accuracy of each person on their own; `null` where nobody is named",
    "by_subject.subjects": "how many people",
    "by_subject.minimum": "the worst served",
    "by_subject.median": "the middle one",
    "by_subject.maximum": "the best served",
}
"""Fields of the scores, which other parts of Attune write too."""


def report_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a report."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:attune:report:{SCHEMA_VERSION}",
        **Report.model_json_schema(),
        "title": f"Attune's privacy-budget report, schema {SCHEMA_VERSION}",
    }


def field_rows() -> list[tuple[str, str]]:
    """(path, meaning) of every field; [] is each of a list, * each name of a mapping. Scores stand under `metrics`."""
    schema = report_schema()
    rows = dict(_paths(schema, schema["$defs"], ""))
    return [*rows.items(), *((f"metrics.{field}", meaning) for field, meaning in _SCORES.items())]


def numeric_fields() -> list[str]:
    """Paths of all fields that hold a number; those of scores under the groups that hold them."""
    schema = report_schema()
    return [path for path, _ in _paths(schema, schema["$defs"], "", numbers=True)]


def _paths(
    schema: dict[str, Any], definitions: dict[str, Any], at: str, *, numbers: bool = False
) -> Iterator[tuple[str, str]]:
    for choice in schema.get("anyOf", [schema]):
        name = choice.get("$ref", "").removeprefix("#/$defs/")
        if name == "Metrics" and not numbers:
            continue
        if name:
            yield from _paths(definitions[name], definitions, at, numbers=numbers)
        elif "properties" in choice:
            for field, inner in choice["properties"].items():
                path = f"{at}.{field}" if at else field
                if not numbers:
                    yield path, inner.get("description", "")
                yield from _paths(inner, definitions, path, numbers=numbers)
        elif isinstance(choice.get("additionalProperties"), dict):
            yield from _paths(choice["additionalProperties"], definitions, f"{at}.*", numbers=numbers)
        elif "items" in choice:
            yield from _paths(choice["items"], definitions, f"{at}[]", numbers=numbers)
        elif numbers and choice.get("type") in ("number", "integer"):
            yield at, ""


def documented(page: str) -> str:
    """The text of docs/report.md with its table of fields as the classes have it now."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    lines, group = [_BEGIN], ""
    for path, meaning in field_rows():
        head = path.split(".")[0].split("[")[0]
        if head != group:
            group = head
            lines += ["", f"## `{group}`", "", "| field | meaning |", "| --- | --- |"]
        lines.append(f"| `{path}` | {meaning} |")
    return before + "\n".join([*lines, "", _END]) + after


def write(docs: Path) -> None:
    """Writes `report-schema.json` and the table of fields in `report.md`."""
    schema = json.dumps(report_schema(), indent=1, ensure_ascii=False) + "\n"
    atomic_write(docs / "report-schema.json", schema.encode(), 0o644)
    page = docs / "report.md"
    atomic_write(page, documented(page.read_text(encoding="utf-8")).encode(), 0o644)


if __name__ == "__main__":
    write(Path("docs"))

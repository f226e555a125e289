"""Weights that ship say what they are, and score what they say."""

import csv
import io
import os
import re
import zipfile
from pathlib import Path

import pytest

from shared_models.data.ferplus import load_ferplus
from shared_models.data.labels import scheme_by_name
from shared_models.data.stills import to_sequences
from shared_models.evaluation.benchmark import Benchmark
from shared_models.networks import starter
from shared_models.networks.weights import load_model

SHIPPED = sorted(starter._FOLDER.glob("*.safetensors"))
MOST_BYTES = 3_000_000
WEB_FACES = [path for path in SHIPPED if "FER2013Train" in path.with_suffix(".md").read_text(encoding="utf-8")]


def row(card: str, name: str) -> str:
    return next(line.split("|")[2].strip() for line in card.splitlines() if line.startswith(f"| {name} |"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_card_fits_its_weights(path: Path) -> None:
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    model, header, seen = load_model(path)
    assert card.startswith(f"# {path.stem}\n")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert row(card, "model").startswith(f"`{header.model}`, {parameters:,} parameters")
    assert row(card, "classes").count(", ") + 1 == model.classifier.linear.out_features
    count = header.training_data.split()[0]
    assert row(card, "data").replace(",", "").startswith(count)
    assert f"--seed {row(card, 'seed')}" in row(card, "command")
    assert "interval" in row(card, "score")
    assert row(card, "terms")
    assert "**Not for** " in card
    assert seen
    assert path.stat().st_size <= MOST_BYTES


@pytest.fixture(scope="module")
def first_lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of FERPlus with the first 120 lines of FER2013Valid's label.csv and their images."""
    folder = tmp_path_factory.mktemp("ferplus")
    beside_the_repository = Path(__file__).resolve().parents[4] / "shared"
    archive = Path(os.environ.get("ATTUNE_SHARED", beside_the_repository)) / "data" / "ferplus.zip"
    if not archive.is_file():
        pytest.skip("no copy of FERPlus: set ATTUNE_SHARED to the folder that holds data/ferplus.zip")
    with zipfile.ZipFile(archive) as packed:
        lines = io.StringIO(packed.read("FER2013Valid/label.csv").decode()).readlines()[:120]
        for line in csv.reader(lines):
            packed.extract(f"FER2013Valid/{line[0]}", folder)
    (folder / "FER2013Valid" / "label.csv").write_text("".join(lines))
    return folder


@pytest.mark.parametrize("path", WEB_FACES, ids=lambda path: path.stem)
def test_the_score_on_the_card_is_the_benchmarks(path: Path, first_lines: Path) -> None:
    said = re.search(r"(\d+) have a\s+usable\s+label:\s+accuracy\s+([\d.]+)\.\s", path.with_suffix(".md").read_text())
    assert said is not None
    model, header, _ = load_model(path)
    benchmark = Benchmark(to_sequences(load_ferplus(first_lines, "FER2013Valid", scheme_by_name(header.scheme))))
    assert int(said[1]) == len(benchmark.sequences)
    assert benchmark.score(model, batch=16).accuracy == pytest.approx(float(said[2]), abs=5e-5)

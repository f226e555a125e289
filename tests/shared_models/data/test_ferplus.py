import csv
import hashlib
import io
import os
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from shared_models.data.ferplus import Split, load_ferplus
from shared_models.data.labels import scheme_by_name
from shared_models.errors import DataError

BASIC, ANY = scheme_by_name("basic-8"), scheme_by_name("basic-7-any")
# neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face
CLEAR = [1, 7, 0, 0, 0, 0, 0, 0, 2, 0]
TIED = [0, 0, 4, 0, 0, 0, 4, 0, 1, 1]
TIED_WITH_UNKNOWN = [0, 0, 0, 4, 1, 0, 0, 0, 4, 1]
UNKNOWN = [3, 0, 0, 0, 0, 0, 0, 1, 6, 0]
NOT_A_FACE = [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]
SPLIT_EVENLY = [0, 0, 0, 0, 0, 0, 0, 0, 5, 5]
NO_VOTES = [0] * 10
CONTEMPT = [4, 0, 0, 0, 0, 0, 0, 6, 0, 0]
ALL = [CLEAR, TIED, TIED_WITH_UNKNOWN, UNKNOWN, NOT_A_FACE, SPLIT_EVENLY, NO_VOTES, CONTEMPT]


def image(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (48, 48), dtype=np.uint8)


def write_split(folder: Path, votes: list[list[int]], split: str = "FER2013Train") -> Path:
    """A copy in the official layout; image i has the pixels of image(i)."""
    (folder / split).mkdir()
    with (folder / split / "label.csv").open("w", newline="") as table:
        for i, counts in enumerate(votes):
            csv.writer(table).writerow([f"fer{i:07d}.png", "(0, 0, 48, 48)", *counts])
            cv2.imwrite(str(folder / split / f"fer{i:07d}.png"), image(i))
    return folder


def test_votes_become_shares_of_the_emotions(tmp_path: Path) -> None:
    stills = load_ferplus(write_split(tmp_path, [CLEAR, CONTEMPT]), "FER2013Train", BASIC)
    assert stills.scheme.name == "basic-8"
    shares = [dict(zip(stills.scheme.classes, row.tolist(), strict=True)) for row in stills.targets]
    assert {name: share for name, share in shares[0].items() if share} == {
        "neutral": 0.125,
        "happiness": 0.875,
    }
    assert {name: share for name, share in shares[1].items() if share} == pytest.approx(
        {"neutral": 0.4, "contempt": 0.6}
    )
    assert stills.subjects == (None, None)


def test_without_contempt_its_votes_do_not_count_and_its_images_are_left_out(tmp_path: Path) -> None:
    mixed = [4, 0, 0, 0, 0, 4, 0, 2, 0, 0]
    stills = load_ferplus(write_split(tmp_path, [CLEAR, CONTEMPT, mixed]), "FER2013Train", scheme_by_name("basic-7"))
    assert len(stills) == 2
    shares = dict(zip(stills.scheme.classes, stills.targets[1].tolist(), strict=True))
    assert {name: share for name, share in shares.items() if share} == {"neutral": 0.5, "disgust": 0.5}


def test_pixels_and_their_digests_are_those_of_the_files(tmp_path: Path) -> None:
    stills = load_ferplus(write_split(tmp_path, [CLEAR, CLEAR]), "FER2013Train", BASIC)
    assert stills.frames.shape == (2, 1, 1, 48, 48)
    np.testing.assert_array_equal(stills.frames[:, 0, 0], [image(0), image(1)])
    assert stills.digests == tuple(hashlib.sha256(image(i).tobytes()).hexdigest()[:16] for i in range(2))


def test_training_keeps_ties_as_soft_labels(tmp_path: Path) -> None:
    stills = load_ferplus(write_split(tmp_path, ALL), "FER2013Train", BASIC)
    np.testing.assert_array_equal(stills.frames[:, 0, 0], [image(i) for i in (0, 1, 2, 7)])
    assert sorted(stills.targets[1].tolist())[-2:] == [0.5, 0.5]


@pytest.mark.parametrize("split", ["FER2013Valid", "FER2013Test"])
def test_evaluation_drops_ties(tmp_path: Path, split: str) -> None:
    stills = load_ferplus(write_split(tmp_path, ALL, split), split, BASIC)  # type: ignore[arg-type]
    np.testing.assert_array_equal(stills.frames[:, 0, 0], [image(i) for i in (0, 7)])


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_split(tmp_path, [CLEAR])
    with pytest.raises(
        DataError,
        match=r"There is no .*FER2013Test.label\.csv.*Unpack FERPlus so that.*label\.csv and its PNG",
    ):
        load_ferplus(tmp_path, "FER2013Test", BASIC)


def test_a_half_unpacked_copy_says_what_is_missing(tmp_path: Path) -> None:
    write_split(tmp_path, [CLEAR] * 4)
    for i in (1, 3):
        (tmp_path / "FER2013Train" / f"fer{i:07d}.png").unlink()
    with pytest.raises(
        DataError, match=r"2 of the 4 images .* are missing, the first is fer0000001\.png.*partly unpacked"
    ):
        load_ferplus(tmp_path, "FER2013Train", BASIC)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "fer1.png",
        'fer1.png,"(0, 0, 48, 48)",1,2,3',
        "Usage,Image name," + ",".join("abcdefghij"),
        "a,b," + "1," * 10 + "1",
    ],
)
def test_a_line_that_is_no_label_is_named(tmp_path: Path, line: str) -> None:
    write_split(tmp_path, [CLEAR])
    with (tmp_path / "FER2013Train" / "label.csv").open("a") as table:
        table.write(line + "\n")
    with pytest.raises(DataError, match=r"Line 2 of .* is not a FERPlus label"):
        load_ferplus(tmp_path, "FER2013Train", BASIC)


@pytest.mark.parametrize("content", [b"not a picture", cv2.imencode(".png", np.zeros((47, 48), np.uint8))[1].tobytes()])
def test_a_damaged_image_is_named(tmp_path: Path, content: bytes) -> None:
    write_split(tmp_path, [CLEAR])
    (tmp_path / "FER2013Train" / "fer0000000.png").write_bytes(content)
    with pytest.raises(DataError, match=r"fer0000000\.png is not a readable image of 48x48 pixels"):
        load_ferplus(tmp_path, "FER2013Train", BASIC)


def test_nothing_usable_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No image of .*FER2013Train has a usable label"):
        load_ferplus(write_split(tmp_path, [UNKNOWN]), "FER2013Train", BASIC)


def test_the_first_images_of_a_real_copy(tmp_path: Path) -> None:
    beside_the_repository = Path(__file__).resolve().parents[4] / "shared"
    archive = Path(os.environ.get("ATTUNE_SHARED", beside_the_repository)) / "data" / "ferplus.zip"
    if not archive.is_file():
        pytest.skip("no copy of FERPlus: set ATTUNE_SHARED to the folder that holds data/ferplus.zip")
    with zipfile.ZipFile(archive) as packed:
        lines = io.StringIO(packed.read("FER2013Valid/label.csv").decode()).readlines()[:300]
        for row in csv.reader(lines):
            packed.extract(f"FER2013Valid/{row[0]}", tmp_path)
    (tmp_path / "FER2013Valid" / "label.csv").write_text("".join(lines))
    stills = load_ferplus(tmp_path, "FER2013Valid", BASIC)
    assert 270 < len(stills) < 300
    assert np.bincount(stills.labels, minlength=8)[:2].sum() > len(stills) / 2, "most faces are neutral or happy"
    np.testing.assert_allclose(stills.targets.sum(axis=1), 1, rtol=1e-5)


# of three tenths and more of the votes, without those of one person alone
TWO = [0, 5, 4, 0, 0, 0, 0, 0, 0, 1]
THREE_OF_TEN = [7, 0, 0, 3, 0, 0, 0, 0, 0, 0]
TOO_FEW = [8, 0, 0, 2, 0, 0, 0, 0, 0, 0]
AND_UNKNOWN = [0, 0, 0, 0, 5, 0, 0, 0, 5, 0]
MOST_UNKNOWN = [0, 0, 0, 0, 4, 0, 0, 0, 6, 0]
SCATTERED = [2, 2, 2, 2, 2, 0, 0, 0, 0, 0]
HALF = [4, 2, 2, 0, 0, 0, 0, 0, 0, 0]
SINGLES = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
WITH_CONTEMPT = [5, 0, 0, 0, 0, 0, 0, 5, 0, 0]
ONLY_CONTEMPT = [1, 0, 0, 0, 0, 0, 0, 9, 0, 0]


@pytest.mark.parametrize("split", ["FER2013Train", "FER2013Test"])
@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        (TWO, {"happiness", "surprise"}),
        (THREE_OF_TEN, {"neutral", "sadness"}),
        (TOO_FEW, {"neutral"}),
        (TIED, {"surprise", "fear"}),
        (AND_UNKNOWN, {"anger"}),
        (MOST_UNKNOWN, None),
        (NOT_A_FACE, None),
        (NO_VOTES, None),
        (SCATTERED, None),
        (HALF, None),
        (SINGLES, None),
        (WITH_CONTEMPT, {"neutral"}),
        (ONLY_CONTEMPT, None),
    ],
)
def test_several_emotions_count_where_enough_voted_for_them(
    votes: list[int], expected: set[str] | None, split: Split, tmp_path: Path
) -> None:
    stills = load_ferplus(write_split(tmp_path, [votes, CLEAR], split), split, ANY)
    found = [{name for name, there in zip(ANY.classes, row, strict=True) if there} for row in stills.targets]
    assert found == ([] if expected is None else [expected]) + [{"happiness"}]
    assert set(np.unique(stills.targets)) == {0, 1}


def test_another_scheme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="label schemes basic-8, basic-7 and basic-7-any, not learner-4x4"):
        load_ferplus(write_split(tmp_path, [CLEAR]), "FER2013Train", scheme_by_name("learner-4x4"))

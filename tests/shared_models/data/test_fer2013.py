from pathlib import Path

import data_sets
import numpy as np
import pytest

from shared_models.data.crops import pixel_digest
from shared_models.data.fer2013 import load_fer2013
from shared_models.data.labels import scheme_by_name
from shared_models.errors import DataError

SCHEME = scheme_by_name("basic-7")
SPLITS = {"Training": range(8), "PublicTest": range(8, 10), "PrivateTest": range(10, 13)}


@pytest.mark.parametrize("columns", ["emotion,pixels,Usage", "emotion, Usage, pixels"])
def test_both_published_files_are_read(tmp_path: Path, columns: str) -> None:
    file = data_sets.write_fer2013(tmp_path / "fer2013.csv", SPLITS, columns)
    stills = load_fer2013(file, "PrivateTest", SCHEME)
    faces = [data_sets.small_face(n) for n in range(10, 13)]
    np.testing.assert_array_equal(stills.frames[:, 0, 0], faces)
    assert stills.digests == tuple(pixel_digest([face]) for face in faces)
    assert [SCHEME.classes[label] for label in stills.labels] == ["happiness", "sadness", "surprise"]
    assert stills.subjects == (None,) * 3
    assert len(load_fer2013(file, "Training", SCHEME)) == 8


def test_the_numbers_of_the_emotions_are_those_of_the_challenge(tmp_path: Path) -> None:
    stills = load_fer2013(data_sets.write_fer2013(tmp_path / "a.csv", {"Training": range(7)}), "Training", SCHEME)
    names = [stills.scheme.classes[label] for label in stills.labels]
    assert names == ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]


def test_a_scheme_with_more_classes_fits_and_one_of_states_does_not(tmp_path: Path) -> None:
    file = data_sets.write_fer2013(tmp_path / "a.csv", SPLITS)
    assert load_fer2013(file, "Training", scheme_by_name("basic-8")).targets.shape == (8, 8)
    with pytest.raises(
        DataError, match="learner-4x4 does not fit the data: a sequence has one of the labels anger, disgust"
    ):
        load_fer2013(file, "Training", scheme_by_name("learner-4x4"))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "3",
        "7," + "0 " * 2304 + ",Training",
        "happy," + "0 " * 2304 + ",Training",
        "3," + "0 " * 2303 + ",Training",
        "3," + "256 " * 2304 + ",Training",
        "3," + "x " * 2304 + ",Training",
        "3," + "0 " * 2304,
        "3," + "0 " * 2304 + ",Train",
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    file = data_sets.write_fer2013(tmp_path / "fer2013.csv", {"Training": [1, 2]})
    with file.open("a") as table:
        table.write(line + "\n")
    with pytest.raises(DataError, match=r"Line 4 of .*fer2013\.csv is not a face of FER2013"):
        load_fer2013(file, "Training", SCHEME)


def test_a_file_cut_off_before_a_split_says_so(tmp_path: Path) -> None:
    file = data_sets.write_fer2013(tmp_path / "fer2013.csv", {"Training": [1, 2]})
    with pytest.raises(DataError, match=r"holds no image of PrivateTest: it is not the whole file"):
        load_fer2013(file, "PrivateTest", SCHEME)


def test_another_or_no_file_is_told_from_it(tmp_path: Path) -> None:
    data_sets.write_fer2013(tmp_path / "train.csv", {"Training": [1]}, "emotion,pixels")
    with pytest.raises(DataError, match=r"train\.csv is not the table of FER2013.*Name fer2013\.csv"):
        load_fer2013(tmp_path / "train.csv", "Training", SCHEME)
    with pytest.raises(DataError, match=r"There is no .*gone\.csv.*Name fer2013\.csv or icml_face_data\.csv"):
        load_fer2013(tmp_path / "gone.csv", "Training", SCHEME)
    with pytest.raises(DataError, match="cannot be read"):
        load_fer2013(tmp_path, "Training", SCHEME)

from pathlib import Path

import data_sets
import numpy as np
import pytest

from shared_models.data.ckplus import ckplus_clips
from shared_models.data.films import read_films
from shared_models.data.labels import scheme_by_name
from shared_models.errors import DataError

SCHEME = scheme_by_name("basic-8")
LABELS = {"S005/001": 3, "S010/002": 7, "S010/004": None, "S138/008": 2, "S999/001": 1}
FRAMES = [np.full((100, 120, 3), 50 + 10 * n, np.uint8) for n in range(12)]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return data_sets.write_ckplus(tmp_path, LABELS, FRAMES)


def test_labelled_sequences_run_from_neutral_to_their_peak(copy: Path, reader) -> None:
    clips = ckplus_clips(copy, SCHEME)
    assert [(clip.name, clip.subject, SCHEME.classes[clip.target.index(1)]) for clip in clips] == [
        ("S005/001", "S005", "disgust"),
        ("S010/002", "S010", "surprise"),
        ("S138/008", "S138", "contempt"),
        ("S999/001", "S999", "anger"),
    ]
    course = read_films(clips, SCHEME, "CK+", reader).frames[0].mean(axis=(1, 2, 3))
    assert course[[0, -1]].tolist() == [50, 160]
    assert (np.diff(course) >= 0).all()


def test_contempt_is_left_out_where_the_scheme_lacks_it(copy: Path) -> None:
    assert [clip.subject for clip in ckplus_clips(copy, scheme_by_name("basic-7"))] == ["S005", "S010", "S999"]
    with pytest.raises(DataError, match="learner-4x4 does not fit the data"):
        ckplus_clips(copy, scheme_by_name("learner-4x4"))


@pytest.mark.parametrize("part", ["Emotion", "cohn-kanade-images"])
def test_a_missing_part_is_named(copy: Path, part: str) -> None:
    (copy / part).rename(copy / "elsewhere")
    with pytest.raises(DataError, match=rf"There is no .*{part}: this is not a complete copy of CK\+\. Unpack CK\+ so"):
        ckplus_clips(copy, SCHEME)


def test_sequences_that_were_not_unpacked_are_counted(copy: Path) -> None:
    (copy / "cohn-kanade-images" / "S010" / "002" / "S010_002_00000012.png").unlink()
    with pytest.raises(DataError, match=r"1 of the 4 peak frames .*first is cohn-kanade-images/S010/002/S010_002_0+12"):
        ckplus_clips(copy, SCHEME)


def test_without_label_files_nothing_is_usable(tmp_path: Path) -> None:
    data_sets.write_ckplus(tmp_path, {"S005/001": None}, FRAMES[:1])
    with pytest.raises(DataError, match=r"No sequence of .* has a usable label"):
        ckplus_clips(tmp_path, SCHEME)


@pytest.mark.parametrize("text", ["", "   8.0000000e+00", "   1.5", "happy", "   nan"])
def test_a_damaged_label_is_named(copy: Path, text: str) -> None:
    (copy / "Emotion" / "S005" / "001" / "S005_001_00000012_emotion.txt").write_text(text)
    with pytest.raises(DataError, match=r"S005_001_00000012_emotion\.txt is not a label of CK\+"):
        ckplus_clips(copy, SCHEME)

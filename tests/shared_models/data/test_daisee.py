from pathlib import Path

import data_sets
import numpy as np
import pytest

from shared_models.data.daisee import daisee_clips
from shared_models.data.labels import scheme_by_name
from shared_models.errors import DataError
from shared_models.evaluation.levels import levels_of

SCHEME = scheme_by_name("learner-4x4")
SUBJECTS = {"Train": [110001, 110002], "Validation": [400022], "Test": [500039]}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return data_sets.write_daisee(tmp_path, SUBJECTS)


def test_the_state_at_the_highest_level_is_the_label(copy: Path) -> None:
    clips = daisee_clips(copy, "Test", SCHEME)
    assert [(clip.name, SCHEME.classes[clip.target.index(1)]) for clip in clips] == [
        ("5000390000", "engagement:3"),
        ("5000390001", "boredom:3"),
        ("5000390003", "engagement:2"),
        ("5000390004", "confusion:2"),
        ("5000390005", "frustration:3"),
    ], "the third clip has no highest state"
    assert {clip.subject for clip in clips} == {"500039"}


def test_a_clip_lies_in_its_subject_s_folder_as_avi_or_mp4(copy: Path) -> None:
    paths = [clip.path.relative_to(copy) for clip in daisee_clips(copy, "Train", SCHEME)]
    assert Path("DataSet/Train/110001/1100010000/1100010000.avi") in paths
    assert Path("DataSet/Train/110002/1100020005/1100020005.mp4") in paths
    assert all((copy / path).is_file() for path in paths)


def test_the_official_splits_share_nobody(copy: Path) -> None:
    people = [{clip.subject for clip in daisee_clips(copy, split, SCHEME)} for split in SUBJECTS]
    assert people == [{"110001", "110002"}, {"400022"}, {"500039"}]


@pytest.mark.parametrize("part", ["DataSet/Test", "Labels/TestLabels.csv", "Labels"])
def test_a_missing_part_is_named(copy: Path, part: str) -> None:
    (copy / part).rename(copy / "elsewhere")
    with pytest.raises(
        DataError, match=rf"There is no .*{part}.*not a complete copy of DAiSEE\. Unpack DAiSEE so that"
    ):
        daisee_clips(copy, "Test", SCHEME)


def test_videos_that_were_not_unpacked_are_counted(copy: Path) -> None:
    (copy / "DataSet" / "Test" / "500039" / "5000390003" / "5000390003.avi").unlink()
    with pytest.raises(
        DataError, match=r"1 of the 6 videos .*TestLabels\.csv lists are missing, the first is 5000390003"
    ):
        daisee_clips(copy, "Test", SCHEME)


def test_one_in_a_hundred_may_be_missing(tmp_path: Path, caplog) -> None:
    data_sets.write_daisee(tmp_path, {"Test": range(500000, 500017)})
    (tmp_path / "DataSet" / "Test" / "500003" / "5000030003" / "5000030003.avi").unlink()
    assert len(daisee_clips(tmp_path, "Test", SCHEME)) == 17 * 5 - 1
    assert "1 of 102 videos are missing: 5000030003" in caplog.text


@pytest.mark.parametrize("line", ["", "5000390009.avi,0,1,2", "5000390009.avi,0,1,2,4", "clip.avi,0,1,2,3", "x"])
def test_a_damaged_line_is_named(copy: Path, line: str) -> None:
    with (copy / "Labels" / "TestLabels.csv").open("a") as table:
        table.write(line + "\n")
    with pytest.raises(DataError, match=r"Line 8 of .*TestLabels\.csv is not a label of DAiSEE"):
        daisee_clips(copy, "Test", SCHEME)


def test_another_table_or_scheme_is_refused(copy: Path) -> None:
    (copy / "Labels" / "TestLabels.csv").write_text("clip,label\n")
    with pytest.raises(DataError, match="is not a label table of DAiSEE: its columns are"):
        daisee_clips(copy, "Test", SCHEME)
    with pytest.raises(DataError, match="basic-7 does not fit the data"):
        daisee_clips(copy, "Train", scheme_by_name("basic-7"))


def test_all_four_levels_are_the_target_where_the_scheme_has_levels(copy: Path) -> None:
    scheme = scheme_by_name("learner-levels")
    clips = daisee_clips(copy, "Test", scheme)
    targets = np.array([clip.target for clip in clips])
    assert targets.shape == (6, 12), "no clip is left out for having no highest state"
    np.testing.assert_array_equal(levels_of(targets, 4), data_sets.DAISEE_LEVELS)
    assert scheme.classes[3:6] == ("engagement:1", "engagement:2", "engagement:3")
    assert targets[2].tolist() == [1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0]

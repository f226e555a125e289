from pathlib import Path

import cv2
import data_sets
import numpy as np
import pytest

from shared_models.data.faces import HaarFinder, single_face
from shared_models.data.films import Clip
from shared_models.data.iemocap import iemocap_clips
from shared_models.data.labels import scheme_by_name
from shared_models.errors import DataError

cv2.setNumThreads(1)
SCHEME = scheme_by_name("basic-7")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return data_sets.write_iemocap(tmp_path / "IEMOCAP_full_release")


def by_name(clips: list[Clip]) -> dict[str, Clip]:
    return {clip.name: clip for clip in clips}


def test_utterances_have_their_time_label_and_speaker(copy: Path) -> None:
    clips = by_name(iemocap_clips(copy, SCHEME))
    assert len(clips) == 5 * 2 * 3, "no frustration, and nothing that the judges did not agree on"
    clip = clips["Ses02F_impro01_M000"]
    assert (clip.start, clip.end, clip.subject) == (0.5, 1.0, "Ses02M")
    assert SCHEME.classes[clip.target.index(1)] == "happiness", "excitement"
    assert clip.path == copy / "Session2" / "dialog" / "avi" / "DivX" / "Ses02F_impro01.avi"
    assert clips["Ses05M_script01_1b_MXX0"].subject == "Ses05M"
    assert len({clip.subject for clip in clips.values()}) == 10
    genders = {"F": "female", "M": "male"}
    assert all(clip.groups == {"gender": genders[str(clip.subject)[-1]]} for clip in clips.values())


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("Ses01F_impro01_F000", "left"),
        ("Ses01F_impro01_M000", "right"),
        ("Ses01M_script01_1b_M000", "left"),
        ("Ses01M_script01_1b_F000", "right"),
    ],
)
def test_the_one_with_the_markers_sits_on_the_left(copy: Path, name: str, side: str) -> None:
    left, _, right, _ = by_name(iemocap_clips(copy, SCHEME))[name].region
    assert (left, right) == ((0.0, 0.5) if side == "left" else (0.5, 1.0))


def test_the_haar_finder_finds_the_speaker_in_a_picture_of_two(tmp_path: Path) -> None:
    clips = by_name(iemocap_clips(data_sets.write_iemocap(tmp_path, data_sets.scene()), SCHEME))
    pictures = [clips[f"Ses01F_impro01_{who}000"].frames()[0] for who in "FM"]
    assert {picture.shape for picture in pictures} == {(268, 360, 3)}
    for picture, number in zip(pictures, (1, 4), strict=True):
        alone = cv2.resize(data_sets.portrait(number), (360, 270))[:268]
        assert np.corrcoef(picture.ravel(), alone.ravel())[0, 1] > 0.9
        face = single_face(HaarFinder(), picture)
        assert hasattr(face, "box")


def test_a_missing_session_or_part_is_named(copy: Path) -> None:
    (copy / "Session4" / "dialog" / "avi").rename(copy / "elsewhere")
    with pytest.raises(
        DataError, match=r"There is no .*Session4/dialog/avi/DivX: this is not a complete copy of IEMOCAP"
    ):
        iemocap_clips(copy, SCHEME)
    with pytest.raises(DataError, match=r"There is no .*Session1/dialog.*holds Session1 to Session5"):
        iemocap_clips(copy / "Session1", SCHEME)


def test_videos_that_were_not_unpacked_are_counted(copy: Path) -> None:
    (copy / "Session3" / "dialog" / "avi" / "DivX" / "Ses03M_script01_1b.avi").unlink()
    with pytest.raises(DataError, match=r"1 of the 2 videos .* the first is Ses03M_script01_1b\.avi.*partly unpacked"):
        iemocap_clips(copy, SCHEME)


@pytest.mark.parametrize(
    "line",
    [
        "[1.0 - 2.0]",
        "[1.0 - 2.0] Ses01F_impro01_F005 neu [2, 2, 2]",
        "[2.0 - 2.0]\tSes01F_impro01_F005\tneu\t[2, 2, 2]",
        "[1.0 - 2.0]\tSes01F_impro01_F005\tneu\t[2, 2]",
        "[1.0 - 2.0]\tSes01F_impro01_F005\tneu\t[2.5.1, 2, 2]",
        "[1.0 - 2.0]\tSes01F_impro01_X005\tneu\t[2, 2, 2]",
    ],
)
def test_a_damaged_line_is_named(copy: Path, line: str) -> None:
    table = copy / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    table.write_text(line + "\n")
    with pytest.raises(DataError, match=r"Line 1 of .*Ses01F_impro01\.txt is not an utterance of IEMOCAP"):
        iemocap_clips(copy, SCHEME)


def test_an_empty_table_is_named(copy: Path) -> None:
    (copy / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt").write_text("")
    with pytest.raises(DataError, match=r"Ses01F_impro01\.txt lists no utterances: the copy was only partly unpacked"):
        iemocap_clips(copy, SCHEME)


def test_the_judges_means_are_valence_and_arousal_of_every_utterance(copy: Path) -> None:
    clips = by_name(iemocap_clips(copy, scheme_by_name("valence-arousal")))
    assert len(clips) == 5 * 2 * 5, "also of frustration, and where the judges did not agree on a label"
    assert clips["Ses02F_impro01_M000"].target == (0.5, 0.25)
    assert clips["Ses02F_impro01_MXX0"].target == (-0.75, 0.5)


def test_a_mean_beyond_the_scale_counts_as_its_end(copy: Path) -> None:
    table = copy / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    table.write_text("[0.0 - 0.5]\tSes01F_impro01_F000\thap\t[5.5000, 0.5000, 2.5000]\n")
    clips = by_name(iemocap_clips(copy, scheme_by_name("valence-arousal")))
    assert clips["Ses01F_impro01_F000"].target == (1.0, -1.0)

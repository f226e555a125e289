from collections import Counter
from pathlib import Path

import data_sets
import pytest

from shared_models.data.labels import scheme_by_name
from shared_models.data.ravdess import CLIPS_AN_ACTOR, ravdess_clips
from shared_models.errors import DataError

SCHEME = scheme_by_name("basic-7")


@pytest.mark.parametrize("archives", [True, False])
def test_the_name_is_the_label_and_the_actor_is_the_subject(tmp_path: Path, archives: bool) -> None:
    clips = ravdess_clips(data_sets.write_ravdess(tmp_path, [1, 12], archives=archives), SCHEME)
    assert Counter(clip.subject for clip in clips) == {"actor-01": CLIPS_AN_ACTOR, "actor-12": CLIPS_AN_ACTOR}
    assert {(clip.subject, clip.groups["gender"]) for clip in clips} == {("actor-01", "male"), ("actor-12", "female")}
    named = {clip.name: SCHEME.classes[clip.target.index(1)] for clip in clips}
    assert named["01-01-06-01-02-01-12"] == "fear"
    assert named["01-01-08-02-01-01-01"] == "surprise"
    assert Counter(named.values())["neutral"] == 2 * (4 + 8), "calm counts as neutral"


def test_songs_and_silent_copies_are_left_out_but_silent_clips_alone_are_taken(tmp_path: Path) -> None:
    data_sets.write_ravdess(tmp_path, [3])
    assert {clip.path.name[:5] for clip in ravdess_clips(tmp_path, SCHEME)} == {"01-01"}
    (tmp_path / "Video_Speech_Actor_03" / "Actor_03" / "01-01-03-01-01-01-03.mp4").unlink()
    assert len(ravdess_clips(tmp_path, SCHEME)) == CLIPS_AN_ACTOR


def test_an_actor_who_was_only_partly_unpacked_is_named(tmp_path: Path) -> None:
    data_sets.write_ravdess(tmp_path, [3, 4])
    (tmp_path / "Video_Speech_Actor_04" / "Actor_04" / "01-01-05-02-01-01-04.mp4").unlink()
    with pytest.raises(
        DataError, match=r"Actor_04 of .* has 59 of 60 videos of speech.*partly unpacked\. Unpack RAVDESS"
    ):
        ravdess_clips(tmp_path, SCHEME)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "Actor_01").mkdir()
    (tmp_path / "Actor_01" / "03-01-01-01-01-01-01.wav").touch()
    with pytest.raises(DataError, match=r"Actor_01 of .* has 0 of 60 videos"):
        ravdess_clips(tmp_path, SCHEME)


def test_another_or_no_folder_is_told_from_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no actor: this is not a copy of RAVDESS"):
        ravdess_clips(tmp_path, SCHEME)
    with pytest.raises(DataError, match=r"There is no .*gone"):
        ravdess_clips(tmp_path / "gone", SCHEME)
    data_sets.write_ravdess(tmp_path, [1])
    with pytest.raises(DataError, match="learner-4x4 does not fit the data"):
        ravdess_clips(tmp_path, scheme_by_name("learner-4x4"))

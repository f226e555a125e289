import csv
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from shared_models.data.films import FilmReader, read_films
from shared_models.data.labels import scheme_by_name
from shared_models.data.manifest import manifest_clips
from shared_models.data.sequences import CROP_SIZE, SEQUENCE_FRAMES, Sequences
from shared_models.data.stills import move_camera
from shared_models.errors import DataError

COLUMNS = ("clip_id", "subject_id", "label", "path")


@pytest.fixture
def load(reader: FilmReader) -> Callable[..., Sequences]:
    """`load(folder, rows)`: the sequences of a manifest with these rows."""

    def load(folder: Path, rows: Sequence[Sequence[str]], columns: Sequence[str] = COLUMNS) -> Sequences:
        with (folder / "clips.csv").open("w", newline="") as manifest:
            csv.writer(manifest).writerows([columns, *rows])
        scheme = scheme_by_name("basic-7")
        return read_films(manifest_clips(folder / "clips.csv", scheme), scheme, "clips.csv", reader)

    return load


def write_picture(path: Path, brightness: int = 120) -> Path:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.full((100, 120, 3), brightness, dtype=np.uint8))
    return path


def write_video(path: Path, brightnesses: Sequence[int]) -> Path:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (120, 100))
    for brightness in brightnesses:
        video.write(np.full((100, 120, 3), brightness, dtype=np.uint8))
    video.release()
    return path


def test_videos_folders_and_images_become_sequences_of_one_form(load, tmp_path: Path) -> None:
    write_video(tmp_path / "smile.avi", range(50, 250, 5))
    for i in range(20):
        write_picture(tmp_path / "frown" / f"{i}.png", 60 + i)
    write_picture(tmp_path / "shock.jpg")
    rows = [
        ("a", "p1", "Happy", "smile.avi"),
        ("b", "p2", "sad", "frown"),
        ("c", "", "surprise", "shock.jpg"),
    ]
    sequences = load(tmp_path, rows)
    assert sequences.frames.shape == (3, SEQUENCE_FRAMES, 1, CROP_SIZE, CROP_SIZE)
    assert [sequences.scheme.classes[label] for label in sequences.labels] == [
        "happiness",
        "sadness",
        "surprise",
    ]
    assert sequences.targets.sum(axis=1).tolist() == [1, 1, 1]
    assert sequences.subjects == ("p1", "p2", None)
    courses = sequences.frames[:2].mean(axis=(2, 3, 4))
    np.testing.assert_allclose(courses[:, [0, -1]], [[50, 245], [60, 79]], atol=3)
    assert (np.diff(courses) > 0).all()


def test_start_and_end_cut_a_clip_out_of_a_video(load, tmp_path: Path) -> None:
    write_video(tmp_path / "talk.avi", range(50, 250, 5))
    rows = [("a", "p", "joy", "talk.avi", "1", "2.1"), ("b", "p", "joy", "talk.avi", "", "")]
    first, whole = load(tmp_path, rows, [*COLUMNS, "start", "end"]).frames.mean(axis=(2, 3, 4))
    np.testing.assert_allclose(first[[0, -1]], [100, 150], atol=3)
    np.testing.assert_allclose(whole[[0, -1]], [50, 245], atol=3)


def test_cropped_faces_are_taken_whole_without_looking_for_a_face(load, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 20, (CROP_SIZE, CROP_SIZE), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "face.png"), pixels)
    sequences = load(tmp_path, [("a", "p", "joy", "face.png", "cropped")], [*COLUMNS, "faces"])
    np.testing.assert_array_equal(sequences.frames[0, :, 0], move_camera(pixels, sequences.digests[0]))


def test_paths_start_at_the_manifest_and_unknown_columns_are_ignored(load, tmp_path: Path) -> None:
    write_picture(tmp_path / "data" / "face.png")
    (tmp_path / "lists").mkdir()
    row = ("a", "p", "joy", "../data/face.png", "female", "7", "x")
    sequences = load(tmp_path / "lists", [row], [*COLUMNS, "gender", "groups", "group_"])
    assert len(sequences) == 1
    assert sequences.groups == {}


def test_columns_of_groups_are_traits_and_an_empty_cell_is_not_known(load, tmp_path: Path) -> None:
    write_picture(tmp_path / "face.png")
    write_picture(tmp_path / "dark.png", 0)
    rows = [
        ("a", "p", "joy", "face.png", " female ", "", ""),
        ("b", "q", "sad", "dark.png", "male", "2", "with"),  # no face is found, so that it is dropped
        ("c", "r", "sad", "face.png", "male", "2", ""),
    ]
    sequences = load(tmp_path, rows, [*COLUMNS, "group_gender", "group", "group_glasses"])
    assert sequences.groups == {"gender": ("female", "male"), "group": (None, "2")}
    assert sequences.take([1]).groups == {"gender": ("male",), "group": ("2",)}


def test_a_byte_order_mark_is_no_part_of_the_first_column(load, tmp_path: Path) -> None:
    write_picture(tmp_path / "face.png")
    (tmp_path / "clips.csv").write_text("clip_id,subject_id,label,path\na,p,joy,face.png\n", encoding="utf-8-sig")
    assert len(manifest_clips(tmp_path / "clips.csv", scheme_by_name("basic-7"))) == 1


def test_a_digest_names_the_pixels_not_the_file(load, tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 100)
    write_picture(tmp_path / "b.bmp", 100)
    write_picture(tmp_path / "c.png", 101)
    digests = load(tmp_path, [(name, "p", "joy", name) for name in ("a.png", "b.bmp", "c.png")]).digests
    assert digests[0] == digests[1] != digests[2]


def test_clips_without_a_face_are_dropped_and_counted(load, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_picture(tmp_path / "good.png")
    write_picture(tmp_path / "dark.png", 0)
    write_video(tmp_path / "fading.avi", [120] * 7 + [0] * 9)
    rows = [
        ("one", "p", "joy", "dark.png"),
        ("two", "q", "sad", "good.png"),
        ("three", "r", "joy", "fading.avi"),
    ]
    with caplog.at_level(logging.WARNING):
        sequences = load(tmp_path, rows)
    assert sequences.subjects == ("q",)
    assert "dropped 2 of 3 clips" in caplog.text
    assert caplog.text.rstrip().endswith("one, three")


def test_nothing_left_is_an_error(load, tmp_path: Path) -> None:
    write_picture(tmp_path / "dark.png", 0)
    with pytest.raises(DataError, match=r"None of the 1 clips of .* can be used.*fewer than half of the frames"):
        load(tmp_path, [("a", "p", "joy", "dark.png")])


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (("a", "p", "joy", "gone.png"), "There is no file or folder 'gone.png': paths are relative to"),
        (("a", "p", "joy", ""), "There is no file or folder ''"),
        (("a", "p", "joy"), "There is no file or folder ''"),
        (
            ("a", "p", "glee", "face.png"),
            "The label 'glee' is not in the scheme basic-7. Use one of: neutral,",
        ),
        (("a", "p", "joy", "face.png", "2", "2"), "The start, 2 s, is not before the end, 2 s"),
        (("a", "p", "joy", "face.png", "", "0"), "The start, 0 s, is not before the end, 0 s"),
        (("a", "p", "joy", "face.png", "soon", ""), "The start 'soon' is not a time in seconds"),
        (("a", "p", "joy", "face.png", "-1", ""), "The start '-1' is not a time in seconds"),
        (("a", "p", "joy", "face.png", "", "nan"), "The end 'nan' is not a time in seconds"),
        (("a", "p", "joy", "face.png", "1", ""), "face.png is not a video, so it cannot have a start or end"),
        (("a", "p", "joy", "face.png", "", "", "crop"), "The column faces says 'crop'. Write cropped"),
        (("a", "p", "joy", "broken.avi"), "broken.avi cannot be read as a video"),
        (("a", "p", "joy", "broken.png"), "broken.png cannot be read as an image"),
    ],
)
def test_an_error_names_the_line(load, tmp_path: Path, bad: tuple[str, ...], sentence: str) -> None:
    write_picture(tmp_path / "face.png")
    for name in ("broken.avi", "broken.png"):
        (tmp_path / name).write_bytes(b"neither")
    with pytest.raises(DataError) as caught:
        load(tmp_path, [("ok", "p", "joy", "face.png"), bad], [*COLUMNS, "start", "end", "faces"])
    message = str(caught.value)
    assert message.startswith(f"Line 3 of {tmp_path / 'clips.csv'}: ")
    assert sentence in message


def test_lines_are_checked_before_any_clip_is_opened(load, tmp_path: Path) -> None:
    (tmp_path / "broken.avi").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"Line 3 .*'gone.png'"):
        load(tmp_path, [("a", "p", "joy", "broken.avi"), ("b", "p", "joy", "gone.png")])


def test_a_missing_column_is_named(load, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Line 1 of .* lacks the column subject_id, label. Begin the manifest with"):
        load(tmp_path, [("a", "face.png")], ["clip_id", "path"])


def test_an_empty_manifest_is_said_so(load, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lists no clips. Add one line for each clip"):
        load(tmp_path, [])


@pytest.mark.parametrize("content", [b"clip_id,subject_id,label,path\na,p,fr\xf6hlich,face.png\n", b"\xff\xd8\xff\xe0"])
def test_a_manifest_that_is_no_text_is_said_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clips.csv").write_bytes(content)
    with pytest.raises(DataError, match="is not a CSV file in UTF-8"):
        manifest_clips(tmp_path / "clips.csv", scheme_by_name("basic-7"))


def test_a_missing_manifest_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"The manifest .*gone\.csv cannot be read. No such file"):
        manifest_clips(tmp_path / "gone.csv", scheme_by_name("basic-7"))


def write_rows(folder: Path, text: str) -> Path:
    write_picture(folder / "face.png")
    (folder / "clips.csv").write_text(text)
    return folder / "clips.csv"


def test_several_classes_are_written_side_by_side(tmp_path: Path) -> None:
    scheme = scheme_by_name("basic-7-any")
    rows = "clip_id,subject_id,label,path\na,p,happy|surprise,face.png\nb,p, fear ,face.png\n"
    targets = [clip.target for clip in manifest_clips(write_rows(tmp_path, rows), scheme)]
    assert [[scheme.classes[k] for k in np.flatnonzero(target)] for target in targets] == [
        ["happiness", "surprise"],
        ["fear"],
    ]


def test_every_state_has_its_level(tmp_path: Path) -> None:
    scheme = scheme_by_name("learner-levels")
    label = "Engaged:3|boredom:0|confusion:1|frustration:2"
    path = write_rows(tmp_path, f"clip_id,subject_id,label,path\na,p,{label},face.png\n")
    (clip,) = manifest_clips(path, scheme)
    assert clip.target == (0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0)


def test_values_have_a_column_each(tmp_path: Path) -> None:
    path = write_rows(tmp_path, "clip_id,subject_id,valence,arousal,path\na,p,-0.5, 1,face.png\n")
    (clip,) = manifest_clips(path, scheme_by_name("valence-arousal"))
    assert clip.target == (-0.5, 1.0)


@pytest.mark.parametrize(
    ("scheme", "columns", "cells", "message"),
    [
        ("basic-7-any", "label", "happy|bored", r"Line 2 of .*: The label 'bored' is not in the scheme basic-7-any"),
        ("basic-7-any", "label", "", r"Line 2 of .*: The label '' is not in the scheme basic-7-any"),
        ("learner-levels", "label", "boredom:1", r"Line 2 of .* gives no level of engagement, confusion, frustration"),
        ("learner-levels", "label", "boredom:4", r"Line 2 of .*'boredom:4' is not a state and its level.*from 0 to 3"),
        ("learner-levels", "label", "joy:1", r"Line 2 of .*'joy:1' is not a state and its level"),
        ("learner-levels", "label", "boredom", r"Line 2 of .*'boredom' is not a state and its level"),
        ("valence-arousal", "valence,arousal", "0.5,1.5", r"Line 2 of .*: The arousal '1\.5' is not a number from -1"),
        ("valence-arousal", "valence,arousal", "calm,0", r"Line 2 of .*: The valence 'calm' is not a number from -1"),
        ("valence-arousal", "valence,arousal", ",0", r"Line 2 of .*: The valence '' is not a number from -1"),
        ("valence-arousal", "label", "joy", r"Line 1 of .* lacks the column valence, arousal.*valence,arousal,path"),
    ],
)
def test_a_line_without_a_label_of_the_scheme_is_named(
    scheme: str, columns: str, cells: str, message: str, tmp_path: Path
) -> None:
    path = write_rows(tmp_path, f"clip_id,subject_id,{columns},path\na,p,{cells},face.png\n")
    with pytest.raises(DataError, match=message):
        manifest_clips(path, scheme_by_name(scheme))


def test_cells_beyond_the_last_column_are_ignored(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    (tmp_path / "m.csv").write_text("clip_id,subject_id,label,path,group\n1,anna,happiness,a.png,x,more,still more\n")
    (clip,) = manifest_clips(tmp_path / "m.csv", scheme_by_name("basic-7"))
    assert clip.groups == {"group": "x"}

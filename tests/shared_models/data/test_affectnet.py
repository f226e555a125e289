from pathlib import Path

import cv2
import data_sets
import numpy as np
import pytest

from shared_models.data.affectnet import load_affectnet
from shared_models.data.crops import pixel_digest, shrink_frames
from shared_models.data.labels import scheme_by_name
from shared_models.errors import DataError

SCHEME = scheme_by_name("basic-8")
NAMES = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return data_sets.write_affectnet(tmp_path, {"train_set": range(11), "val_set": range(11, 13)})


def test_images_and_labels_belong_together(copy: Path) -> None:
    stills = load_affectnet(copy, "train_set", SCHEME)
    assert stills.frames.shape == (8, 1, 1, 48, 48)
    order = {
        stills.scheme.classes[label]: frame[0, 0] for label, frame in zip(stills.labels, stills.frames, strict=True)
    }
    assert sorted(order) == sorted(NAMES)
    for number, name in enumerate(NAMES):
        image = cv2.imread(str(copy / "train_set" / "images" / f"{number}.jpg"), cv2.IMREAD_GRAYSCALE)
        np.testing.assert_array_equal(order[name], shrink_frames([image])[0])
        assert pixel_digest([image]) in stills.digests
    assert stills.subjects == (None,) * 8


def test_splits_are_the_official_ones(copy: Path) -> None:
    assert len(load_affectnet(copy, "val_set", SCHEME)) == 2


def test_contempt_is_dropped_where_the_scheme_lacks_it(copy: Path) -> None:
    stills = load_affectnet(copy, "train_set", scheme_by_name("basic-7"))
    assert sorted(stills.scheme.classes[label] for label in stills.labels) == sorted(NAMES[:7])


def test_a_half_unpacked_copy_says_what_is_missing(copy: Path) -> None:
    for number in (2, 5):
        (copy / "train_set" / "images" / f"{number}.jpg").unlink()
    with pytest.raises(
        DataError, match=r"2 of the 8 images that .*annotations lists are missing, the first is 2: .*partly"
    ):
        load_affectnet(copy, "train_set", SCHEME)


@pytest.mark.parametrize("part", ["val_set", "val_set/annotations", "val_set/images"])
def test_a_missing_folder_is_named(copy: Path, part: str) -> None:
    (copy / part).rename(copy / "elsewhere")
    with pytest.raises(DataError, match=r"There is no .*val_set.*not a complete copy of AffectNet.*annotations/NUMBER"):
        load_affectnet(copy, "val_set", SCHEME)


def test_labels_alone_are_no_copy(copy: Path) -> None:
    for file in (copy / "val_set" / "annotations").iterdir():
        file.unlink()
    with pytest.raises(DataError, match=r"No image of .*val_set has a usable label"):
        load_affectnet(copy, "val_set", SCHEME)


@pytest.mark.parametrize("value", [np.array("11"), np.array("joy"), np.array([1, 2]), np.array({"a": 1}, dtype=object)])
def test_a_damaged_label_is_named_and_never_unpickled(copy: Path, value: np.ndarray) -> None:
    np.save(copy / "val_set" / "annotations" / "11_exp.npy", value)
    with pytest.raises(DataError, match=r"11_exp\.npy is not a label of AffectNet"):
        load_affectnet(copy, "val_set", SCHEME)


def test_a_damaged_image_is_named(copy: Path) -> None:
    (copy / "val_set" / "images" / "11.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"11\.jpg cannot be read as an image"):
        load_affectnet(copy, "val_set", SCHEME)


def test_values_are_read_and_images_without_them_dropped(copy: Path) -> None:
    scheme = scheme_by_name("valence-arousal")
    folder = copy / "train_set" / "annotations"
    for number in (9, 10):
        for kind in ("val", "aro"):
            np.save(folder / f"{number}_{kind}.npy", np.array("-2"))
    np.save(folder / "8_val.npy", np.array(0.75))
    stills = load_affectnet(copy, "train_set", scheme)
    assert stills.targets.tolist() == [[-0.5, 0.25]] * 8 + [[0.75, 0.25]], "also where no emotion is named"


@pytest.mark.parametrize("value", [np.array("1.5"), np.array("-1.1"), np.array("calm"), None])
def test_a_damaged_or_missing_value_is_named(copy: Path, value: np.ndarray | None) -> None:
    file = copy / "val_set" / "annotations" / "11_aro.npy"
    file.unlink()
    if value is not None:
        np.save(file, value)
    with pytest.raises(DataError, match=r"11_aro\.npy is not a label of AffectNet"):
        load_affectnet(copy, "val_set", scheme_by_name("valence-arousal"))
    assert len(load_affectnet(copy, "val_set", SCHEME)) == 2, "labels do without it"

"""Tiny made-up copies of data sets, each in the exact layout that its authors publish.

Videos are files with the given bytes, since loaders look at them only when faces are wanted.
"""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.expression import apex
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.render import render_frame
from shared_models.data.synthetic.scene import Pose


def small_face(number: int, size: tuple[int, int] = (48, 48)) -> np.ndarray:
    """Random pixels that stand for a face that is cut out already: (H, W) uint8."""
    return np.random.default_rng(number).integers(0, 256, size, dtype=np.uint8)


def portrait(number: int) -> np.ndarray:
    """One rendered person before a camera: (480, 640, 3) uint8."""
    rng, someone = np.random.default_rng(number), person(number)
    actions = apex("neutral", LAPTOP.display, someone.manner)
    return render_frame(someone.identity, actions, Pose(yaw=0.02, pitch=0.1, roll=0.0), LAPTOP.scene(rng), rng)


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two portraits as IEMOCAP's videos have them, (480, 720, 3), each 360 wide between black bands."""
    frame = np.zeros((480, 720, 3), np.uint8)
    frame[105:375, :360] = cv2.resize(left, (360, 270))
    frame[105:375, 360:] = cv2.resize(right, (360, 270))
    return frame


def video_of(frames: Sequence[np.ndarray], scratch: Path, rate: int = 10) -> bytes:
    """An AVI file of these frames."""
    height, width = frames[0].shape[:2]
    video = cv2.VideoWriter(str(scratch), cv2.VideoWriter.fourcc(*"MJPG"), rate, (width, height))
    for frame in frames:
        video.write(frame)
    video.release()
    return scratch.read_bytes()


def write_fer2013(file: Path, splits: dict[str, Iterable[int]], columns: str = "emotion,pixels,Usage") -> Path:
    """Image n has the pixels of `small_face(n)` and the emotion n modulo 7."""
    lines = [columns]
    for split, numbers in splits.items():
        for n in numbers:
            cells = {"emotion": str(n % 7), "pixels": " ".join(map(str, small_face(n).ravel())), "Usage": split}
            lines.append(",".join(cells[name.strip()] for name in columns.split(",")))
    file.write_text("\n".join(lines) + "\n")
    return file


def write_affectnet(folder: Path, splits: dict[str, Iterable[int]]) -> Path:
    """Image n is `small_face(n)` at 224x224 and has the expression n modulo 11, of which 8 to 10 are no emotion."""
    for split, numbers in splits.items():
        for part in ("images", "annotations"):
            (folder / split / part).mkdir(parents=True)
        for n in numbers:
            cv2.imwrite(str(folder / split / "images" / f"{n}.jpg"), small_face(n, (224, 224)))
            for kind, value in (("exp", str(n % 11)), ("val", "-0.5"), ("aro", "0.25")):
                np.save(folder / split / "annotations" / f"{n}_{kind}.npy", np.array(value))
    return folder


def write_ckplus(folder: Path, labels: dict[str, int | None], frames: Sequence[np.ndarray]) -> Path:
    """labels: by sequence, such as S005/001; None for a sequence that has no label file."""
    for sequence, label in labels.items():
        name = sequence.replace("/", "_")
        images, emotions = folder / "cohn-kanade-images" / sequence, folder / "Emotion" / sequence
        images.mkdir(parents=True)
        emotions.mkdir(parents=True)
        for number, frame in enumerate(frames, start=1):
            cv2.imwrite(str(images / f"{name}_{number:08d}.png"), frame)
        (images / ".DS_Store").write_bytes(b"left by another system")
        if label is not None:
            (emotions / f"{name}_{len(frames):08d}_emotion.txt").write_text(f"   {label:.7e}\n")
            (emotions / f"._{name}_{len(frames):08d}_emotion.txt").write_bytes(b"left by another system")
    return folder


def write_ravdess(folder: Path, actors: Iterable[int], video: bytes = b"", archives: bool = True) -> Path:
    """All 60 clips of speech of each actor, with sound; one of them without it too, and one song."""
    for actor in actors:
        home = folder / f"Video_Speech_Actor_{actor:02d}" if archives else folder
        home = home / f"Actor_{actor:02d}"
        home.mkdir(parents=True)
        for emotion, intensity, statement, repetition in product(range(1, 9), (1, 2), (1, 2), (1, 2)):
            if (emotion, intensity) != (1, 2):
                name = f"01-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}"
                (home / f"01-{name}.mp4").write_bytes(video)
        (home / f"02-01-03-01-01-01-{actor:02d}.mp4").write_bytes(video)
        (home / f"01-02-03-01-01-01-{actor:02d}.mp4").write_bytes(video)
    return folder


IEMOCAP_TABLE = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[0.0000 - 0.5000]\t{dialog}_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[0.5000 - 1.0000]\t{dialog}_M000\texc\t[4.0000, 3.5000, 3.5000]
C-E2:\tExcited;\t()

[0.2000 - 0.6000]\t{dialog}_M001\txxx\t[2.5000, 2.5000, 2.5000]
[0.3000 - 0.9000]\t{dialog}_F001\tfru\t[2.5000, 3.5000, 3.5000]
[0.1000 - 0.8000]\t{dialog}_MXX0\tang\t[1.5000, 4.0000, 4.5000]
"""


def write_iemocap(folder: Path, video: bytes = b"", sessions: Iterable[int] = range(1, 6)) -> Path:
    """Two dialogs a session, one with each actor's markers, and five utterances in each."""
    for session in sessions:
        dialogs = folder / f"Session{session}" / "dialog"
        (dialogs / "avi" / "DivX").mkdir(parents=True)
        (dialogs / "EmoEvaluation" / "Categorical").mkdir(parents=True)
        for marked, scene in (("F", "impro01"), ("M", "script01_1b")):
            dialog = f"Ses{session:02d}{marked}_{scene}"
            (dialogs / "avi" / "DivX" / f"{dialog}.avi").write_bytes(video)
            (dialogs / "EmoEvaluation" / f"{dialog}.txt").write_text(IEMOCAP_TABLE.format(dialog=dialog))
            (dialogs / "EmoEvaluation" / f"._{dialog}.txt").write_bytes(b"\x00\x05left by another system")
    return folder


DAISEE_LEVELS = ((0, 3, 0, 0), (3, 1, 0, 0), (2, 2, 0, 0), (0, 2, 1, 0), (1, 1, 2, 0), (0, 0, 1, 3))
"""Boredom, engagement, confusion and frustration of a student's clips; of the third, no state is the highest."""


def write_daisee(folder: Path, subjects: dict[str, Sequence[int]], video: bytes = b"") -> Path:
    """subjects: numbers by split; each has one clip for each of DAISEE_LEVELS, the last one as MP4."""
    (folder / "Labels").mkdir()
    for split, numbers in subjects.items():
        lines = ["ClipID,Boredom,Engagement,Confusion,Frustration "]
        for number in numbers:
            for place, levels in enumerate(DAISEE_LEVELS):
                clip, suffix = f"{number}{place:04d}", "mp4" if place == len(DAISEE_LEVELS) - 1 else "avi"
                home = folder / "DataSet" / split / str(number) / clip
                home.mkdir(parents=True)
                (home / f"{clip}.{suffix}").write_bytes(video)
                lines.append(f"{clip}.{suffix}," + ",".join(map(str, levels)))
        (folder / "Labels" / f"{split}Labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@cache
def film() -> bytes:
    """A second of one rendered person, whom the real face finder finds."""
    with tempfile.TemporaryDirectory() as scratch:
        return video_of([portrait(1)] * 5, Path(scratch) / "film.avi", rate=5)


@cache
def scene() -> bytes:
    """A second of two rendered people side by side."""
    with tempfile.TemporaryDirectory() as scratch:
        return video_of([side_by_side(portrait(1), portrait(4))] * 5, Path(scratch) / "scene.avi", rate=5)


def write_manifest(folder: Path, video: bytes) -> Path:
    (folder / "film.avi").write_bytes(video)
    (folder / "study.csv").write_text("clip_id,subject_id,label,path\na,p,joy,film.avi\nb,q,sad,film.avi\n")
    return folder / "study.csv"


def write_copy(kind: str, folder: Path) -> str:
    """A copy of a whole data set, with pictures in which the real face finder finds faces; gives its SPEC."""
    folder.mkdir(exist_ok=True)
    fer2013 = {"Training": range(90), "PublicTest": [100], "PrivateTest": range(110, 117)}
    affectnet = {"train_set": range(100), "val_set": range(200, 208)}
    daisee = {"Train": [110001, 110002], "Validation": [400022], "Test": [500039]}
    write: dict[str, Callable[[], Path]] = {
        "manifest": lambda: write_manifest(folder, film()),
        "fer2013": lambda: write_fer2013(folder / "fer2013.csv", fer2013),
        "affectnet": lambda: write_affectnet(folder, affectnet),
        "ckplus": lambda: write_ckplus(folder, {f"S{n}/001": n for n in range(1, 7)}, [portrait(1)] * 2),
        "ravdess": lambda: write_ravdess(folder, range(1, 6), film()),
        "iemocap": lambda: write_iemocap(folder, scene()),
        "daisee": lambda: write_daisee(folder, daisee, film()),
    }
    return f"{kind}:{write[kind]()}"

"""The face detector that a student's settings name."""

from pathlib import Path

from fl_client.settings import CaptureSettings
from shared_models.data.faces import FaceFinder, HaarFinder, YuNetFinder


def face_finder(settings: CaptureSettings) -> FaceFinder:
    """YuNet where its file is set, else Haar. Raises SettingsError where the file is missing or another."""
    if settings.face_model:
        return YuNetFinder(Path(settings.face_model), settings.face_model_sha256)
    return HaarFinder()

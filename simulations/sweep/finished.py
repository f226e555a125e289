"""The points of a sweep that are finished: a file each, so that what was interrupted goes on where it stopped."""

from pathlib import Path

from pydantic import ValidationError

from fl_server.plan.utility import Measured
from shared_models.files import atomic_write
from simulations.sweep.point import Point


class Finished:
    """Lines of the table in `folder`, by the key of their point."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, point: Point) -> Measured | None:
        """None where the point is not finished, or its file is not what was written."""
        try:
            return Measured.model_validate_json(self._path(point).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def put(self, point: Point, measured: Measured) -> None:
        """Raises StorageError where the disk is full."""
        atomic_write(self._path(point), measured.model_dump_json(indent=1).encode(), 0o644)

    def _path(self, point: Point) -> Path:
        return self._folder / f"{point.key}.json"

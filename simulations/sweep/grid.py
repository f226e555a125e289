"""What is swept: settings that all points share, and the axes whose values are combined with each other."""

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared_models.errors import SettingsError, UsageError
from shared_models.privacy.mechanism import Count, Positive, Unit
from simulations.algorithms import settings_for
from simulations.populations import BY_SUBJECT, Plan
from simulations.run import Options
from simulations.sweep.point import Point

Seed = Annotated[int, Field(ge=0)]
Trainable = Literal["classifier", "head", "head+affine", "all"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Grid(_Table):
    """The axes. Each combination of their values is one point."""

    unit: list[Unit] = ["sequence"]
    epsilon: list[Positive] = [8.0]
    clients: list[Count | Literal["by-subject"]] = [10]
    cohort: list[Count | Literal["all"]] = ["all"]
    rounds: list[Count] = [6]
    trainable: list[Trainable] = ["classifier"]
    algorithm: list[str] = ["fedavg"]
    seed: list[Seed] = [0, 1, 2]


class Sweep(_Table):
    """A whole sweep, as a TOML file says it."""

    data: str = "synthetic"
    model: str = "cnn-lstm"
    init: str = "starter"
    per_client: Count = 60
    alpha: Positive = 1.0
    holdout: Annotated[float, Field(gt=0, lt=1)] = 0.2
    delta: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    population: list[str] = []
    availability: list[str] = []
    survivors: Annotated[float, Field(gt=0, le=1)] | None = None
    """`min_survivors` as a share of the cohort, where it is to follow the cohort."""
    settings: dict[str, Any] = {}
    """Policy settings, and `aggregation.NAME` ones in quotes, that all points share."""
    grid: Grid = Grid()

    def shared(self) -> dict[str, object]:
        """What all points have in common beside the axes and beside the defaults, by name."""
        told = self.model_dump(exclude={"grid", "settings"}, exclude_defaults=True)
        return {"data": self.data, "per_client": self.per_client} | told | self.settings

    def points(self) -> list[Point]:
        """One for each combination, in order. Raises UsageError where there is none, and for values that do not fit."""
        axes = self.grid.model_dump()
        empty = [name for name, values in axes.items() if not values]
        if empty:
            raise UsageError("There is nothing to sweep", why=f"the axis {empty[0]} has no values")
        twice = [name for name, values in axes.items() if len(set(values)) < len(values)]
        if twice:
            raise UsageError(f"The axis {twice[0]} names a value twice")
        return [self._point(dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())]

    def _point(self, at: dict[str, Any]) -> Point:
        clients, cohort = at["clients"], None if at["cohort"] == "all" else at["cohort"]
        entries = dict(self.settings)
        if self.survivors is not None:
            if (size := cohort or clients) == BY_SUBJECT:
                raise UsageError("survivors needs a cohort or a number of clients that is known beforehand")
            entries["min_survivors"] = max(1, int(self.survivors * size))
        given = {"unit": at["unit"], "epsilon": at["epsilon"], "delta": self.delta, "max_sequences": self.per_client}
        if at["unit"] == "sequence":
            entries.pop("update_clip", None)
        policy, aggregation = settings_for(at["algorithm"], [_entry(*item) for item in entries.items()], **given)
        options = Options(
            data=self.data,
            plan=Plan(str(clients), self.per_client, self.alpha, self.holdout, at["seed"], tuple(self.population)),
            folds=1,
            cohort=cohort,
            rounds=at["rounds"],
            unit=at["unit"],
            gradients="fast",
            policy=policy,
            model=self.model,
            trainable=at["trainable"],
            initial=self.init,
            baseline=True,
            engine="local",
            workers=0,
            aggregation=aggregation,
            availability=tuple(self.availability),
        )
        return Point(options, at["algorithm"], " ".join(_entry(*item) for item in entries.items()))


def load_sweep(
    path: Path | None, given: Mapping[str, Any], axes: Mapping[str, str | None], entries: Sequence[str]
) -> Sweep:
    """The sweep in the file `path`, or the defaults, with what was given in its place.

    given:   values by name, None where there is none
    axes:    values by the name of an axis, with commas between them
    entries: settings as `name=value`, before those of the file

    Raises SettingsError, naming the entry, where the file cannot be read or something in it is wrong, UsageError for
    an entry that is none.
    """
    table = _read(path) if path else {}
    table |= {name: value for name, value in given.items() if value is not None}
    try:
        sweep = Sweep.model_validate(table)
        grid = sweep.grid.model_dump() | {name: _values(text) for name, text in axes.items() if text is not None}
        return Sweep.model_validate(table | {"grid": grid, "settings": sweep.settings | _named(entries)})
    except ValidationError as error:
        problem = error.errors()[0]
        entry = ".".join(str(part) for part in problem["loc"])
        raise SettingsError(
            f"The entry {entry} of the sweep is wrong", why=problem["msg"], fix="See docs/sweep.md"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The sweep {path} cannot be read", why=error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The sweep {path} is not valid TOML", why=str(error)) from error


def _values(text: str) -> list[Any]:
    return [_number(value.strip()) for value in text.split(",") if value.strip()]


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _named(entries: Sequence[str]) -> dict[str, str]:
    for entry in entries:
        if "=" not in entry:
            raise UsageError(f"'{entry}' is not an entry", fix="Write it as name=value")
    return dict(entry.split("=", 1) for entry in entries)


def _entry(name: str, value: Any) -> str:
    return f"{name}={str(value).lower() if isinstance(value, bool) else value}"

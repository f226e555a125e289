"""The student's own settings: one typed table, read from `config.toml` in the device's folder."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared_models.errors import PolicyError, SettingsError
from shared_models.privacy.mechanism import Positive, Unit
from shared_models.privacy.policy import Policy

_TIME = r"([01]\d|2[0-3]):[0-5]\d"
Hours = Annotated[str, Field(pattern=rf"^({_TIME}-{_TIME})?$")]
"""Such as 22:00-06:00, in local time; it may go over midnight. Empty is every hour."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Section):
    """This device's own limits: it refuses a policy beyond them, whatever the server says."""

    units: tuple[Unit, ...] = ("sequence",)
    """The unit `participant` relies on the server to show nobody a single upload."""
    max_epsilon: Positive = 8.0
    max_delta: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    max_participations: Annotated[int, Field(ge=1)] = 200
    max_lifetime_steps: Annotated[int, Field(ge=1)] = 2000
    min_rounds_between: Annotated[int, Field(ge=0)] = 0
    min_noise_multiplier: Positive = 0.5
    min_colluders: Annotated[int, Field(ge=0)] = 1

    def check(self, policy: Policy) -> None:
        """Raises PolicyError, naming the field, where `policy` asks for more than this device allows."""
        if policy.unit not in self.units:
            raise _refused("unit", f"it is '{policy.unit}', and this device allows {', '.join(self.units)}")
        for field, value, limit in (
            ("epsilon", policy.epsilon, self.max_epsilon),
            ("delta", policy.delta, self.max_delta),
            ("participations", policy.participations, self.max_participations),
            ("lifetime_steps", policy.lifetime_steps, self.max_lifetime_steps),
        ):
            if value > limit:
                raise _refused(field, f"it is {value:g}, and this device allows at most {limit:g}")
        floors: list[tuple[str, float, float]] = [
            ("min_rounds_between", policy.min_rounds_between, self.min_rounds_between)
        ]
        if policy.unit == "participant":
            floors.append(("colluders", policy.colluders, self.min_colluders))
        for mechanism in policy.mechanisms:
            field = "noise_multiplier" if mechanism.unit == "sequence" else "update_noise"
            floors.append((field, mechanism.sigma, self.min_noise_multiplier))
        for field, value, limit in floors:
            if value < limit:
                raise _refused(field, f"it is {value:g}, and this device asks for at least {limit:g}")


class CaptureSettings(_Section):
    """How frames become crops."""

    fps: Positive = 8.0
    face_model: str = ""
    face_model_sha256: str = ""
    search_seconds: Annotated[float, Field(ge=0)] = 0.5


class QualitySettings(_Section):
    """What a face must be like for its picture to be kept; docs/capture.md says what each default was measured on."""

    face_pixels: Positive = 60.0
    turn: Positive = 0.35
    nod: Positive = 0.19
    tilt_degrees: Positive = 30.0
    light: Annotated[float, Field(ge=0, le=255)] = 40.0
    glare: Annotated[float, Field(gt=0, le=1)] = 0.35
    sharpness: Annotated[float, Field(ge=0)] = 30.0


class StoreSettings(_Section):
    """How much is stored on this device, and for how long; the study's policy limits the number of sequences."""

    keep_days: Annotated[int, Field(ge=1, le=3650)] = 90
    max_mib: Annotated[int, Field(ge=1)] = 256

    @property
    def max_bytes(self) -> int:
        return self.max_mib << 20


class NodeSettings(_Section):
    """How often this device asks the server for a task."""

    poll_seconds: Positive = 20.0
    retry_seconds: Positive = 10.0


class LabelSettings(_Section):
    """When this device asks how its owner feels, and what becomes of labels that nobody gave."""

    shortest_minutes: Positive = 10.0
    longest_minutes: Positive = 15.0
    answer_seconds: Positive = 60.0
    pseudo: bool = False
    """Whether the model's own reading is kept as a label."""
    pseudo_confidence: Annotated[float, Field(gt=0, le=1)] = 0.95
    train_on_pseudo: bool = False
    """Whether this device may train on such labels, where the study's policy allows it too."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.longest_minutes < self.shortest_minutes:
            raise ValueError("longest_minutes must be at least shortest_minutes")
        if self.answer_seconds > self.interval_seconds[0]:
            raise ValueError("answer_seconds must be at most shortest_minutes, or two questions would wait at once")
        return self

    @property
    def interval_seconds(self) -> tuple[float, float]:
        """The shortest and the longest time between two questions."""
        return 60 * self.shortest_minutes, 60 * self.longest_minutes


class TrainingSettings(_Section):
    """When this device trains, and how: every engine gives the same numbers, and the ledger names which was used."""

    engine: Literal["fast", "opacus"] = "fast"
    hours: Hours = ""
    mains_only: bool = True
    max_cpu_percent: Annotated[float, Field(gt=0, le=100)] = 50.0
    max_celsius: Positive = 85.0
    idle_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 120.0


class PageSettings(_Section):
    """The page on this computer that shows what the device does, and switches it."""

    on: bool = True
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    hints: bool = True


class Settings(_Section):
    limits: Limits = Limits()
    training: TrainingSettings = TrainingSettings()
    capture: CaptureSettings = CaptureSettings()
    labels: LabelSettings = LabelSettings()
    quality: QualitySettings = QualitySettings()
    store: StoreSettings = StoreSettings()
    node: NodeSettings = NodeSettings()
    page: PageSettings = PageSettings()


def load_settings(path: Path) -> Settings:
    """The settings in `path`, or the defaults where there is no such file.

    Raises SettingsError, naming the entry, where it is not TOML or has a wrong value.
    """
    try:
        return Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Settings()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML", why=str(error)) from error
    except ValidationError as error:
        problem = error.errors()[0]
        entry = ".".join(str(part) for part in problem["loc"])
        raise SettingsError(
            f"The entry {entry} of {path} is wrong", why=problem["msg"], fix="See docs/settings.md"
        ) from error


def _refused(field: str, why: str) -> PolicyError:
    return PolicyError(
        f"This device refuses the study's privacy policy because of its {field}",
        why=why,
        fix="Do not take part, or change [limits] in config.toml if you agree to more",
    )

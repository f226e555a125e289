"""The student's own settings: one typed table, read from `config.toml` in the device's folder."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared_models.errors import PolicyError, SettingsError
from shared_models.privacy.mechanism import Positive, Unit
from shared_models.privacy.policy import Policy


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


class NodeSettings(_Section):
    """How often this device asks the server for a task."""

    poll_seconds: Positive = 20.0
    retry_seconds: Positive = 10.0


class TrainingSettings(_Section):
    """How gradients are taken; every engine gives the same numbers, and the ledger names the one that was used."""

    engine: Literal["fast", "opacus"] = "fast"


class PageSettings(_Section):
    """The page on this computer that shows what the device does, and switches it."""

    on: bool = True
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    hints: bool = True


class Settings(_Section):
    limits: Limits = Limits()
    training: TrainingSettings = TrainingSettings()
    capture: CaptureSettings = CaptureSettings()
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

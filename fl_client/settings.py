"""The student's own settings: one typed table, read from `config.toml` in the device's folder."""

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared_models.errors import PolicyError, SettingsError
from shared_models.privacy.policy import Policy, Positive


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Section):
    """This device's own limits: it refuses a policy beyond them, whatever the server says."""

    max_epsilon: Positive = 8.0
    max_delta: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    max_participations: Annotated[int, Field(ge=1)] = 200

    def check(self, policy: Policy) -> None:
        """Raises PolicyError, naming the field, where `policy` asks for more than this device allows."""
        if policy.unit != "sequence":
            raise _refused("unit", f"it is '{policy.unit}', and this device trains only with noise for each sequence")
        for field, value, limit in (
            ("epsilon", policy.epsilon, self.max_epsilon),
            ("delta", policy.delta, self.max_delta),
            ("participations", policy.participations, self.max_participations),
        ):
            if value > limit:
                raise _refused(field, f"it is {value:g}, and this device allows at most {limit:g}")


class CaptureSettings(_Section):
    """How frames become crops."""

    fps: Positive = 8.0
    face_model: str = ""
    face_model_sha256: str = ""


class NodeSettings(_Section):
    """How often this device asks the server for a task."""

    poll_seconds: Positive = 20.0
    retry_seconds: Positive = 10.0


class Settings(_Section):
    limits: Limits = Limits()
    capture: CaptureSettings = CaptureSettings()
    node: NodeSettings = NodeSettings()


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

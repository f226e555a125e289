"""The operator's settings: one typed table, read from `federation.toml`."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from fl_server.legal.answers import Answers
from shared_models.errors import ModelError, SettingsError, UsageError
from shared_models.networks.names import parse_name, parts_of
from shared_models.privacy.mechanism import Count, Positive, Rate, Unit
from shared_models.privacy.policy import Policy

Port = Annotated[int, Field(ge=1, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StudySettings(Answers):
    """Who runs the study and why, shown to students before they consent; and the legal gate's answers."""

    id: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
    title: str
    controller: str
    contact: str
    consent_text: str


class ServerSettings(_Section):
    """Where devices reach the server."""

    host: str = "127.0.0.1"
    """Name or address in certificates and invitations."""
    bind: str = "127.0.0.1"
    """Address of this machine that the listeners open."""
    fleet_port: Port
    enrolment_port: Port
    loopback_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Of the listener for this machine alone; 0 is any free one."""
    max_body_mib: Count = 16
    grpc_health: bool = False
    """Whether the enrolment port answers gRPC health checks, which need no invitation."""
    grpc_reflection: bool = False
    """Whether it describes its protocol to whoever asks."""
    body_seconds: Positive = 60.0
    requests_per_second: Positive = 20.0
    max_connections: Count = 2000


def _known_model(name: str) -> str:
    try:
        parse_name(name)
    except ModelError as error:
        raise ValueError(str(error)) from error
    return name


class ModelSettings(_Section):
    """Which model is trained, and from which weights it starts."""

    name: Annotated[str, AfterValidator(_known_model)] = "cnn-lstm"
    scheme: Literal["basic-7", "basic-8", "learner-4x4", "basic-7-any", "learner-levels", "valence-arousal"] = "basic-7"
    trainable: Literal["classifier", "head", "head+affine", "all"] = "classifier"
    initial: str = "starter"

    @model_validator(mode="after")
    def _part_fits(self) -> Self:
        if self.trainable not in (parts := parts_of(self.name)):
            raise ValueError(f"the model {self.name} has no part '{self.trainable}', only {', '.join(parts)}")
        return self


class PolicySettings(_Section):
    """What the noise is calibrated from. See the privacy policy for what each number means."""

    unit: Unit = "sequence"
    epsilon: Positive = 8.0
    delta: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    participations: Count = 6
    steps: Count = 4
    lifetime_steps: Count | None = None
    min_rounds_between: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    clip_norm: Positive = 0.5
    noise_multiplier: Positive | None = None
    q: Rate = 1.0
    views: Annotated[int, Field(ge=1, le=64)] = 1
    update_clip: Positive | None = None
    update_noise: Positive | None = None
    min_survivors: Count = 2
    colluders: Annotated[int, Field(ge=0)] = 1
    stack_units: bool = False
    denominator: Count = 40
    max_sequences: Count = 60
    pseudo_labels: bool = False
    learning_rate: Positive = 2.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    proximal: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    reply_seconds: Annotated[float, Field(ge=0)] = 10.0

    def calibrated(self, model: str, scheme: str, trainable: str) -> Policy:
        """The policy with these numbers; the noise is what the cap asks for, where it is not given.

        Raises PolicyError where the numbers make none.
        """
        from shared_models.privacy.calibration import calibrated  # brings Opacus, which most commands do without

        return calibrated(**self.model_dump(), model=model, scheme=scheme, trainable=trainable)


class RoundSettings(_Section):
    """When a round starts and how long it waits."""

    rounds: Count = 6
    min_devices: Count = 2
    cohort: Count = 100
    deadline_seconds: Positive = 120.0
    close_at: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of the asked devices whose updates are enough for a round."""
    straggler_seconds: Annotated[float, Field(ge=0)] = 15.0
    """How long a round waits for the rest once it has enough."""
    pause_seconds: Annotated[float, Field(ge=0)] = 60.0


class AggregationSettings(_Section):
    """How a round's updates become one change, and how the model follows it. See docs/aggregation.md."""

    rule: Literal["mean", "trimmed_mean", "median"] = "mean"
    trim: Annotated[float, Field(ge=0, lt=0.5)] = 0.1
    optimiser: Literal["fedavg", "fedavgm", "fedadam"] = "fedavg"
    server_learning_rate: Positive = 1.0
    server_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    tau: Positive = 1e-3


class CheckpointSettings(_Section):
    """Whose weights are kept. Records of rounds are kept for good."""

    keep_last: Count = 10
    best_by: Literal["accuracy", "uar", "macro_f1"] = "macro_f1"


class BenchmarkSettings(_Section):
    """What every global model is scored on: the part to choose on of a data source, such as `daisee:DIR`."""

    data: str = "synthetic"


class WatchSettings(_Section):
    """What the server writes for whoever watches it, beside its log and its page."""

    tensorboard: bool = False


class Settings(_Section):
    study: StudySettings
    server: ServerSettings
    model: ModelSettings = ModelSettings()
    policy: PolicySettings = PolicySettings()
    rounds: RoundSettings = RoundSettings()
    aggregation: AggregationSettings = AggregationSettings()
    checkpoints: CheckpointSettings = CheckpointSettings()
    benchmark: BenchmarkSettings = BenchmarkSettings()
    watch: WatchSettings = WatchSettings()

    def privacy_policy(self) -> Policy:
        """The policy in force: these settings with the noise that their cap asks for."""
        return self.policy.calibrated(self.model.name, self.model.scheme, self.model.trainable)


def load_settings(path: Path) -> Settings:
    """Raises SettingsError, naming the entry, where `path` is missing, is not TOML or has a wrong value."""
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SettingsError(
            f"There is no federation in {path.parent}", fix=f"Create one with `fl-server init {path.parent}`"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML", why=str(error)) from error
    return checked_settings(sections, path)


def checked_settings(sections: dict[str, Any], path: Path) -> Settings:
    """The settings with these entries, which are or will be in `path`; raises SettingsError naming a wrong one."""
    try:
        return Settings.model_validate(sections)
    except ValidationError as error:
        problem = error.errors()[0]
        entry = ".".join(str(part) for part in problem["loc"])
        raise SettingsError(
            f"The entry {entry} of {path} is wrong", why=problem["msg"], fix="See docs/settings.md"
        ) from error


def parse_entries(entries: list[str]) -> dict[str, dict[str, object]]:
    """Entries given as `section.name=value`, by section. Raises UsageError for one that is not."""
    sections: dict[str, dict[str, object]] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        section, dot, key = name.partition(".")
        if not (equals and dot and key):
            raise UsageError(f"'{entry}' is not an entry", fix="Write it as section.name=value")
        sections.setdefault(section, {})[key] = _toml_value(value)
    return sections


def policy_settings(entries: list[str], **given: object) -> PolicySettings:
    """The policy settings `given`, then `entries` as `name=value`.

    Raises UsageError for an entry that is none, SettingsError for a value that is not allowed.
    """
    try:
        return PolicySettings.model_validate(given | _of_section("policy", entries))
    except ValidationError as error:
        raise _wrong_entry("policy", error) from error


def aggregation_settings(entries: list[str], **given: object) -> AggregationSettings:
    """As `policy_settings`, for `[aggregation]`."""
    try:
        return AggregationSettings.model_validate(given | _of_section("aggregation", entries))
    except ValidationError as error:
        raise _wrong_entry("aggregation", error) from error


def _of_section(section: str, entries: list[str]) -> dict[str, object]:
    return parse_entries([f"{section}.{entry}" for entry in entries]).get(section, {})


def _wrong_entry(section: str, error: ValidationError) -> SettingsError:
    problem = error.errors()[0]
    return SettingsError(
        f"The {section} setting {'.'.join(map(str, problem['loc']))} is wrong",
        why=problem["msg"],
        fix="See docs/settings.md",
    )


def _toml_value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text

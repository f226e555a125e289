import pytest

from fl_client.settings import Limits, Settings, load_settings
from shared_models.errors import PolicyError, SettingsError
from shared_models.privacy.policy import Policy


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config.toml"


def test_without_a_file_the_defaults_hold(path):
    assert load_settings(path) == Settings()


def test_what_is_not_named_keeps_its_default(path):
    path.write_text("[limits]\nmax_epsilon = 2\n[node]\npoll_seconds = 5\n")
    settings = load_settings(path)
    assert (settings.limits.max_epsilon, settings.limits.max_delta) == (2.0, 1e-5)
    assert (settings.node.poll_seconds, settings.node.retry_seconds) == (5.0, 10.0)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("[limits]\nmax_epsilon = 0", "limits.max_epsilon"),
        ("[limits]\nmax_epsilon = nan", "limits.max_epsilon"),
        ("[limits]\nmax_epsilon = inf", "limits.max_epsilon"),
        ("[limits]\nmax_delta = 1", "limits.max_delta"),
        ("[limits]\nmax_participations = 0", "limits.max_participations"),
        ('[capture]\nfps = "fast"', "capture.fps"),
        ("[capture]\nface_model = 3", "capture.face_model"),
        ("[labels]\npseudo_confidence = 1.1", "labels.pseudo_confidence"),
        ("[labels]\nshortest_minutes = 20", "labels"),
        ("[labels]\nanswer_seconds = 601", "labels"),
        ("[node]\npoll_seconds = -1", "node.poll_seconds"),
        ("[limits]\nmax_epsilom = 4", "limits.max_epsilom"),
        ("[limit]\nmax_epsilon = 4", "limit"),
        ("limits = 4", "limits"),
    ],
)
def test_a_wrong_or_unknown_entry_is_named(path, text, entry):
    path.write_text(text)
    with pytest.raises(SettingsError) as refused:
        load_settings(path)
    assert f"The entry {entry} of {path} is wrong" in str(refused.value)
    assert refused.value.why
    assert "docs/settings.md" in refused.value.fix


@pytest.mark.parametrize("content", [b"[limits", b"\xff\xfe", b"max_epsilon 4"])
def test_what_is_not_toml_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="is not valid TOML"):
        load_settings(path)


@pytest.mark.parametrize("field", ["epsilon", "delta", "participations"])
def test_a_limit_is_met_exactly_or_not_at_all(policy, field):
    value = getattr(policy, field)
    Limits(**{f"max_{field}": value}).check(policy)
    tighter = value - 1 if field == "participations" else value * 0.999
    with pytest.raises(PolicyError, match=f"because of its {field}: it is {value:g}") as refused:
        Limits(**{f"max_{field}": tighter}).check(policy)
    assert refused.value.exit_code == 13


def test_a_policy_without_noise_is_refused_whatever_it_claims(policy):
    bare = Policy.model_validate(policy.model_dump() | {"unit": "none", "noise_multiplier": 0.0})
    with pytest.raises(PolicyError, match="because of its unit"):
        Limits().check(bare)

import subprocess
import sys

import pytest

from fl_server.policy_in_force import policy_in_force
from fl_server.settings import Settings, load_settings
from shared_models.errors import PolicyError


@pytest.fixture
def settings(folder):
    return load_settings(folder.settings)


def changed(settings: Settings, section: str, **entries) -> Settings:
    part = getattr(settings, section).model_copy(update=entries)
    return settings.model_copy(update={section: part})


def test_it_is_the_calibrated_one_and_is_kept_from_the_start(folder, settings) -> None:
    assert folder.policy.exists()
    assert policy_in_force(folder, settings) == settings.privacy_policy()


def test_it_stays_though_a_later_library_would_calibrate_another(folder, settings, monkeypatch) -> None:
    monkeypatch.setattr(Settings, "privacy_policy", lambda self: pytest.fail("calibrated again"))
    policy_in_force(folder, settings)
    policy_in_force(folder, changed(settings, "rounds", cohort=7))
    policy_in_force(folder, changed(settings, "model", initial="random"))


def test_it_is_calibrated_anew_where_its_settings_change(folder, settings) -> None:
    before = policy_in_force(folder, settings)
    stricter = changed(settings, "policy", epsilon=4.0)
    after = policy_in_force(folder, stricter)
    assert after == stricter.privacy_policy()
    assert after.noise_multiplier > before.noise_multiplier
    assert policy_in_force(folder, changed(settings, "model", trainable="head")).trainable == "head"


def test_a_damaged_file_is_written_again(folder, settings) -> None:
    folder.policy.write_text("{")
    assert policy_in_force(folder, settings) == settings.privacy_policy()
    assert folder.policy.read_text().startswith("{\n")


def test_noise_that_does_not_keep_the_cap_is_refused_also_from_the_file(folder, settings) -> None:
    kept = folder.policy.read_text()
    folder.policy.write_text(kept.replace('"noise_multiplier": 2', '"noise_multiplier": 0'))
    assert policy_in_force(folder, settings) == settings.privacy_policy()
    with pytest.raises(PolicyError):
        policy_in_force(folder, changed(settings, "policy", noise_multiplier=0.1))


def test_a_server_that_only_goes_on_does_without_opacus(folder) -> None:
    program = (
        "import sys; from pathlib import Path; from fl_server.folder import FederationFolder;"
        "from fl_server.settings import load_settings; from fl_server.policy_in_force import policy_in_force;"
        "folder = FederationFolder(Path(sys.argv[1])); policy_in_force(folder, load_settings(folder.settings));"
        "import fl_server.server; sys.exit('opacus' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(folder.root)]).returncode == 0

import stat

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fl_client.home import Home, Identity, load_enrolment
from shared_models.errors import EnrolmentError, KeyStoreError, StorageError
from shared_models.sealing import new_key


class MemoryVault:
    def __init__(self):
        self.keys = {}

    def create(self, name):
        self.keys[name] = new_key()
        return self.keys[name]

    def key(self, name):
        if name not in self.keys:
            raise KeyStoreError(f"no key '{name}'")
        return self.keys[name]

    def destroy(self, name):
        self.keys.pop(name, None)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "new" / "device")
    home.create()
    return home


def private_parts(identity):
    return [
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) for key in (identity.node, identity.ledger)
    ]


def test_the_folders_are_for_their_owner_only(home):
    home.create()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (home.root, home.outbox)] == [0o700, 0o700]


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        Home(tmp_path / "file" / "device").create()


def test_what_was_enrolled_is_found_again(laptop):
    laptop.enrolment.save(laptop.home)
    assert load_enrolment(laptop.home) == laptop.enrolment
    assert load_enrolment(laptop.home).policy.hash == laptop.enrolment.policy.hash
    assert stat.S_IMODE(laptop.home.enrolment.stat().st_mode) == 0o600


def test_a_device_that_is_not_enrolled_says_so(home):
    with pytest.raises(EnrolmentError, match=r"not enrolled in a study.*Run `fl-client enrol INVITATION`"):
        load_enrolment(home)


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", b'{"study": "x"'])
def test_a_damaged_record_says_so(home, damage):
    home.enrolment.write_bytes(damage)
    with pytest.raises(EnrolmentError, match="is damaged"):
        load_enrolment(home)


def test_an_altered_policy_in_the_record_is_not_taken(laptop):
    laptop.enrolment.save(laptop.home)
    text = laptop.home.enrolment.read_text()
    noise = f'"noise_multiplier": {laptop.enrolment.policy.noise_multiplier}'
    assert noise in text
    laptop.home.enrolment.write_text(text.replace(noise, '"noise_multiplier": 0.01'))
    with pytest.raises(EnrolmentError, match="is damaged"):
        load_enrolment(laptop.home)


def test_another_consent_text_has_another_hash(laptop):
    other = laptop.enrolment.model_copy(update={"consent_text": laptop.enrolment.consent_text + " And more."})
    assert other.text_hash != laptop.enrolment.text_hash


def test_keys_come_back_and_lie_sealed_on_the_disk(home):
    vault, identity = MemoryVault(), Identity.generate()
    identity.save(home, vault)
    assert private_parts(Identity.load(home, vault)) == private_parts(identity)
    for path, private in zip((home.node_key, home.ledger_key), private_parts(identity), strict=True):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert private not in path.read_bytes()
        assert private[-32:] not in path.read_bytes()
        assert b"PRIVATE KEY" not in path.read_bytes()


def test_two_devices_never_share_a_key():
    one, other = private_parts(Identity.generate()), private_parts(Identity.generate())
    assert one[0] != other[0]
    assert one[1] != other[1]


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "swapped", "other vault"])
def test_a_key_that_is_not_what_was_sealed_is_refused(home, damage):
    vault = MemoryVault()
    Identity.generate().save(home, vault)
    sealed = home.node_key.read_bytes()
    match damage:
        case "flip":
            home.node_key.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
        case "cut":
            home.node_key.write_bytes(sealed[:10])
        case "gone":
            home.ledger_key.unlink()
        case "swapped":
            home.node_key.write_bytes(home.ledger_key.read_bytes())
        case "other vault":
            vault.create("identity")
    with pytest.raises(KeyStoreError, match="keys cannot be opened"):
        Identity.load(home, vault)


def test_without_the_vault_s_key_nothing_opens(home):
    Identity.generate().save(home, MemoryVault())
    with pytest.raises(KeyStoreError):
        Identity.load(home, MemoryVault())

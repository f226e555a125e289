"""An archive is taken whole or not at all, whatever was done to it."""

import datetime as dt
import io
import json
import zipfile
from contextlib import closing, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fl_server.backup.archive import Archive, write_archive
from shared_models.errors import BackupError

FILES = [("federation.toml", b"[study]\n"), ("keys/ca.key", b"secret"), ("empty", b""), ("big", bytes(3 << 20))]
SHARED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(files=FILES):
    data = io.BytesIO()
    write_archive(data, files, "seminar", dt.datetime(2026, 11, 27, tzinfo=dt.UTC), "Attune")
    return data.getvalue()


@pytest.fixture
def read(tmp_path):
    """All that an archive with these bytes holds."""

    def read(data):
        path = tmp_path / "study.backup"
        path.write_bytes(data)
        with closing(Archive(path)) as archive:
            return [(name, b"".join(archive.chunks(name))) for name in archive.manifest.files]

    return read


def refused(read, data):
    with pytest.raises(BackupError, match="is not a whole backup"):
        read(data)


def test_what_was_written_comes_back_in_its_order(read):
    assert read(written()) == FILES


SMALL = written(FILES[:3])


@SHARED
@given(position=st.integers(0, len(SMALL) - 1), change=st.integers(1, 255))
def test_a_changed_byte_changes_nothing_that_is_restored(read, position, change):
    """A byte of the archive's own bookkeeping may change; one that a file is made of is found."""
    data = bytearray(SMALL)
    data[position] ^= change
    with suppress(BackupError):
        assert read(bytes(data)) == FILES[:3]


@pytest.mark.parametrize("name", ["federation.toml", "keys/ca.key"])
def test_any_changed_byte_of_a_file_is_found(read, name):
    content = dict(FILES)[name]
    for i in range(len(content)):
        refused(read, SMALL.replace(content, content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :]))


@SHARED
@given(length=st.integers(0, len(SMALL) - 1))
def test_one_that_is_cut_short_is_refused(read, length):
    refused(read, SMALL[:length])


@pytest.mark.parametrize("data", [b"", b"PK", b"nonsense" * 100, b"SQLite format 3\0"])
def test_what_is_none_is_refused(read, data):
    refused(read, data)


def rewritten(change_manifest=lambda manifest: None, extra=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(io.BytesIO(SMALL)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    change_manifest(manifest)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content in [*files.items(), *extra]:
            archive.writestr(name, content)
        archive.writestr("manifest.json", json.dumps(manifest))
    return data.getvalue()


def test_a_file_more_or_less_than_the_manifest_names_is_refused(read):
    assert read(rewritten()) == FILES[:3]
    refused(read, rewritten(extra=[("more", b"")]))
    refused(read, rewritten(lambda manifest: manifest["files"].pop("empty")))
    refused(read, rewritten(lambda manifest: manifest["files"].update(gone={"size": 0, "sha256": ""})))


def test_compressed_bytes_are_refused_unread(read):
    """A small file must not become a large one."""
    refused(read, rewritten(compression=zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", "a//b", "./a", "..", "a\\..\\b"])
def test_a_path_that_leads_elsewhere_is_refused(read, name):
    refused(read, written([*FILES[:3], (name, b"")]))


def test_a_newer_version_says_so(read):
    def newer(manifest):
        manifest |= {"version": 2, "something": "new"}

    with pytest.raises(BackupError, match="newer version of Attune"):
        read(rewritten(newer))
    refused(read, rewritten(lambda manifest: manifest.pop("version")))

"""A study's evidence in one file: a zip archive of plain files, each named by its hash in a signed list.

The archive is a function of its files: uncompressed, in a fixed order, without times. So any changed byte is found,
in the archive's own bookkeeping too.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, NonNegativeInt, TypeAdapter, ValidationError

from fl_server.verify.evidence import Evidence
from fl_server.verify.lines import as_lines, entries_of
from shared_models.canonical import canonical
from shared_models.errors import PolicyError, VerificationError
from shared_models.privacy.policy import Policy, checked_policy
from shared_models.privacy.receipts import LedgerHead, Receipt

MANIFEST, REPORT, SCHEMA, POLICY = "manifest.json", "report.json", "report-schema.json", "policy.json"
KEYS, RECEIPTS, HEADS = "keys.json", "receipts.json", "heads.json"
LEDGER, INTENTS = "server-ledger.jsonl", "intents.jsonl"
_FIXED = (REPORT, SCHEMA, POLICY, KEYS, RECEIPTS, HEADS, LEDGER, INTENTS)
_DEVICE = re.compile(r"devices/([0-9a-f]{1,64})\.jsonl")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_VERSION = 1
_LARGEST = 1 << 28
_Parsed = TypeVar("_Parsed")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Keys(_Strict):
    server: str
    devices: dict[str, str]


class _Receipt(_Strict):
    entry: str
    signature: str


class _Head(_Strict):
    entries: NonNegativeInt
    hash: str


@dataclass(frozen=True)
class Bundle:
    """The files of a bundle whose list is signed. Nothing of what they say has been checked."""

    files: Mapping[str, bytes]
    server_key: Ed25519PublicKey


def pack(report: bytes, schema: bytes, evidence: Evidence, key: Ed25519PrivateKey) -> bytes:
    """The archive. `key` is the server's, which signs the list of files."""
    keys = {
        "server": evidence.server_key.public_bytes_raw().hex(),
        "devices": {name: device.public_bytes_raw().hex() for name, device in evidence.device_keys.items()},
    }
    receipts = {device: vars(receipt) for device, receipt in evidence.receipts.items()}
    files = {
        REPORT: report,
        SCHEMA: schema,
        POLICY: canonical(evidence.policy.model_dump(mode="json")),
        KEYS: canonical(keys),
        RECEIPTS: canonical(receipts),
        HEADS: canonical({device: head._asdict() for device, head in evidence.heads.items()}),
        LEDGER: as_lines(evidence.entries),
        INTENTS: as_lines(evidence.intents),
        **{f"devices/{device}.jsonl": as_lines(entries) for device, entries in evidence.device_ledgers.items()},
    }
    listed = _listed(files)
    manifest = {
        "listed": listed,
        "public_key": key.public_key().public_bytes_raw().hex(),
        "signature": key.sign(canonical(listed)).hex(),
    }
    return _archive({MANIFEST: canonical(manifest), **files})


def unpack(data: bytes, key: Ed25519PublicKey | None) -> Bundle:
    """The files of an archive; `key` is the server's where it is known from elsewhere.

    Raises VerificationError where a byte is not as `pack` wrote it.
    """
    files = _files(data)
    if _archive(files) != data:
        raise VerificationError("The archive is not as it was written", why="bytes around its files were changed")
    manifest = _object(files, MANIFEST, "listed", "public_key", "signature")
    named = _public_key(manifest["public_key"])
    if key is not None and key != named:
        raise VerificationError(
            "The bundle is signed with another key", why="it is not the one that was given to check it by"
        )
    try:
        named.verify(bytes.fromhex(manifest["signature"]), canonical(manifest["listed"]))
    except (InvalidSignature, ValueError, TypeError) as error:
        raise VerificationError("The signature of the list of files does not hold") from error
    contents = {name: content for name, content in files.items() if name != MANIFEST}
    if manifest["listed"] != _listed(contents):
        raise VerificationError("A file is not the one that the signed list names, is missing, or is one too many")
    if not set(_FIXED) <= contents.keys() or any(_DEVICE.fullmatch(n) is None for n in contents.keys() - set(_FIXED)):
        raise VerificationError("The bundle does not hold the files that a bundle has")
    return Bundle(contents, named)


def evidence_of(bundle: Bundle) -> Evidence:
    """What the files say, parsed; raises VerificationError or LedgerError where they cannot be read."""
    files = bundle.files
    keys, receipts = _parsed(files, KEYS, _Keys), _parsed(files, RECEIPTS, dict[str, _Receipt])
    heads = _parsed(files, HEADS, dict[str, _Head])
    if keys.server != bundle.server_key.public_bytes_raw().hex():
        raise VerificationError("The server's key is not the one that signed the bundle")
    return Evidence(
        study=_object(files, REPORT)["study"]["id"],
        policy=_policy(files),
        server_key=bundle.server_key,
        device_keys={device: _public_key(key) for device, key in keys.devices.items()},
        entries=entries_of(files[LEDGER]),
        intents=entries_of(files[INTENTS]),
        receipts={device: Receipt(**receipt.model_dump()) for device, receipt in receipts.items()},
        device_ledgers={
            found[1]: entries_of(content) for name, content in files.items() if (found := _DEVICE.fullmatch(name))
        },
        heads={device: LedgerHead(head.entries, head.hash) for device, head in heads.items()},
    )


def read_bundle(path: Path) -> bytes:
    """Raises VerificationError where `path` cannot be read or is too large to be a bundle."""
    try:
        if path.stat().st_size > _LARGEST:
            raise VerificationError(f"{path} is too large for a bundle")
        return path.read_bytes()
    except OSError as error:
        raise VerificationError(f"{path} cannot be read", why=error.strerror or str(error)) from error


def _listed(files: Mapping[str, bytes]) -> dict[str, Any]:
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return {"version": _VERSION, "files": hashes}


def _archive(files: Mapping[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name])
    return data.getvalue()


def _files(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > _LARGEST:
                raise VerificationError("The archive claims to hold more than a bundle can")
            return {entry.filename: archive.read(entry) for entry in entries}
    except VerificationError:
        raise
    except Exception as error:  # the decompressors have errors of their own for damaged bytes
        raise VerificationError("The bundle is not an archive that can be read") from error


def _object(files: Mapping[str, bytes], name: str, *fields: str) -> dict[str, Any]:
    try:
        value = json.loads(files[name])
    except (KeyError, ValueError, RecursionError) as error:
        raise VerificationError(f"The bundle's {name} is missing or is not JSON") from error
    if not isinstance(value, dict) or not set(fields) <= value.keys():
        raise VerificationError(f"The bundle's {name} does not have the fields that it should")
    return value


def _policy(files: Mapping[str, bytes]) -> Policy:
    try:
        return checked_policy(_object(files, POLICY))
    except PolicyError as error:
        raise VerificationError("The bundle's policy is not valid", why=error.why) from error


def _parsed(files: Mapping[str, bytes], name: str, kind: type[_Parsed]) -> _Parsed:
    try:
        return TypeAdapter(kind).validate_json(files[name])
    except (KeyError, ValidationError) as error:
        raise VerificationError(f"The bundle's {name} is missing or does not have the fields that it should") from error


def _public_key(text: Any) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    except (ValueError, TypeError) as error:
        raise VerificationError("A public key in the bundle cannot be read") from error

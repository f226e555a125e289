"""`fl-server verify` and `python -m fl_server.verify`: checks a bundle offline, trusting nothing that it says."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from fl_server.report.document import Report
from fl_server.report.schema import report_schema
from fl_server.verify import figures
from fl_server.verify.bundle import REPORT, SCHEMA, Bundle, evidence_of, read_bundle, unpack
from fl_server.verify.checks import CHECKS, Checked
from fl_server.verify.evidence import Evidence
from shared_models.errors import LedgerError, UsageError, VerificationError

_FIGURES: tuple[tuple[str, Callable[[Report, Evidence], str]], ...] = (
    ("the report's signature", figures.signature),
    ("the report's mechanism", figures.mechanism),
    ("the report's claims", figures.claims),
    ("the report's budget", figures.ledger),
)


def verify(path: Path, server_key: str | None = None) -> list[Checked]:
    """The checks of the bundle at `path`, in order, up to the first that fails.

    server_key: the server's public key in hex, where it is known from elsewhere, as from a consent screen

    Raises UsageError where `server_key` is no key.
    """
    key = None if server_key is None else _key(server_key)
    done: list[Checked] = []
    steps = _steps(path, key)
    while True:
        name = "the bundle"
        try:
            name, check = next(steps)
            done.append(Checked(name, True, check()))
        except StopIteration:
            return done
        except (VerificationError, LedgerError) as error:
            return [*done, Checked(name, False, str(error))]


def _steps(path: Path, key: Ed25519PublicKey | None) -> Iterator[tuple[str, Callable[[], str]]]:
    """Each check by its name; what a later one needs is made on the way."""
    bundle = unpack(read_bundle(path), key)
    by = "by the key given" if key is not None else "by its own key; give --key to check whose it is"
    yield "every byte of the bundle", lambda: f"{len(bundle.files)} files, their list signed {by}"
    yield "the report's form", lambda: _form(bundle)
    report, evidence = Report.model_validate_json(bundle.files[REPORT]), evidence_of(bundle)
    for name, check in CHECKS:
        yield name, lambda check=check: check(evidence)  # type: ignore[misc]
    for name, follows in _FIGURES:
        yield name, lambda follows=follows: follows(report, evidence)  # type: ignore[misc]


def _form(bundle: Bundle) -> str:
    if json.loads(bundle.files[SCHEMA]) != report_schema():
        raise VerificationError(
            "The report's schema is not the one of this program", fix="Use the version that made it"
        )
    try:
        report = Report.model_validate_json(bundle.files[REPORT])
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise VerificationError("The report is not one", why=f"{where}: {problem['msg']}") from error
    return f"valid by schema {report.report.schema_version}; status {report.report.status}"


def _key(text: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    except ValueError as error:
        raise UsageError("The key is not one", fix="Give the server's public key as 64 hex digits") from error

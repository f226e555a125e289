from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fl_server.report.document import Report
from fl_server.report.signing import signature_holds, signed


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def final(fields: dict[str, Any], key: Ed25519PrivateKey) -> Report:
    fields["ledger"]["verification"] = "verified"
    return signed(Report.model_validate(fields), key)


def test_a_signed_report_is_final_and_holds_also_after_a_trip_through_json(
    final: Report, key: Ed25519PrivateKey
) -> None:
    assert final.report.status == "final"
    assert signature_holds(Report.model_validate_json(final.model_dump_json(indent=1)), key.public_key())


def test_a_changed_figure_or_another_key_does_not_hold(final: Report, key: Ed25519PrivateKey) -> None:
    changed = final.model_copy(update={"ledger": final.ledger.model_copy(update={"spent": 1.0})})
    assert not signature_holds(changed, key.public_key())
    assert not signature_holds(final, Ed25519PrivateKey.generate().public_key())


def test_a_draft_holds_by_no_key(fields: dict[str, Any], key: Ed25519PrivateKey) -> None:
    assert not signature_holds(Report.model_validate(fields), key.public_key())

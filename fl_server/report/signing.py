"""The server's signature over a report."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fl_server.report.document import Report, Signature
from shared_models.canonical import canonical


def signed(document: Report, key: Ed25519PrivateKey) -> Report:
    """The draft `document` as a final report, signed with `key`."""
    placeholder = Signature(public_key="0" * 64, value="0" * 128)
    info = document.report.model_copy(update={"status": "final", "signature": placeholder})
    final = document.model_copy(update={"report": info})
    signature = Signature(
        public_key=key.public_key().public_bytes_raw().hex(), value=key.sign(signed_bytes(final)).hex()
    )
    return Report.model_validate(
        final.model_dump() | {"report": info.model_dump() | {"signature": signature.model_dump()}}
    )


def signed_bytes(document: Report) -> bytes:
    """What is signed: the canonical JSON of the report, its signature null."""
    fields = document.model_dump(mode="json")
    fields["report"]["signature"] = None
    return canonical(fields)


def signature_holds(document: Report, key: Ed25519PublicKey) -> bool:
    """Whether `document` was signed by the holder of `key`; False for a draft."""
    signature = document.report.signature
    if signature is None or signature.public_key != key.public_bytes_raw().hex():
        return False
    try:
        key.verify(bytes.fromhex(signature.value), signed_bytes(document))
    except InvalidSignature:
        return False
    return True

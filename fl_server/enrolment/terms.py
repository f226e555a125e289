"""What a student is asked to agree to: the study and its policy, signed."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fl_server.legal.gate import allows_live_reading
from fl_server.settings import Settings
from shared_models.canonical import canonical
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment.proofs import terms_form
from shared_models.privacy.policy import Policy


def describe(settings: Settings, policy: Policy, key: Ed25519PrivateKey) -> messages.Terms:
    """The study's terms, signed by the server's key."""
    study = settings.study
    terms = messages.Terms(
        study=study.id,
        title=study.title,
        controller=study.controller,
        contact=study.contact,
        purpose=study.purpose,
        consent_text=study.consent_text,
        policy=canonical(policy.model_dump(mode="json")).decode(),
        server_key=key.public_key().public_bytes_raw(),
        live_reading=allows_live_reading(study),
    )
    terms.signature = key.sign(terms_form(terms))
    return terms

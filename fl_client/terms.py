"""A study's terms: checked when a device joins, and asked for again while it takes part."""

import json
import time
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fl_client.consent import ConsentBook, State
from fl_client.enrolment_port import call
from fl_client.home import Enrolment, Home, Identity
from fl_client.settings import Limits
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment.proofs import ENROLMENT_VERSION, policy_form, terms_form
from shared_models.errors import ConsentError, EnrolmentError
from shared_models.privacy.policy import Policy, checked_policy


def policy_of(terms: messages.Terms) -> Policy:
    """The policy in `terms`; raises EnrolmentError where they are not signed by their server, PolicyError where it is
    invalid."""
    try:
        Ed25519PublicKey.from_public_bytes(terms.server_key).verify(terms.signature, terms_form(terms))
        policy = json.loads(terms.policy)
    except (InvalidSignature, ValueError) as error:
        raise EnrolmentError(
            "The study's terms are not signed by its server", fix="Do not take part; tell whoever runs the study"
        ) from error
    return checked_policy(policy)


def facts_of(terms: messages.Terms) -> dict[str, Any]:
    """What a device keeps of `terms`: fields of its Enrolment. Raises what `policy_of` raises."""
    return {
        "study": terms.study,
        "title": terms.title,
        "controller": terms.controller,
        "contact": terms.contact,
        "purpose": terms.purpose,
        "consent_text": terms.consent_text,
        "server_key": terms.server_key.hex(),
        "policy": policy_of(terms),
        "live_reading": terms.live_reading,
    }


def ask_terms(enrolment: Enrolment, identity: Identity) -> Enrolment:
    """`enrolment` with the terms that its server has in force now.

    Raises EnrolmentError where they are of another study or signed by another key than the one enrolled with, and what
    `call` and `policy_of` raise.
    """
    at, study, device = int(time.time()), enrolment.study, enrolment.pseudonym
    proof = messages.DeviceProof(pseudonym=device, at=at, proof=identity.ledger.sign(policy_form(study, device, at)))
    request = messages.PolicyRequest(version=ENROLMENT_VERSION, device=proof)
    terms = call(enrolment.enrolment_address, enrolment.ca_pem.encode(), lambda stub: stub.Policy, request)
    if (terms.study, terms.server_key.hex()) != (study, enrolment.server_key):
        raise EnrolmentError(
            "The server's terms are of another study or another server", fix="Tell whoever runs the study"
        )
    return Enrolment.model_validate(dict(enrolment) | facts_of(terms))


def adopt(offered: Enrolment, current: Enrolment, home: Home, consent: ConsentBook, limits: Limits) -> None:
    """Keeps the terms that are offered in place of the current ones.

    Where the policy, the text, the purpose or who answers for the study differ, what was agreed to holds no more. That
    is on the disk before the terms are: a crash in between asks too early, never too late. Raises ConsentError then,
    PolicyError where the new policy is beyond the student's own limits.
    """
    if offered == current:
        return
    changed = _agreed_to(offered) != _agreed_to(current)
    if changed:
        if consent.current().state in (State.ACTIVE, State.PAUSED):
            consent.lapse()
        consent.inform(offered.text_hash, offered.policy.hash)
    offered.save(home)
    if changed:
        limits.check(offered.policy)
        raise ConsentError(
            "The study's terms have changed, and what you agreed to holds no more",
            fix="Read the new ones and decide with `fl-client consent`",
        )


def _agreed_to(terms: Enrolment) -> tuple[str, ...]:
    return terms.text_hash, terms.policy.hash, terms.purpose, terms.controller

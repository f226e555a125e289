"""The terms of a study: signed whole by its server, asked for again, and agreed to anew where they changed."""

import pytest

from fl_client import terms as module
from fl_client.consent import ConsentBook, State
from fl_client.enrolment import accept, read_offer
from fl_client.home import Identity, load_enrolment
from fl_client.settings import Limits
from fl_client.terms import adopt, ask_terms, policy_of
from fl_server.certificates import load_signing_key
from fl_server.enrolment.terms import describe
from fl_server.settings import load_settings
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment.proofs import terms_form
from shared_models.errors import AddressError, ClockError, ConsentError, EnrolmentError, PolicyError


@pytest.fixture
def settings(folder):
    return load_settings(folder.settings)


def altered(terms, **changed):
    copy = messages.Terms()
    copy.CopyFrom(terms)
    for field, value in changed.items():
        setattr(copy, field, value)
    return copy


def signed(folder, terms, **changed):
    copy = altered(terms, **changed)
    copy.signature = load_signing_key(folder).sign(terms_form(copy))
    return copy


def test_a_policy_that_the_server_signed_is_the_policy(port, settings):
    assert policy_of(port.terms) == settings.privacy_policy()


@pytest.mark.parametrize("field", ["study", "title", "controller", "contact", "purpose", "consent_text", "policy"])
def test_no_part_of_the_terms_can_be_altered(port, field):
    with pytest.raises(EnrolmentError, match="not signed by its server"):
        policy_of(altered(port.terms, **{field: getattr(port.terms, field) + " "}))


def test_nor_can_it_be_altered_whether_live_reading_is_allowed(port):
    assert port.terms.live_reading
    with pytest.raises(EnrolmentError, match="not signed by its server"):
        policy_of(altered(port.terms, live_reading=False))


def test_nor_can_their_signature_or_key(port):
    other = Identity.generate().ledger.public_key().public_bytes_raw()
    for field, value in (
        ("signature", b""),
        ("signature", bytes(64)),
        ("server_key", bytes(31)),
        ("server_key", other),
    ):
        with pytest.raises(EnrolmentError, match="not signed by its server"):
            policy_of(altered(port.terms, **{field: value}))


def test_a_signed_policy_that_costs_more_than_it_says_is_refused(port, folder):
    cheap = port.terms.policy.replace('"lifetime_steps":24', '"lifetime_steps":240').replace(
        '"participations":6', '"participations":60'
    )
    assert cheap != port.terms.policy
    with pytest.raises(PolicyError, match="costs more than the lifetime cap"):
        policy_of(signed(folder, port.terms, policy=cheap))


@pytest.fixture
def joined(port, laptop):
    """A device that agreed to everything at the study whose port this is."""
    with port.listening():
        enrolment = accept(read_offer(port.invite()), laptop.identity)
    enrolment.save(laptop.home)
    laptop.enrolment = enrolment
    laptop.agree()
    return laptop


def changed_terms(port, settings, **changes):
    parts = {section: getattr(settings, section).model_copy(update=entries) for section, entries in changes.items()}
    new = settings.model_copy(update=parts)
    return describe(new, new.privacy_policy(), load_signing_key(port.folder))


def test_terms_that_stayed_change_nothing(port, joined):
    with port.listening():
        offered = ask_terms(joined.enrolment, joined.identity)
    assert offered == joined.enrolment
    adopt(offered, joined.enrolment, joined.home, joined.consent, Limits())
    assert joined.consent.current().state is State.ACTIVE


@pytest.mark.parametrize(
    "changes",
    [
        {"study": {"consent_text": "We ask for more."}},
        {"policy": {"epsilon": 4.0}},
        {"study": {"purpose": "scientific research"}},
        {"study": {"controller": "Somebody Else Ltd"}},
    ],
    ids=["text", "policy", "purpose", "controller"],
)
def test_other_terms_end_what_was_agreed_to_and_is_kept(port, settings, joined, changes):
    port.terms = changed_terms(port, settings, **changes)
    with port.listening():
        offered = ask_terms(joined.enrolment, joined.identity)
    with pytest.raises(ConsentError, match="terms have changed"):
        adopt(offered, joined.enrolment, joined.home, joined.consent, Limits())
    consent = ConsentBook(joined.home.root).current()
    kept = load_enrolment(joined.home)
    assert consent.state is State.INFORMED
    assert not any(consent.allows(scope, kept.policy.hash) for scope in ("capture", "store", "train"))
    assert kept == offered
    assert (kept.text_hash, kept.policy.hash) == (consent.text_hash, consent.policy_hash)


def test_another_contact_is_kept_and_asks_nobody_again(port, settings, joined):
    port.terms = changed_terms(port, settings, study={"contact": "someone-else@example.org"})
    with port.listening():
        adopt(ask_terms(joined.enrolment, joined.identity), joined.enrolment, joined.home, joined.consent, Limits())
    assert load_enrolment(joined.home).contact == "someone-else@example.org"
    assert joined.consent.current().state is State.ACTIVE


def test_whether_live_reading_is_allowed_is_kept_and_asks_nobody_again(port, settings, joined):
    assert load_enrolment(joined.home).live_reading
    in_the_eu = {"purpose": "medical or safety", "synthetic": False, "regions": ["EU"]}

    def look(answer):
        port.terms = changed_terms(port, settings, study=in_the_eu | {"live_reading": answer})
        current = load_enrolment(joined.home)
        with port.listening():
            adopt(ask_terms(current, joined.identity), current, joined.home, joined.consent, Limits())

    with pytest.raises(ConsentError):  # of the other purpose
        look("")
    terms = load_enrolment(joined.home)
    assert not terms.live_reading
    joined.consent.grant(["capture"], terms.text_hash, terms.policy.hash)
    look("file 89")
    assert load_enrolment(joined.home).live_reading
    assert joined.consent.current().state is State.ACTIVE


def test_a_new_policy_beyond_the_student_s_limits_is_refused_and_stops_everything(port, settings, joined):
    port.terms = changed_terms(port, settings, policy={"participations": 12})
    with port.listening():
        offered = ask_terms(joined.enrolment, joined.identity)
    with pytest.raises(PolicyError, match="because of its participations"):
        adopt(offered, joined.enrolment, joined.home, joined.consent, Limits(max_participations=6))
    assert joined.consent.current().state is State.INFORMED


def test_terms_of_another_study_or_by_another_key_are_not_taken(port, folder, joined):
    another = Identity.generate().ledger
    forged = altered(port.terms, server_key=another.public_key().public_bytes_raw())
    forged.signature = another.sign(terms_form(forged))
    other_study = signed(folder, port.terms, study="another-study")
    for terms, error in ((forged, "another study or another server"), (other_study, "refuses this request")):
        port.terms = terms
        with port.listening(), pytest.raises(EnrolmentError, match=error):
            ask_terms(joined.enrolment, joined.identity)


def test_a_clock_that_is_off_is_named(port, joined, monkeypatch):
    now = module.time.time()
    monkeypatch.setattr(module, "time", type("Clock", (), {"time": staticmethod(lambda: now - 1000)}))
    with port.listening(), pytest.raises(ClockError):
        ask_terms(joined.enrolment, joined.identity)


def test_a_server_that_is_not_there_is_an_address_error(joined):
    with pytest.raises(AddressError):
        ask_terms(joined.enrolment, joined.identity)

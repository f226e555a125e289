"""The commands with which a student decides: `enrol`, `consent` and `withdraw`."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated

import typer

from fl_client.consent import ConsentBook, Scope, State
from fl_client.explain import SCOPES, odds_sentence, policy_paragraph
from fl_client.home import Enrolment, Home, Identity, load_enrolment
from fl_client.keys import KeyVault
from fl_client.options import DEFAULT_HOME, HomeOption, ask_passphrase, shown
from fl_client.settings import load_settings
from shared_models.commandline import out
from shared_models.errors import AddressError, ConsentError, KeyStoreError, SettingsError, UsageError
from shared_models.privacy.policy import Policy

_AGAIN = "Enrol anew a device whose keys are lost or that has left: what it has spent goes on counting."


def enrol(
    invitation: Annotated[str, typer.Argument(help="The line that you were sent, or a file that holds it.")],
    home: HomeOption = DEFAULT_HOME,
    yes: Annotated[bool, typer.Option("--yes", help="Enrol without asking, and agree to nothing yet.")] = False,
    again: Annotated[bool, typer.Option("--again", help=_AGAIN)] = False,
) -> None:
    """Join a study: check its server, read its terms, make this device's keys, decide. Nothing is captured before."""
    from fl_client.earlier import put_away
    from fl_client.enrolment import accept, read_offer
    from fl_client.keys import open_vault
    from fl_client.terms import facts_of
    from shared_models.enrolment.invitation import Invitation

    place = Home(home)
    if place.enrolment.exists() and not again:
        raise UsageError(
            f"The device in {home} is enrolled already",
            fix="Give --again to enrol it anew, or another --home for a second device",
        )
    offer = read_offer(Invitation.decode(_text_or_file(invitation)))
    terms = facts_of(offer.terms)
    load_settings(place.settings).limits.check(terms["policy"])
    _show_terms(terms["title"], terms["controller"], terms["contact"], terms["purpose"], terms["policy"])
    _show_consent(terms["consent_text"])
    if not yes and not typer.confirm("\nMake this device's keys and join?", default=False):
        raise typer.Abort
    place.create()
    if place.enrolment.exists():
        vault = put_away(place, terms["study"], ask_passphrase, _lost(yes))
    else:
        vault = open_vault(home, ask_passphrase)
    identity = Identity.generate()
    identity.save(place, vault)
    enrolment = accept(offer, identity)
    enrolment.save(place)
    ConsentBook(home).inform(enrolment.text_hash, enrolment.policy.hash)
    out.print(f"Enrolled as device [bold]{enrolment.pseudonym}[/]. Nothing is captured before you agree to it.")
    if not yes:
        _decide(place, enrolment, _ask_each(ConsentBook(home)))


def consent(
    home: HomeOption = DEFAULT_HOME,
    scopes: Annotated[
        str | None,
        typer.Option(help="What you agree to, by commas: capture, store, train, audit.", show_default="asks for each"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to --scopes without being asked again.")] = False,
) -> None:
    """Read what the study asks for and agree to each part of it or not. Can be changed at any time."""
    place = Home(home)
    enrolment = load_enrolment(place)
    wanted = None if scopes is None else _named(scopes)
    if yes and wanted is None:
        raise UsageError("--yes agrees to nothing by itself", fix="Name what you agree to with --scopes")
    load_settings(place.settings).limits.check(enrolment.policy)
    _show_terms(enrolment.title, enrolment.controller, enrolment.contact, enrolment.purpose, enrolment.policy)
    _show_consent(enrolment.consent_text)
    if wanted is None:
        wanted = _ask_each(ConsentBook(home))
    elif not yes and not typer.confirm(f"\nDo you agree to: {', '.join(sorted(wanted))}?", default=False):
        raise ConsentError("Nothing was agreed to", fix="What held before still holds; run `fl-client consent` again")
    _decide(place, enrolment, wanted)


def withdraw(
    home: HomeOption = DEFAULT_HOME,
    yes: Annotated[bool, typer.Option("--yes", help="Leave without being asked again.")] = False,
) -> None:
    """Leave the study for good: stop, and destroy everything stored on this device."""
    from fl_client.keys import open_vault
    from fl_client.leave import leave

    place = Home(home)
    enrolment = load_enrolment(place)
    if ConsentBook(home).current().state is State.WITHDRAWN:
        if place.withdrawal.exists():  # though it was tried again before this command began
            raise AddressError(
                "You have left, and the study's server has not heard it yet",
                fix=f"Run this again later, or tell {shown(enrolment.contact)}",
            )
        out.print("You have left already: nothing is stored here, and nothing is left to be told.")
        return
    out.print("Leaving stops everything at once and destroys what is stored here; none of it can be brought back.")
    out.print("What was sent before cannot be called back, and what it cost is not given back.")
    if not yes and not typer.confirm("Leave the study and destroy everything stored here?", default=False):
        raise typer.Abort
    vault = open_vault(home, lambda prompt: ask_passphrase(f"{prompt} (empty if you forgot it)"))
    identity = _identity(place, vault)
    if identity is None and not yes:
        out.print("This device's keys cannot be opened, so that the study's server cannot be told from here.")
        if not typer.confirm("Leave without telling it?", default=False):
            raise typer.Abort
    leave(place, vault, enrolment, identity)
    out.print("You have left. What was stored here is destroyed, and this device can take part in nothing more.")
    out.print(_told(place, enrolment, identity))


def _show_terms(title: str, controller: str, contact: str, purpose: str, policy: Policy) -> None:
    out.print(f"[bold]{shown(title)}[/] - run by {shown(controller)} ({shown(contact)})")
    out.print(f"Purpose: {shown(purpose)}\n")
    out.print(policy_paragraph(policy))
    out.print(odds_sentence(policy))


def _show_consent(text: str) -> None:
    out.print(f"\n{shown(text)}\n")
    for scope, meaning in SCOPES.items():
        out.print(f"[bold]{scope}[/]: to {meaning}")


def _lost(yes: bool) -> Callable[[str], bool]:
    """Asks whether keys that do not open are given up. --yes does not: a mistyped passphrase would destroy much."""

    def lost(why: str) -> bool:
        out.print(f"The keys of the earlier enrolment do not open. {shown(why)}", soft_wrap=True)
        question = "Are they lost for good? What is stored here cannot be opened without them and is destroyed"
        return not yes and typer.confirm(question, default=False)

    return lost


def _ask_each(book: ConsentBook) -> set[Scope]:
    """The scopes that are said yes to, one question each; what holds now is the answer of who only presses Enter."""
    held = book.current().scopes
    out.print()
    return {scope for scope in Scope if typer.confirm(f"Do you agree to {scope}?", default=scope in held)}


def _decide(place: Home, shown_terms: Enrolment, wanted: Collection[Scope]) -> None:
    """Writes down what was agreed to under the terms that were shown; raises ConsentError where others are in force."""
    if load_enrolment(place) != shown_terms:
        raise ConsentError("The study's terms changed while you were reading them", fix="Run `fl-client consent` again")
    book, facts = ConsentBook(place.root), (shown_terms.text_hash, shown_terms.policy.hash)
    book.inform(*facts)
    if wanted:
        book.grant(wanted, *facts)
        out.print(f"You agreed to: {', '.join(sorted(wanted))}. `fl-client pause` stops everything at once.")
        return
    book.lapse()
    out.print("You agreed to nothing: nothing is captured, kept or sent. `fl-client consent` asks again.")


def _named(scopes: str) -> set[Scope]:
    """Raises UsageError where one does not exist, ConsentError where there is none."""
    names = {name.strip() for name in scopes.split(",") if name.strip()}
    unknown = sorted(names - set(Scope))
    if unknown:
        raise UsageError(f"There is no scope '{unknown[0]}'", fix=f"Use {', '.join(Scope)}")
    if not names:
        raise ConsentError("Consent names no scope", fix=f"Use {', '.join(Scope)}")
    return set(map(Scope, names))


def _identity(place: Home, vault: KeyVault) -> Identity | None:
    """The device's keys; None where they cannot be opened."""
    try:
        return Identity.load(place, vault)
    except (KeyStoreError, SettingsError):
        return None


def _told(place: Home, enrolment: Enrolment, identity: Identity | None) -> str:
    """Tells the server that the owner of this device has left, and says what came of it."""
    from fl_client.withdrawal import tell

    by_hand = f"tell {shown(enrolment.contact)} that device {enrolment.pseudonym} has left"
    if identity is None or not enrolment.enrolment_address:
        return f"The study's server could not be told, since only this device's keys can do that: {by_hand}."
    if tell(place):
        return "The study's server has heard it and asks this device for nothing more."
    return (
        "The study's server does not answer: it is told by the running program, by the next `fl-client` command"
        f" for this device, or by `fl-client withdraw` again. Or {by_hand}."
    )


def _text_or_file(given: str) -> str:
    path = Path(given)
    return path.read_text(encoding="utf-8") if len(given) < 256 and path.is_file() else given

"""The policy and the scopes of consent in plain words: what a student reads before deciding."""

from fl_client.consent import Scope
from shared_models.privacy.odds import odds
from shared_models.privacy.policy import Policy

_PROTECTED = {
    "sequence": "Each of your sequences can be spent",
    "participant": "The noise of all computers together hides whether you stored anything; that can be spent",
}
_GUESSERS = {
    "sequence": "Someone who sees everything that leaves this computer and guesses whether one sequence of yours was"
    " used",
    "participant": "Someone who sees only what all computers send together and guesses whether you stored anything",
}

SCOPES = {
    Scope.CAPTURE: "look at your camera while the program runs and is not paused; no frame leaves its memory",
    Scope.STORE: "keep the moments before a label that you give, as small gray pictures, encrypted on this computer",
    Scope.TRAIN: "train on what is kept here and send the noised change to the study's server",
    Scope.AUDIT: "ask this computer to help in checking the promise; nothing does so yet",
}
"""What is agreed to with each scope, as "to ..."."""


def policy_paragraph(policy: Policy) -> str:
    """One paragraph: what stays, what leaves, how often, and what that may cost."""
    guessed = " Where you switch it on, that includes moments that the model labelled by itself."
    return (
        "Pictures never leave this computer. When you give a label, the last moments before it are kept here,"
        f" encrypted, at most {policy.max_sequences} of them. In at most {policy.participations} rounds over the"
        " whole study this computer trains a small part of a shared model on them, adds random noise, and sends"
        f" only the noised change; the study's server also sees that this computer takes part, and when."
        f"{guessed if policy.pseudo_labels else ''} {_PROTECTED[policy.unit]} up to epsilon {policy.epsilon:g} (delta"
        f" {policy.delta:g}) in total; what is spent is never refunded."
    )


def odds_sentence(policy: Policy) -> str:
    """The worst case as odds, after the last round."""
    worst = odds(policy.epsilon, policy.delta, policy.lifetime_mu)
    return (
        f"{_GUESSERS[policy.unit]} is right in at most {worst.at_most} of {worst.out_of} cases;"
        f" tossing a coin gives {worst.by_coin}."
    )

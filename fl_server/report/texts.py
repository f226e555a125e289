"""The report's fixed sentences: what is true of every federation, whatever its figures."""

from typing import Any

INTENDED_USE = "Recognising emotions in short face sequences on the learner's own computer, as a hint to the learner."
PROHIBITED_USES = [
    "Any view of a single person by a teacher or an institution.",
    "Grading, proctoring, admission or discipline.",
    "Recognising who somebody is.",
]
_BEYOND_THE_UNIT = {
    "sequence": "What all sequences of one person have in common: the promise is for each sequence, not for a person as"
    " a whole.",
    "participant": "An upload by itself, which the server sees: the promise is against whoever sees only their sum.",
    "none": "Anything at all: this training adds no noise.",
}
_OUTSIDE = [
    "The choice of model, labels and settings, which was made on public or rendered data.",
    "What anyone learns from other sources than the updates and the models made from them.",
    "A device whose own software or user cannot be trusted.",
]


def unprotected(unit: str) -> list[str]:
    """What is outside the promise to one `unit` of a policy."""
    return ["That a device is enrolled, is online, took part, and in which rounds.", _BEYOND_THE_UNIT[unit], *_OUTSIDE]


TRUST: dict[str, Any] = {
    "actors": [
        {"name": "the device", "sees": "the student's pictures and labels", "trusted_to": "run the installed program"},
        {
            "name": "the server",
            "sees": "each noised update, which device sent it, and when",
            "trusted_to": "nothing, for the claims on sequences",
        },
        {"name": "another participant", "sees": "the global model of each round", "trusted_to": "nothing"},
        {"name": "the public", "sees": "the released model and this report", "trusted_to": "nothing"},
    ],
    "assumptions": [
        "The device runs the installed program and its operating system's randomness is sound.",
        "A signed ledger shows that the record is consistent; it cannot show that the noise was added.",
    ],
    "secure_sum": False,
    "collusion": "All other devices and the server together learn no more about a sequence than the claim allows.",
}
_SOURCES = {
    True: "videos of rendered faces, as the operator declares",
    False: "the webcams of the people who take part, on their own computers",
}


def data_source(synthetic: bool, pseudo_labels: bool) -> str:
    """Where pictures come from, and that some labels may be the model's own where the policy allows that."""
    guessed = "; where a participant switched it on, some labels are the model's own guesses"
    return _SOURCES[synthetic] + (guessed if pseudo_labels else "")


AGREEMENT = "yes: every accountant lies within its known slack of the claimed figure"
NOT_COUNTED = "not asked: there is no figure to agree with"
METHODS = {
    "sequence": "DP-SGD on each device, one gradient for each sequence (Abadi et al. 2016)",
    "participant": "each device's whole update clipped, and its share of the noise added (Dwork et al. 2006)",
    "none": "training without noise",
}
SAMPLERS = {
    False: "every stored sequence in every step",
    True: "each sequence by itself, with the policy's probability, drawn on the device (Poisson)",
}
ACCOUNTANTS = {
    False: "Gaussian differential privacy, closed form (Dong et al. 2019; Balle and Wang 2018)",
    True: "privacy loss distributions (Doroshenko et al. 2022)",
}
DELTAS = {
    False: "far below one in the number of sequences that any device stores",
    True: "at most a tenth of one in the number of devices enrolled",
}
TUNING: dict[str, Any] = {
    "data": "public or rendered data, before the study began",
    "charged_epsilon": 0.0,
    "statement": "public data only, so it cost the participants nothing",
}
DATA: dict[str, Any] = {
    "leaves_device": [
        "The noised change of the trainable part, once a round.",
        "A signed ledger entry that repeats the policy's figures.",
        "How many entries its ledger has and the hash of the last, signed, after each update that left.",
        "One word, such as 'budget' or 'consent', where the device does not take part.",
        "That it has left, signed.",
    ],
    "stays_on_device": [
        "Every picture, every label and how many there are.",
        "Training losses, scores, times and error texts.",
    ],
    "minimisation": [
        "Only the seconds before a label are kept; all other frames stay in memory and are overwritten.",
        "Only a gray crop of the face is kept, never the room.",
    ],
    "resolution": "48 x 48 pixels, gray",
    "retention": "for as many days as the student's own settings say (90 unless changed), and no longer than until the"
    " student deletes it or leaves",
    "encryption": "AES-256-GCM, a key for each sequence, its key in the system's key store or under a passphrase",
    "bystanders": "a window with more than one face in any frame is never stored",
}
CONSENT: dict[str, Any] = {
    "scopes": ["capture", "store", "train", "audit"],
    "how_to_leave": [
        "`fl-client pause`: no further picture is looked at and nothing more is sent, until you resume.",
        "`fl-client withdraw`: it ends for good: what is stored on the device is destroyed, and the server asks it for"
        " nothing more.",
        "What was sent before cannot be called back, and spent budget is never refunded.",
    ],
}

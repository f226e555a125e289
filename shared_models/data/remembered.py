"""What weights remember of the data that they were trained on: digests, so that nobody has to be named in the file.

Beside the digest of every sequence there is one for every person in it, and one for each data source, which says
whether all of its people were known.
"""

import hashlib
from collections.abc import Set

from shared_models.data.sequences import Sequences
from shared_models.data.sources import FORMS

_RENDERED = "synthetic"


def digests_of(kind: str, data: Sequences) -> set[str]:
    """All that is remembered of `data`, from a source of this kind."""
    named = {subject for subject in data.subjects if subject is not None}
    source = _digest("source", kind, "named" if None not in data.subjects else "not named")
    return {*data.digests, source, *(_digest("person", kind, subject) for subject in named)}


def together(one: Set[str], other: Set[str]) -> set[str]:
    """What is remembered of both, where part of the weights was trained on each."""
    known = [kinds for kinds in (_kinds(one), _kinds(other)) if kinds]
    both = set(one | other)
    if one and other and len(known) < 2:  # one of the two was written before people were remembered
        both -= {_digest("source", kind, words) for kind in FORMS for words in ("named", "not named")}
    return both


def shares_nobody(seen: Set[str], kind: str, data: Sequences) -> bool | None:
    """Whether nobody in `data`, from a source of this kind, is in what was trained on; None where that is not known.

    People of different sources cannot be compared, but for rendered ones, who are nobody else. Within a source the same
    id is the same person.
    """
    known = [(who, digest) for who, digest in zip(data.subjects, data.digests, strict=True) if who is not None]
    if any(digest in seen or _digest("person", kind, who) in seen for who, digest in known):
        return False
    if len(known) < len(data) or (seen and not _kinds(seen)):
        return None
    apart = (named if other == kind else _RENDERED in (other, kind) for other, named in _kinds(seen).items())
    return True if all(apart) else None


def _kinds(seen: Set[str]) -> dict[str, bool]:
    """The sources that are remembered, and whether all of their people are."""
    kinds = {kind: True for kind in FORMS if _digest("source", kind, "named") in seen}
    return kinds | {kind: False for kind in FORMS if _digest("source", kind, "not named") in seen}


def _digest(*words: str) -> str:
    return hashlib.sha256(":".join(words).encode()).hexdigest()[:16]

"""A Flower message as its sender wrote it: objects that name each other by hash, one of them malformed.

Whoever changes an object can name it anew, so names are put right after a change; otherwise no malformed object would
ever be read.
"""

import hashlib
import random
from collections.abc import Sequence

from flwr.app import Message
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from fuzz.mutations import mutate

Objects = tuple[bytes, ...]


def objects_of(message: Message) -> Objects:
    """Every object of `message`, children before parents."""
    return tuple(part.deflate() for part in get_all_nested_objects(message).values())


def malformed(seeds: Sequence[Objects], rng: random.Random) -> Objects:
    """One of `seeds` with one object changed: its body, where the head goes on telling its length, or all of it."""
    parts = list(rng.choice(seeds))
    place = rng.randrange(len(parts))
    names = [_name(part) for part in parts]
    head, divider, body = parts[place].partition(b"\x00")
    if rng.random() < 0.7:
        changed = mutate(body, rng)
        kind, children, _ = head.split(b" ")
        parts[place] = b" ".join((kind, children, str(len(changed)).encode())) + divider + changed
    else:
        parts[place] = mutate(parts[place], rng)
    for i, name in enumerate(names):
        parts[i + 1 :] = [part.replace(name, _name(parts[i])) for part in parts[i + 1 :]]
    return tuple(parts)


def inflated(objects: Objects) -> object:
    """What the last object is, as both transports read it. Raises whatever Flower does."""
    contents = {_name(part).decode(): part for part in objects}
    return inflate_object_from_contents(_name(objects[-1]).decode(), contents)


def _name(part: bytes) -> bytes:
    return hashlib.sha256(part).hexdigest().encode()

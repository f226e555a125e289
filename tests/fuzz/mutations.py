"""Malformed inputs made from valid ones: bytes, protobuf fields and JSON values that are no longer what they were.

Every change is drawn from the `random.Random` that is given, so a seed repeats a run and hypothesis can shrink one.
"""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

CANARY = "kanarienvogel"
"""Stands for what a person wrote: nothing that a mutation put in may come out in a log."""
_NUMBERS = (0, 1, -1, 2**31 - 1, 2**31, 2**32, 2**63 - 1, -(2**63), 2**64, 10**30)
_VALUES: tuple[Any, ...] = (
    *_NUMBERS,
    None,
    True,
    1.5,
    1e308,
    "",
    CANARY,
    "\x00",
    "\ud800",  # no character: JSON can name it, UTF-8 cannot
    "9" * 5000,
    [],
    {},
    [[[[]]]],
    {"kind": CANARY},
)
_MOST_MORE = 256 << 10
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
Field = tuple[int, int, bytes]
Change = Callable[[bytes, random.Random], bytes]


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to four changes, each fit for what the data is at that point; of at most 256 KiB more than it was.

    A hundredfold of a hundredfold would only fill the memory of whoever makes it.
    """
    longest = len(data) + _MOST_MORE
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_changes_for(data))(data, rng)[:longest]
    return data


def _changes_for(data: bytes) -> Sequence[Change]:
    changes: list[Change] = [_flip, _cut, _drop, _repeat, _splice, _noise, _bomb]
    if data[:1] in (b"{", b"["):
        changes += [_json] * len(changes)
    elif _fields(data):
        changes += [_protobuf] * len(changes)
    return changes


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randint(0, len(data))]


def _drop(data: bytes, rng: random.Random) -> bytes:
    start, end = _slice(data, rng)
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start, end = _slice(data, rng)
    return data[:end] + data[start:end] * rng.choice((1, 2, 50)) + data[end:]


def _splice(data: bytes, rng: random.Random) -> bytes:
    start, end = _slice(data, rng)
    return data[:start] + CANARY.encode() * rng.choice((1, 1, 100)) + data[end:]


def _noise(data: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 16, 300, 5000)))


def _bomb(data: bytes, rng: random.Random) -> bytes:
    """A length or a number that says more than there is, in binary or in digits."""
    start = rng.randint(0, len(data))
    lie = rng.choice((b"\xff\xff\xff\xff\x0f", b"\xff" * 9 + b"\x01", b"\xff" * 8, b"999999999999", b"1e400"))
    return data[:start] + lie + data[start + len(lie) :]


def _json(data: bytes, rng: random.Random) -> bytes:
    """Another value, key, nesting or order somewhere in the document; unchanged where it is no JSON."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    places = list(_places(document))
    if rng.random() < 0.02 or not places:
        return b"[" * 100_000
    holder, key = rng.choice(places)
    if isinstance(holder, dict) and rng.random() < 0.3:
        holder[rng.choice((CANARY, "", "kind", str(key) * 2))] = holder.pop(key)
    elif rng.random() < 0.2:
        del holder[key]
    else:
        other, place = rng.choice(places)
        holder[key] = rng.choice(
            (rng.choice(_VALUES), json.loads(json.dumps(other.get(place) if isinstance(other, dict) else None)))
        )
    return json.dumps(document, separators=rng.choice(((",", ":"), (", ", ": ")))).encode()


def _places(document: Any) -> Any:
    """Every (container, key) below `document`."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in list(items):
        yield document, key
        yield from _places(value)


def _protobuf(data: bytes, rng: random.Random) -> bytes:
    """Fields swapped, lost, doubled, renumbered, of another type, or changed themselves, at any depth."""
    fields = _fields(data)
    if not fields:
        return data
    place = rng.randrange(len(fields))
    number, kind, value = fields[place]
    match rng.randrange(7):
        case 0:
            del fields[place]
        case 1:
            fields *= rng.choice((2, 100))
        case 2:
            other = rng.randrange(len(fields))
            fields[place], fields[other] = (number, fields[other][1], fields[other][2]), (fields[other][0], kind, value)
        case 3:
            fields[place] = (rng.choice((1, 2, 3, 15, 16, 2**29 - 1)), kind, value)
        case 4:
            fields[place] = (number, _VARINT, _varint(rng.choice(_NUMBERS) % 2**64))
        case 5 if kind == _LENGTH:
            fields[place] = (number, kind, mutate(value, rng))
        case _:
            return _packed(fields[:place]) + _tag(number, _LENGTH) + _varint(2 ** rng.randrange(64)) + value
    return _packed(fields)


def _fields(data: bytes) -> list[Field]:
    """The top fields of a protobuf message; none where the bytes are not one."""
    fields, at = list[Field](), 0
    try:
        while at < len(data):
            tag, at = _read_varint(data, at)
            kind, start = tag & 7, at
            if kind == _VARINT:
                _, at = _read_varint(data, at)
            elif kind == _LENGTH:
                size, start = _read_varint(data, at)
                at = start + size
            elif kind in (_FIXED64, _FIXED32):
                at += 8 if kind == _FIXED64 else 4
            else:
                return []
            if at > len(data) or tag >> 3 == 0:
                return []
            fields.append((tag >> 3, kind, data[start:at]))
    except IndexError:
        return []
    return fields


def _packed(fields: Sequence[Field]) -> bytes:
    return b"".join(
        _tag(number, kind) + (_varint(len(value)) if kind == _LENGTH else b"") + value for number, kind, value in fields
    )


def _tag(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise IndexError


def _slice(data: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.choice((0, 1, 4, 64)))

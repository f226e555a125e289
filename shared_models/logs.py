"""A program's log: one JSON object a line, about rounds and pseudonyms, never about whom or where.

What a device or another library wrote can hold an address, a key or a path. So a record of another library says only
where in the code it arose; an exception is its type and its places in the code, without text and locals; and in what
our own modules say, anything that looks like an address, a key or a path is replaced.
"""

import datetime as dt
import ipaddress
import json
import logging
import logging.handlers
import os
import re
import traceback
from pathlib import Path
from typing import Any, TextIO

OURS = ("fl_server", "fl_client", "shared_models", "simulations")
_MAX_BYTES, _OLD_FILES = 10_000_000, 5
_MAX_MESSAGE = 500
_PEM = re.compile(r"-----BEGIN.*?(-----END[^-]*-----|$)", re.DOTALL)
_PATH = re.compile(r"(?<![\w.])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\:'\",;]+){2,}[/\\]?")
_KEY = re.compile(r"[A-Za-z0-9+/=_-]{40,}")
_ADDRESS = re.compile(r"[0-9A-Fa-f:]*[:.][0-9A-Fa-f:.]+")
_DEVICE = re.compile(r"[0-9a-f]{8}")
_QUIET = ("alembic", "httpx", "httpcore", "flwr", "uvicorn")


def log_to(path: Path) -> None:
    """Sends log records to `path`, readable by its owner only; full files are kept as `path`.1 to `path`.5."""
    handler = _OwnersFile(path, maxBytes=_MAX_BYTES, backupCount=_OLD_FILES, encoding="utf-8")
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in _QUIET:
        logging.getLogger(noisy).setLevel(logging.WARNING)


class JsonLines(logging.Formatter):
    """`time` (UTC), `level`, `logger`, `message`; `round`, `device` and `reason` where a record has them as extra."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        line |= _fields(record)
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _exception(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def without_private_parts(text: str) -> str:
    """`text` with what looks like an address, a key or a path replaced, at most 500 characters of it."""
    text = _PEM.sub("[key]", text[: 4 * _MAX_MESSAGE])
    text = _PATH.sub("[path]", text)
    text = _KEY.sub("[key]", text)
    return _ADDRESS.sub(_hide_address, text)[:_MAX_MESSAGE]


class _OwnersFile(logging.handlers.RotatingFileHandler):
    """A rotating file, made with mode 0600."""

    def _open(self) -> TextIO:  # type: ignore[override]
        return open(self.baseFilename, "a", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600))


def _message(record: logging.LogRecord) -> str:
    if record.name.split(".")[0] in OURS:
        return without_private_parts(record.getMessage())
    return f"{_module(record.pathname)}:{record.lineno} said something"


def _module(path: str) -> str:
    """The file of a module without where it is installed."""
    return "/".join(Path(path).parts[-2:])


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The extra fields whose values are what they should be; a sender's own words never are."""
    given: dict[str, Any] = {}
    round_, device, reason = (getattr(record, name, None) for name in ("round", "device", "reason"))
    if isinstance(round_, int):
        given["round"] = round_
    if isinstance(device, str) and _DEVICE.fullmatch(device):
        given["device"] = device
    if isinstance(reason, str):
        given["reason"] = reason if reason.isascii() and reason.isidentifier() and len(reason) <= 48 else "other"
    return given


def _exception(error: BaseException) -> list[dict[str, Any]]:
    """The exception and those that it came from, the last one first: type, and where it passed, outermost first."""
    chain: list[dict[str, Any]] = []
    following: BaseException | None = error
    while following is not None and len(chain) < 10:
        frames = traceback.extract_tb(following.__traceback__)
        places = [f"{_module(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
        chain.append({"type": type(following).__name__, "at": places})
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return chain


def _hide_address(found: re.Match[str]) -> str:
    token = found[0]
    core = token.strip(".").removesuffix(":")
    for candidate in (core, core.rpartition(":")[0]):
        try:
            ipaddress.ip_address(candidate)
        except ValueError:
            continue
        return token.replace(candidate, "[address]", 1)
    return token

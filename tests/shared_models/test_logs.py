import json
import logging
import stat
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from shared_models import logs
from shared_models.errors import StorageError
from shared_models.logs import log_to

OURS = logging.getLogger("fl_server.rounds")
PEM = "-----BEGIN PUBLIC KEY-----\nMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEcanary\n-----END PUBLIC KEY-----"
CANARIES = {
    "203.0.113.77": "from 203.0.113.77:51234 again",
    "2001:db8::7": "peer [2001:db8::7]:443.",
    "canary-name": "cannot read /home/canary-name/faces/1.png",
    "canary-user": r"cannot read C:\Users\canary-user\faces",
    "canary\n": PEM,
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE": "key MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEcanary0123456789",
    "c0ffee" * 8: "secret " + "c0ffee" * 8,
}


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Sends everything to a file, and reads it; the root logger is put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    log_to(tmp_path / "program.log")
    yield lambda: [json.loads(line) for line in (tmp_path / "program.log").read_text().splitlines()]
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def text(tmp_path: Path) -> Callable[[], str]:
    return lambda: (tmp_path / "program.log").read_text()


def test_a_record_is_one_json_object(lines) -> None:
    OURS.info("round %d has\nits checkpoint", 3)
    OURS.debug("too much")
    logging.getLogger("httpx").info("a call")
    [line] = lines()
    assert datetime.fromisoformat(line.pop("time")).utcoffset().total_seconds() == 0
    assert line == {"level": "INFO", "logger": "fl_server.rounds", "message": "round 3 has\nits checkpoint"}


def test_round_device_and_reason_are_fields_of_their_own(lines) -> None:
    OURS.warning("rejected", extra={"round": 3, "device": "0a1b2c3d", "reason": "norm"})
    [line] = lines()
    assert (line["round"], line["device"], line["reason"]) == (3, "0a1b2c3d", "norm")


@pytest.mark.parametrize("sent", ["/home/canary", "canary " * 3, "c" * 400, 'no"quotes', "\N{SNOWMAN}"])
def test_a_device_cannot_write_its_own_words_into_a_field(lines, text, sent: str) -> None:
    OURS.warning("rejected", extra={"round": sent, "device": sent, "reason": sent})
    [line] = lines()
    assert line["reason"] == "other"
    assert "round" not in line
    assert "device" not in line
    assert sent not in text()


@pytest.mark.parametrize("canary", CANARIES)
def test_no_address_key_or_path_is_written(lines, text, canary: str) -> None:
    sentence = CANARIES[canary]
    for logger in (OURS, logging.getLogger("uvicorn.error"), logging.getLogger("flwr")):
        logger.error("it said: %s", sentence)
        logger.error(sentence, extra={"device": sentence, "reason": sentence})
        try:
            raise ValueError(sentence) from OSError(sentence)
        except ValueError as error:
            logger.exception("failed: %s", error)
    assert len(lines()) == 9
    assert json.dumps(canary)[1:-1] not in text()
    assert "canary" not in text()


def test_what_is_no_secret_is_left_alone(lines) -> None:
    said = "at 12:30:45 round 3: device 0a1b2c3d rejected: norm 1.5/2, epsilon 3.5512, flwr 1.41.0, port 8443"
    OURS.info(said)
    assert lines()[0]["message"] == said


def test_another_library_only_says_where_it_spoke(lines) -> None:
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received from somebody")
    [line] = lines()
    assert line["message"].startswith("shared_models/test_logs.py:")
    assert "somebody" not in line["message"]


def test_an_exception_is_its_type_and_its_places(lines, text) -> None:
    def fails(local: str) -> None:
        raise KeyError(local)

    try:
        try:
            fails("canary")
        except KeyError as error:
            raise StorageError("The disk is full of canary") from error
    except StorageError:
        OURS.exception("a round could not be kept")
    [line] = lines()
    assert [link["type"] for link in line["exception"]] == ["StorageError", "KeyError"]
    assert line["exception"][1]["at"][-1].endswith(" fails")
    assert line["exception"][1]["at"][-1].startswith("shared_models/test_logs.py:")
    assert "canary" not in text()


def test_a_long_message_is_cut(lines) -> None:
    OURS.info("word " * 100_000)
    assert len(lines()[0]["message"]) <= 500


def test_only_the_owner_can_read_the_log(lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger().handlers[0], "maxBytes", 2000)
    for number in range(200):
        OURS.info("line %d", number)
    files = sorted(tmp_path.glob("program.log*"))
    assert len(files) == 1 + logs._OLD_FILES
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert all(file.stat().st_size <= 2000 for file in files)
    assert lines()[-1]["message"] == "line 199"


def test_a_log_goes_on_where_it_was(lines, tmp_path: Path) -> None:
    OURS.info("first")
    log_to(tmp_path / "program.log")
    OURS.info("second")
    assert [line["message"] for line in lines()] == ["first", "second"]

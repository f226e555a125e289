import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared_models.enrolment.invitation import SECRET_BYTES, Invitation
from shared_models.errors import EnrolmentError

FIELDS = {
    "address": "study.example.org:9092",
    "ca_sha256": "0f" * 32,
    "secret": "a1" * SECRET_BYTES,
    "expires": 4_102_444_800,
}


def written(body: bytes) -> str:
    return "attune1." + base64.urlsafe_b64encode(body).decode().rstrip("=")


def an_invitation(**changes: object) -> Invitation:
    return Invitation.model_validate(FIELDS | changes)


@pytest.mark.parametrize("address", ["a:1", "ab:1", "abc:1", "[::1]:9092", "universität.example:9092"])
def test_an_invitation_is_one_line_that_comes_back(address: str) -> None:
    text = an_invitation(address=address).encode()
    assert text.isascii()
    assert len(text.split()) == 1
    assert Invitation.decode(text) == an_invitation(address=address)
    assert Invitation.decode(f"  {text}\r\n") == an_invitation(address=address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "attune1.",
        "hello",
        an_invitation().encode()[1:],
        an_invitation().encode()[:-1],
        an_invitation().encode()[:60],
        an_invitation().encode().replace("attune1.", "attune2."),
        an_invitation().encode().replace("attune1.", "attune1.é"),
        written(b"[]"),
        written(b"null"),
        written(b"\xff\xfe"),
        written(b"[" * 100_000),
    ],
)
def test_what_is_not_a_whole_invitation_is_refused(text: str) -> None:
    with pytest.raises(EnrolmentError, match="not an invitation") as refused:
        Invitation.decode(text)
    assert refused.value.fix == "Copy the whole line that you were sent"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ca_sha256", "0F" * 32),
        ("ca_sha256", "0f" * 31),
        ("ca_sha256", "0f" * 32 + "\n"),
        ("secret", "a1" * (SECRET_BYTES - 1)),
        ("secret", "../" * 22),
        ("expires", "tomorrow"),
        ("expires", None),
        ("more", 1),
    ],
)
def test_a_field_that_is_wrong_or_unknown_is_refused(field: str, value: object) -> None:
    with pytest.raises(EnrolmentError, match="not an invitation"):
        Invitation.decode(written(json.dumps(FIELDS | {field: value}).encode()))


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_needed(field: str) -> None:
    rest = {name: value for name, value in FIELDS.items() if name != field}
    with pytest.raises(EnrolmentError, match="not an invitation"):
        Invitation.decode(written(json.dumps(rest).encode()))


def test_an_expired_invitation_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    text = an_invitation(expires=1_000_000).encode()
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert Invitation.decode(text).expires == 1_000_000
    monkeypatch.setattr(time, "time", lambda: 1_000_000.5)
    with pytest.raises(EnrolmentError, match=r"has expired\. Ask whoever runs the study"):
        Invitation.decode(text)


@given(text=st.text(max_size=200), prefix=st.sampled_from(["", "attune1."]))
def test_no_text_raises_anything_else(text: str, prefix: str) -> None:
    with pytest.raises(EnrolmentError):
        Invitation.decode(prefix + text)


def test_an_invitation_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        an_invitation().address = "elsewhere:1"

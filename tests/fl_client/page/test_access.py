"""Nobody but the student's browser sees the page, and nothing is done that its own form did not ask for."""

import base64
import hashlib
import re

import pytest

from fl_client.page.actions import actions
from fl_client.page.form import Form
from fl_client.page.words import Words

ORIGIN = "http://127.0.0.1:8123"
LOOKS = ["", "live", "looked-at", "agreement", "deleting-all", "leaving", "page.js", "icon.svg"]
ACTIONS = ["pause", "resume", "answer", "skip", "delete", "delete-all", "agree", "hints", "turn-off", "withdraw"]


@pytest.fixture
def untouched(pretend, keep):
    """Fails where anything about the device has changed by the end of the test."""
    keep("fear")
    pretend.ask()
    before = (pretend.consent.current(), len(pretend.kept))
    yield
    assert (pretend.consent.current(), len(pretend.kept)) == before
    assert pretend.prober.heard == pretend.done == []


def test_the_token_opens_the_page_once_and_leaves_the_address(visit, addresses, token_in):
    token = token_in(addresses[-1])
    assert visit.get().status_code == 403
    answer = visit.get(params={"token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, visit.door.path)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert re.search(rf"HttpOnly; Path={visit.door.path}; SameSite=strict", answer.headers["set-cookie"])
    assert token not in answer.headers["set-cookie"]
    assert visit.get().status_code == 200
    assert visit.get(params={"token": token}).headers["location"] == visit.door.path  # its own browser, once more
    visit.cookies.clear()
    assert visit.get(params={"token": token}).status_code == 403
    assert visit.get(params={"token": token_in(addresses[-1])}).status_code == 303


@pytest.mark.parametrize("token", ["", "guess", "\N{SNOWMAN}"])
def test_another_token_opens_nothing(visit, token, addresses):
    answer = visit.get(params={"token": token})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert len(addresses) == 1


def test_no_secret_is_part_of_another(visit, addresses, token_in):
    visit.get(params={"token": token_in(addresses[0])})
    [session] = visit.cookies.values()
    secrets = [session, visit.door.form_token, visit.door.path, *map(token_in, addresses)]
    assert len(set(secrets)) == len(secrets) == 5
    assert all(len(secret) >= 16 for secret in secrets)


@pytest.mark.parametrize("cookie", ["attune=guess", "other=guess", "attune="])
def test_a_forged_cookie_opens_nothing(visit, cookie):
    assert visit.get(headers={"cookie": cookie}).status_code == 403


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_without_the_cookie_every_path_is_the_same(visit, method, untouched):
    for path in (*LOOKS, *ACTIONS, "docs", "../"):
        answer = visit.request(method, path, headers={"origin": ORIGIN}, data={"token": visit.door.form_token})
        assert (answer.status_code, answer.text) == (403, "This page opens with the command: fl-client page\n")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8123", "127.0.0.1.evil.example", "192.168.0.7:8123", "127.0.0.2:8123", ""]
)
def test_a_name_that_was_rebound_to_this_machine_is_refused(signed_in, host, addresses, token_in, untouched):
    token = token_in(addresses[-1])
    for rest in ({}, {"params": {"token": token}}):
        answer = signed_in.get(headers={"host": host}, **rest)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    data, headers = {"token": signed_in.door.form_token}, {"host": host, "origin": f"http://{host}"}
    assert signed_in.request("POST", "pause", data=data, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:9", "https://127.0.0.1:8123", None]
)
def test_another_sites_form_is_refused(signed_in, origin, untouched):
    """Also one that knows the form's token, and one whose browser does not say where it comes from."""
    headers = {} if origin is None else {"origin": origin}
    for action in ACTIONS:
        answer = signed_in.request("POST", action, data={"token": signed_in.door.form_token}, headers=headers)
        assert answer.status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_cannot_link_to_it_or_place_it(signed_in, site):
    for path in LOOKS:
        assert signed_in.get(path, headers={"sec-fetch-site": site}).status_code == 403
        assert signed_in.get(path, headers={"sec-fetch-site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("data", [{}, {"token": ""}, {"token": "guess"}, {"token": ["guess", "guess"]}])
def test_a_form_without_the_pages_token_is_refused(signed_in, data, untouched):
    for action in ACTIONS:
        answer = signed_in.request("POST", action, data=data, headers={"origin": ORIGIN})
        assert answer.status_code in (403, 413)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_nothing_is_done_but_by_post(signed_in, method, untouched):
    for action in ACTIONS:
        token = {"token": signed_in.door.form_token}
        answer = signed_in.request(method, action, params=token, headers={"origin": ORIGIN})
        assert answer.status_code == 405


def test_every_route_that_changes_something_is_among_the_tested(pretend, hints, clock):
    """So that a new one cannot be forgotten above; and each asks for the form's token, whatever it does with it."""

    def own_form() -> Form:
        return Form({})

    router = actions(pretend.device, hints, own_form, Words({}), str, clock)
    assert {route.path.strip("/") for route in router.routes} == set(ACTIONS)
    assert [dependency.dependency for dependency in router.dependencies] == [own_form]


@pytest.mark.parametrize("body", [b"token=%ff", b"\xff", b"x" * 5000])
def test_a_malformed_form_is_refused(signed_in, body, untouched):
    headers = {"origin": ORIGIN, "content-type": "application/x-www-form-urlencoded"}
    assert signed_in.request("POST", "pause", content=body, headers=headers).status_code in (403, 413, 422)


def test_a_form_without_a_length_is_not_read(signed_in, untouched):
    async def endless():
        yield b"x"

    answer = signed_in.request("POST", "pause", content=endless(), headers={"origin": ORIGIN})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path",
    ["../../etc/passwd", "..%2f..%2fenrolment.json", "files/page.css", "page.html.j2", "words.en.toml", "%2e%2e/"],
)
def test_no_other_file_is_served(signed_in, path):
    assert signed_in.get(path).status_code in (403, 404)


@pytest.mark.parametrize("wanted", ["../../etc/passwd", "%00", "' OR 1=1 --", "", "f" * 32])
def test_a_sequence_that_is_not_there_is_a_sentence(signed_in, wanted, untouched):
    for path in ("picture", "strip", "deleting"):
        answer = signed_in.get(path, params={"id": wanted})
        assert answer.status_code == 409
        assert "There is no such sequence on this device" in answer.text
    assert signed_in.press("delete", id=wanted).status_code in (409, 422)


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/operator/"])
def test_there_is_nothing_outside_its_path(signed_in, path):
    [(name, value)] = signed_in.cookies.items()
    assert signed_in.get_outside(path, headers={"cookie": f"{name}={value}"}).status_code == 404


def test_nothing_is_loaded_from_elsewhere_or_kept(signed_in, keep):
    keep("fear")
    for path in [*LOOKS, "picture?id=" + "0" * 32]:
        answer = signed_in.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "img-src 'self' data:;" in policy
        assert not set(policy.replace("img-src 'self' data:;", "").split()) & {"*", "data:", "https:", "http:"}
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["permissions-policy"].startswith("camera=()")
        assert "access-control-allow-origin" not in answer.headers


def test_the_style_sheet_is_the_only_one_that_the_browser_takes(signed_in):
    page = signed_in.get()
    [style] = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in page.headers["content-security-policy"]
    assert "style=" not in page.text.replace("<style>", "")
    assert re.findall(r"<script[^>]*>", page.text) == ['<script src="page.js" defer>']
    assert not re.search(r"""\son\w+=["']""", page.text)


def test_no_secret_is_in_the_page_but_the_forms(signed_in, addresses, token_in):
    page = signed_in.get().text
    [session] = signed_in.cookies.values()
    assert session not in page
    assert token_in(addresses[-1]) not in page
    assert signed_in.door.path.strip("/") not in page


def test_what_the_study_wrote_is_text(signed_in, pretend):
    """Title and consent text come from a server that nobody here trusts."""
    evil = "<img src=x onerror=alert(1)>{{ 7 * 7 }}"
    changed = pretend.device.enrolment.model_copy(update={"title": evil, "consent_text": evil, "contact": evil})
    object.__setattr__(pretend.device, "enrolment", changed)
    for path in ("", "agreement", "leaving"):
        page = signed_in.get(path).text
        assert "<img src=x" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;{{ 7 * 7 }}" in page

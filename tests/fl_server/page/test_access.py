"""Nobody but the operator's browser sees the page, and nobody changes anything through it."""

import re

import pytest

PAGE = "/operator/"
TOKEN = "a-token-of-the-operators"
FILES = ("page.css", "page.js", "icon.svg")


def test_the_token_is_needed_once_and_leaves_the_address(visit, folder):
    assert visit.get(PAGE).status_code == 403
    answer = visit.get(PAGE, params={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert re.search(r"HttpOnly; Path=/operator/; SameSite=strict", answer.headers["set-cookie"])
    assert visit.get(PAGE).status_code == 200


@pytest.mark.parametrize("token", ["", "a-token-of-the-operator", "a-token-of-the-operators ", "\N{SNOWMAN}", "0"])
def test_another_token_opens_nothing(visit, token):
    assert visit.get(PAGE, params={"token": token}).status_code == 403
    assert "set-cookie" not in visit.get(PAGE, params={"token": token}).headers


def test_a_forged_cookie_opens_nothing(visit):
    name, _, value = visit.get(PAGE, params={"token": TOKEN}).headers["set-cookie"].partition(";")[0].partition("=")
    visit.cookies.clear()
    for cookie in (f"{name}=guess", f"other={value}", f"{name}="):
        assert visit.get(PAGE, headers={"cookie": cookie}).status_code == 403
    assert visit.get(PAGE, headers={"cookie": f"{name}={value}"}).status_code == 200


@pytest.mark.parametrize("path", [PAGE, *(PAGE + name for name in FILES), "/", "/docs", "/openapi.json", "/operator"])
def test_without_the_token_every_path_is_the_same(visit, path):
    answers = {visit.get(address).text for address in (PAGE, path)}
    assert len(answers) == 1
    assert visit.get(path).status_code == 403


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/operator", "/operator/x"])
def test_there_is_nothing_else(signed_in, path):
    [(name, value)] = signed_in.cookies.items()
    assert signed_in.get(path, headers={"cookie": f"{name}={value}"}).status_code == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8123", "127.0.0.1.evil.example", "192.168.0.7:8123", ""]
)
def test_a_name_that_was_rebound_to_this_machine_is_refused(signed_in, host):
    for params in ({}, {"token": TOKEN}):
        answer = signed_in.get(PAGE, headers={"host": host}, params=params)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:8123", "[::1]:8123", "localhost"])
def test_this_machine_has_several_names(visit, host):
    assert visit.get(PAGE, headers={"host": host}, params={"token": TOKEN}).status_code == 303


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9", "https://127.0.0.1"])
def test_another_sites_request_is_refused(signed_in, origin):
    assert signed_in.get(PAGE, headers={"origin": origin}).status_code == 403
    assert signed_in.get(PAGE, headers={"origin": "http://127.0.0.1:8123"}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_it_can_only_be_read(signed_in, method):
    for path in (PAGE, PAGE + "page.js"):
        answer = signed_in.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    signed_in.cookies.clear()
    assert signed_in.request(method, PAGE).status_code == 403


def test_head_is_answered(signed_in):
    answer = signed_in.request("HEAD", PAGE)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_nothing_is_loaded_from_elsewhere_or_kept(signed_in):
    for path in (PAGE, *(PAGE + name for name in FILES)):
        headers = signed_in.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert not set(policy.split()) & {"*", "data:", "https:", "http:"}
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"


def test_two_federations_on_one_machine_do_not_sign_each_other_out(signed_in, visitor_with, folder):
    """Cookies know no ports: both pages' cookies lie in the same place."""
    other = visitor_with(folder, "another-token")
    other.get(PAGE, params={"token": "another-token"})
    assert other.cookies.keys()
    assert not set(other.cookies.keys()) & set(signed_in.cookies.keys())


def test_looking_changes_nothing_on_disk(signed_in, lively):
    before = {path: path.read_bytes() for path in lively.root.rglob("*") if path.is_file()}
    assert signed_in.get(PAGE).status_code == 200
    assert {path: path.read_bytes() for path in lively.root.rglob("*") if path.is_file()} == before
    lively.settings.write_text(lively.settings.read_text().replace("epsilon = 8.0", "epsilon = 4.0"))
    assert signed_in.get(PAGE).status_code == 200
    assert lively.policy.read_bytes() == before[lively.policy]


def test_what_cannot_be_read_is_a_sentence(signed_in, lively):
    lively.ledger.write_bytes(b"{}\n")
    answer = signed_in.get(PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert answer.text.startswith("A ledger entry cannot be read")

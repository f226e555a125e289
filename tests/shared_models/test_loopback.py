"""Which requests come from this machine's own page."""

import asyncio

import pytest
from starlette.requests import Request

from shared_models.loopback import is_own_origin, strict_headers, with_headers


def request(host: str, origin: str | None = None) -> Request:
    headers = [(b"host", host.encode())] + ([] if origin is None else [(b"origin", origin.encode())])
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:8123", "[::1]:8123", "localhost", "[::1]"])
def test_this_machine_has_several_names(host):
    assert is_own_origin(request(host))
    assert is_own_origin(request(host, f"http://{host}"))
    assert not is_own_origin(request(host, "http://127.0.0.1:9"))
    assert not is_own_origin(request(host, f"https://{host}"))
    assert not is_own_origin(request(host, "null"))


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:8123", "127.0.0.1.evil.example:8123", "10.0.0.7", "127.0.0.1@evil.example"],
)
def test_every_other_name_is_foreign_whatever_it_points_to(host):
    assert not is_own_origin(request(host))
    assert not is_own_origin(request(host, f"http://{host}"))


def test_an_answers_own_header_is_left_alone():
    sent = []

    async def send(message):
        sent.append(message)

    start = {"type": "http.response.start", "status": 200, "headers": [(b"referrer-policy", b"no-referrer")]}
    asyncio.run(with_headers(send, strict_headers(referrer="same-origin"))(start))
    names = [name for name, _ in sent[0]["headers"]]
    assert sorted(names) == sorted(set(names))
    assert dict(sent[0]["headers"])[b"referrer-policy"] == b"no-referrer"
    assert b"default-src 'none'" in dict(sent[0]["headers"])[b"content-security-policy"]

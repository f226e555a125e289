import datetime as dt

import pytest

from fl_server.listeners.authentication import OLDEST, Device, Replayed, UnknownDevice

SECOND = dt.timedelta(seconds=1)


def refused(authentication, headers):
    with pytest.raises(UnknownDevice) as unknown:
        authentication.identify(headers)
    return unknown.value.reason


def test_a_device_is_known_by_the_time_that_it_signed(authentication, laptop, clock):
    assert authentication.identify(laptop.headers(clock.now)) == laptop.device


@pytest.mark.parametrize("seconds", [-304, -1, 0, 4])
def test_clocks_may_differ_a_little(authentication, laptop, clock, seconds):
    assert authentication.identify(laptop.headers(clock.now + seconds * SECOND)) == laptop.device


@pytest.mark.parametrize("seconds", [-86400, -305, 5, 86400])
def test_clocks_may_not_differ_more(authentication, laptop, clock, seconds):
    assert refused(authentication, laptop.headers(clock.now + seconds * SECOND)) == "wrong_clock"


def test_a_key_that_was_not_let_in_is_unknown(authentication, make_laptop, clock):
    assert refused(authentication, make_laptop().headers(clock.now)) == "unknown_key"
    assert refused(authentication, {}) == "unknown_key"


@pytest.mark.parametrize("name", [b"flwr-timestamp", b"flwr-signature"])
@pytest.mark.parametrize(
    "value", [None, b"", b"x", b"\xff", b"2026-11-03T10:00:00", b"9999-12-31T23:59:59+00:00", b"MEUCIQ==", b"=" * 9999]
)
def test_what_the_device_did_not_sign_opens_nothing(authentication, laptop, clock, name, value):
    headers = laptop.headers(clock.now)
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    assert refused(authentication, headers) == "bad_signature"


def test_the_signature_of_another_device_opens_nothing(authentication, laptop, make_laptop, clock):
    other = make_laptop(2)
    authentication.admit(other.device)
    headers = laptop.headers(clock.now) | {b"flwr-signature": other.headers(clock.now)[b"flwr-signature"]}
    assert refused(authentication, headers) == "bad_signature"


def test_a_time_is_good_for_one_request_however_it_is_signed(authentication, laptop, clock):
    """ECDSA gives another signature each time."""
    authentication.identify(laptop.headers(clock.now))
    for _ in range(2):
        with pytest.raises(Replayed):
            authentication.identify(laptop.headers(clock.now))
    authentication.identify(laptop.headers(clock.now - SECOND))


def test_what_could_be_replayed_is_remembered_and_nothing_longer(authentication, laptop, clock):
    first = clock.now
    for _ in range(400):
        authentication.identify(laptop.headers(clock.now))
        clock.now += SECOND
    assert len(laptop.device.times) <= OLDEST / SECOND + 1
    assert refused(authentication, laptop.headers(first)) == "wrong_clock"
    for seconds in range(1, 305, 8):
        with pytest.raises(Replayed):
            authentication.identify(laptop.headers(clock.now - seconds * SECOND))


def test_letting_a_device_in_again_does_not_forget_what_it_sent(authentication, laptop, clock):
    headers = laptop.headers(clock.now)
    authentication.identify(headers)
    authentication.admit(Device(1, "again", laptop.device.key, laptop.device.public_key))
    with pytest.raises(Replayed):
        authentication.identify(headers)


def test_what_was_signed_before_the_start_may_have_been_used(authentication, laptop, clock):
    clock.now -= dt.timedelta(hours=1)
    with pytest.raises(Replayed):
        authentication.identify(laptop.headers(clock.now - SECOND))
    authentication.identify(laptop.headers(clock.now + SECOND))


def test_a_revoked_key_is_unknown_until_it_is_let_in_again(authentication, laptop, clock):
    assert authentication.revoke(laptop.device.key) == laptop.device
    assert authentication.revoke(laptop.device.key) is None
    assert not authentication.is_admitted(laptop.device)
    assert refused(authentication, laptop.headers(clock.now)) == "unknown_key"
    authentication.admit(laptop.device)
    assert authentication.identify(laptop.headers(clock.now)) == laptop.device

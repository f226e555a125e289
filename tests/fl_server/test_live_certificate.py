import datetime as dt
import logging
import socket
import ssl
import threading

import pytest
from cryptography import x509

from fl_server import certificates
from fl_server.certificates import current_certificate, expiry_warning, issue_server_certificate
from fl_server.live_certificate import LiveCertificate
from shared_models.errors import CertificateError


@pytest.fixture
def live(folder):
    return LiveCertificate(folder)


@pytest.fixture
def shown(folder, live):
    """`shown()`: the serial number of the certificate that a new connection is shown."""

    def shown():
        ours, theirs = socket.socketpair()
        client = ssl.create_default_context(cafile=str(folder.ca_certificate))

        def serve():
            with live.context.wrap_socket(ours, server_side=True):
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        with client.wrap_socket(theirs, server_hostname="127.0.0.1") as connection:
            der = connection.getpeercert(binary_form=True)
            connection.recv(1)
        thread.join()
        return x509.load_der_x509_certificate(der).serial_number

    return shown


def on_disk(folder):
    return x509.load_pem_x509_certificate(folder.certificate.read_bytes()).serial_number


def test_a_renewed_certificate_is_shown_without_a_restart(folder, live, shown):
    before = shown()
    issue_server_certificate(folder, "127.0.0.1")
    assert shown() == before
    live.refresh()
    assert shown() == on_disk(folder) != before


def test_half_a_renewal_changes_nothing(folder, live, shown, caplog):
    before, key = shown(), folder.certificate_key.read_bytes()
    issue_server_certificate(folder, "127.0.0.1")
    renewed, _ = folder.certificate_key.read_bytes(), folder.certificate_key.write_bytes(key)
    for _ in range(3):
        live.refresh()
        assert shown() == before
    assert caplog.text.count("do not fit") == 1
    folder.certificate_key.write_bytes(renewed)
    live.refresh()
    assert shown() == on_disk(folder)


@pytest.mark.parametrize("damage", ["certificate", "certificate_key"])
def test_a_file_that_is_gone_or_damaged_changes_nothing(folder, live, shown, damage):
    before = shown()
    for harm in (lambda path: path.write_bytes(b"x"), lambda path: path.unlink()):
        harm(getattr(folder, damage))
        live.refresh()
        assert shown() == before


def test_a_server_does_not_start_with_a_pair_that_does_not_fit(folder):
    key = folder.certificate_key.read_bytes()
    issue_server_certificate(folder, "127.0.0.1")
    folder.certificate_key.write_bytes(key)
    with pytest.raises(CertificateError, match="do not fit"):
        LiveCertificate(folder)
    with pytest.raises(CertificateError):
        current_certificate(folder)


def test_the_pair_is_what_is_on_the_disk(folder):
    assert current_certificate(folder) == (folder.certificate_key.read_bytes(), folder.certificate.read_bytes())


def test_thirty_days_before_its_end_a_certificate_is_warned_of(folder, live, caplog, monkeypatch):
    assert expiry_warning(folder) is None
    issue_server_certificate(folder, "127.0.0.1", days=31)
    assert expiry_warning(folder) is None
    issue_server_certificate(folder, "127.0.0.1", days=30)
    assert "expires in 29 days" in expiry_warning(folder)
    assert f"fl-server renew {folder.root}" in expiry_warning(folder)
    with caplog.at_level(logging.WARNING):
        live.refresh()
        live.refresh()
    assert caplog.text.count("expires in 29 days") == 1
    monkeypatch.setattr(certificates, "_BACKDATED", dt.timedelta(days=9))
    issue_server_certificate(folder, "127.0.0.1", days=-1)
    assert "expires in 0 days" in expiry_warning(folder)

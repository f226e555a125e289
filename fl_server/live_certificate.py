"""The server's certificate while the server runs: a renewed one is used for new connections without a restart."""

import logging
import ssl

from fl_server.certificates import current_certificate, expiry_warning
from fl_server.folder import FederationFolder
from shared_models.errors import CertificateError

log = logging.getLogger(__name__)


class LiveCertificate:
    """`context` shows the certificate that was in the folder at the last `refresh`."""

    def __init__(self, folder: FederationFolder) -> None:
        """Raises CertificateError where certificate and key are missing or do not fit."""
        self._folder = folder
        self._loaded = current_certificate(folder)
        self._said = ""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder.certificate, folder.certificate_key)

    def refresh(self) -> None:
        """Takes up a renewed certificate; one that cannot be used, or the one in use running out, is logged once."""
        try:
            found = current_certificate(self._folder)
            if found != self._loaded:
                self.context.load_cert_chain(self._folder.certificate, self._folder.certificate_key)
                self._loaded = found
                log.info("the renewed certificate is in use")
            text = expiry_warning(self._folder) or ""
        except (CertificateError, OSError) as error:
            text = str(error)
        if text and text != self._said:
            log.warning("%s", text)
        self._said = text

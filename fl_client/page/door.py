"""The secrets that open the page, made anew with each start of the program."""

import hmac
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress

from shared_models.errors import StorageError


class Door:
    """A token opens the page once; from then on a cookie does, and a third secret says that a form is this page's.

    A token can be seen in a browser's history, on a screen, and by other users in the list of processes: so it is
    worth nothing once it was used, and the next one goes to `keep`. The path is secret as well, because a browser
    shows a cookie to every port of this machine, another user's too, but to no path that is not below the cookie's.
    """

    def __init__(self, keep: Callable[[str], None]) -> None:
        """keep: takes the part of the address behind the port, with each new token; the first at `unlock`"""
        self.path = f"/{secrets.token_hex(8)}/"
        self.cookie = "attune"
        self.form_token = secrets.token_urlsafe(32)
        self._session, self._token = secrets.token_urlsafe(32), ""
        self._keep, self._alone = keep, threading.Lock()

    def unlock(self) -> None:
        """Makes a token and has it kept. Raises StorageError where that is not possible; the former one stays good."""
        token = secrets.token_urlsafe(32)
        self._keep(f"{self.path}?token={token}")
        self._token = token

    def sign_in(self, token: str) -> str | None:
        """The cookie's value, for the token that was not used yet."""
        with self._alone:
            if not self._token or not _same(token, self._token):
                return None
            with suppress(StorageError):  # a full disk shuts nobody out of the page that can free it
                self.unlock()
            return self._session

    def is_open_to(self, cookie: str | None) -> bool:
        return cookie is not None and _same(cookie, self._session)

    def is_own_form(self, token: str | None) -> bool:
        return token is not None and _same(token, self.form_token)


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())

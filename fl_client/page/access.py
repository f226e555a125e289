"""Who may look at the student's page and use it: one browser on this machine that came with the token."""

import base64
import hashlib

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fl_client.page.door import Door
from fl_client.page.words import Words
from shared_models.loopback import is_own_origin, strict_headers, with_headers

_FROM_HERE = (None, "same-origin", "none")
"""What a browser says of where a request comes from: this page, or its user's own hand."""


class Access:
    """Stands before the page: refuses other names of this machine, other sites, and whoever has no cookie.

    A request that changes something must name this page as its origin. The token in its form is checked where the
    form is read.
    """

    def __init__(self, app: ASGIApp, door: Door, words: Words, style: str) -> None:
        """style: the one style sheet, which stands in each page"""
        self._app, self._door, self._words = app, door, words
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        # With `no-referrer` a browser sends its own forms as from nowhere: `Origin: null`.
        headers = strict_headers(
            style=f"'sha256-{digest}'",
            pictures="'self' data:",  # a picture that stands in the page itself is never kept for a second request
            forms="'self'",
            referrer="same-origin",
        )
        self._headers = headers | {"Permissions-Policy": "camera=(), microphone=(), display-capture=()"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = self._answer(Request(scope)) or self._app
        await answer(scope, receive, with_headers(send, self._headers))

    def _answer(self, request: Request) -> Response | None:
        """What to say in place of the page; None where it may be used."""
        headers = request.headers
        if not is_own_origin(request) or headers.get("sec-fetch-site") not in _FROM_HERE:
            return self._refusal("refused.origin")
        signed_in = self._door.is_open_to(request.cookies.get(self._door.cookie))
        token = request.query_params.get("token")
        if token is not None and request.method == "GET" and request.url.path == self._door.path:
            return self._without_token(token, signed_in)
        if not signed_in:
            return self._refusal("refused.closed")
        if request.method != "GET" and "origin" not in headers:
            return self._refusal("refused.origin")
        return None

    def _without_token(self, token: str, signed_in: bool) -> Response:
        """Takes the token out of the address, whoever it may open the page to."""
        response = RedirectResponse(self._door.path, 303, {"Referrer-Policy": "no-referrer"})
        session = self._door.sign_in(token)
        if session is not None:
            response.set_cookie(self._door.cookie, session, path=self._door.path, httponly=True, samesite="strict")
        elif not signed_in:
            return self._refusal("refused.closed")
        return response

    def _refusal(self, key: str) -> Response:
        return PlainTextResponse(self._words(key) + "\n", 403)

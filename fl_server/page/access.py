"""Who may look at the operator's page: one browser on this machine that came with the token."""

import hashlib
import hmac

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fl_server.page.address import PATH
from shared_models.loopback import is_own_origin, strict_headers, with_headers

_METHODS = ("GET", "HEAD")
_HEADERS = strict_headers()
_CLOSED = "This page opens with the address that `fl-server status` prints.\n"


class Access:
    """Stands before the page. A site that a browser also visits can neither read it nor point a name at it.

    The token is in the address once; a cookie carries it from there on. Cookies know no ports, so this one has a name
    of its own for each token: the pages of two federations on one machine do not sign each other out.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token
        self._cookie = f"attune_{hashlib.sha256(token.encode()).hexdigest()[:12]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = self._answer(Request(scope)) or self._app
        await answer(scope, receive, with_headers(send, _HEADERS))

    def _answer(self, request: Request) -> Response | None:
        """What to say in place of the page; None where it may be seen."""
        if not is_own_origin(request):
            return PlainTextResponse("This page answers under its own address only.\n", 403)
        if self._is_token(request.query_params.get("token")):
            return self._signed_in()
        if not self._is_token(request.cookies.get(self._cookie)):
            return PlainTextResponse(_CLOSED, 403)
        if request.method not in _METHODS:
            return PlainTextResponse("This page can only be read.\n", 405, {"Allow": ", ".join(_METHODS)})
        return None

    def _signed_in(self) -> Response:
        response = RedirectResponse(PATH, 303)
        response.set_cookie(self._cookie, self._token, path=PATH, httponly=True, samesite="strict")
        return response

    def _is_token(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), self._token.encode())

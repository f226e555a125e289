"""What keeps a page on loopback to this computer's browser: other sites may name it, but neither read nor use it."""

from starlette.requests import Request
from starlette.types import Message, Send

_HOSTS = ("127.0.0.1", "localhost", "[::1]")


def is_own_origin(request: Request) -> bool:
    """Whether the request names this machine, as a name rebound to it does not, and comes from this page."""
    host = request.headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name in _HOSTS and request.headers.get("origin", f"http://{host}") == f"http://{host}"


def strict_headers(
    *, style: str = "'self'", pictures: str = "'self'", forms: str = "'none'", referrer: str = "no-referrer"
) -> dict[str, str]:
    """Nothing is loaded from elsewhere, kept in a cache, framed, or told to another site.

    style, pictures, forms: sources of style sheets and pictures, and what a form may be sent to, as a content security
                            policy writes them
    """
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src {style}; script-src 'self'; img-src {pictures}; connect-src 'self';"
            f" base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": referrer,
        "X-Content-Type-Options": "nosniff",
    }


def with_headers(send: Send, headers: dict[str, str]) -> Send:
    """`send`, which adds these headers to every answer; one that the answer has already is left alone."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            has = {name.lower() for name, _ in message["headers"]}
            added = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            message["headers"] = [*message["headers"], *(header for header in added if header[0] not in has)]
        await send(message)

    return send_with_headers

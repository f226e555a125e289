"""The operator's page as an ASGI application, for the loopback listener to serve."""

from importlib.resources import files

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.types import ASGIApp

from fl_server.folder import FederationFolder
from fl_server.page.access import Access
from fl_server.page.address import PATH
from fl_server.page.view import read_view
from shared_models.errors import AttuneError

_READ = ["GET", "HEAD"]


def operator_page(folder: FederationFolder, token: str) -> ASGIApp:
    """Everything below `/operator/`: the page, its style sheet, its script and its icon. It writes nothing."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    template = _environment().get_template("page.html.j2")

    @app.api_route(PATH, methods=_READ)
    def page() -> Response:
        return HTMLResponse(template.render(view=read_view(folder), path=PATH).lstrip())

    @app.exception_handler(AttuneError)
    def not_now(request: Request, error: AttuneError) -> Response:
        return PlainTextResponse(f"{error}\n", 503)

    for name, content, media_type in (
        ("page.css", _text("report", "templates/page.css") + _text("page", "files/page.css"), "text/css"),
        ("page.js", _text("page", "files/page.js"), "text/javascript"),
        ("icon.svg", _text("page", "files/icon.svg"), "image/svg+xml"),
    ):
        response = Response(content, media_type=media_type)
        app.add_api_route(PATH + name, lambda response=response: response, methods=_READ, response_class=Response)
    return Access(app, token)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fl_server.page", "files"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = lambda moment: f"{moment:%H:%M:%S}"
    environment.filters["day_and_clock"] = lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}"
    return environment


def _text(package: str, name: str) -> str:
    return files(f"fl_server.{package}").joinpath(name).read_text(encoding="utf-8")

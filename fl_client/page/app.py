"""The student's page as an ASGI application."""

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from starlette.requests import Request
from starlette.types import ASGIApp

from fl_client.page.access import Access
from fl_client.page.actions import actions
from fl_client.page.device import Device
from fl_client.page.door import Door
from fl_client.page.form import OwnForm
from fl_client.page.hints import Hints
from fl_client.page.live_view import LiveViews
from fl_client.page.looked_at import LookedAt
from fl_client.page.looks import looks
from fl_client.page.records import Records
from fl_client.page.rendering import renderer, text_of
from fl_client.page.timeline import Timeline
from fl_client.page.words import Words
from shared_models.errors import AttuneError


def student_page(device: Device, timeline: Timeline, hints: Hints, door: Door, clock: Callable[[], float]) -> ASGIApp:
    """Everything below the door's path, for whom `Access` lets through."""
    words, style = Words.load(), text_of("page.css")
    render = renderer(words, style, door.form_token)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    prefix = door.path.rstrip("/")
    live, records = LiveViews(device, timeline, hints, words, clock), Records(device, words)
    app.include_router(looks(live, LookedAt(device, words), records, device.kept, render), prefix=prefix)
    app.include_router(actions(device, hints, OwnForm(door, words), words, render, clock), prefix=prefix)

    @app.exception_handler(AttuneError)
    def say_why(request: Request, error: AttuneError) -> Response:
        return HTMLResponse(render("problem.html.j2", problem=str(error)), 409)

    return Access(app, door, words, style)

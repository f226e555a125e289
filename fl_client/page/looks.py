"""What can be looked at on the page. Nothing here changes anything."""

from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from fl_client.page.device import Kept, sequence_called
from fl_client.page.live_view import LiveViews
from fl_client.page.looked_at import LookedAt
from fl_client.page.pictures import strip, thumbnail
from fl_client.page.records import Records
from fl_client.page.rendering import Renderer, text_of

_FILES = (("page.js", "text/javascript"), ("icon.svg", "image/svg+xml"))


def looks(live: LiveViews, looked_at: LookedAt, records: Records, kept: Kept, render: Renderer) -> APIRouter:
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/")
    def page(said: str = "") -> str:
        return render("page.html.j2", live=live.now(), whole=records.all(), said=said)

    @router.get("/live")
    def live_parts() -> str:
        """The parts of the page that change by themselves."""
        return render("live.html.j2", live=live.now())

    @router.get("/looked-at")
    def last_window() -> str:
        return render("looked_at.html.j2", looked=looked_at.now(), now=datetime.now().astimezone())

    @router.get("/agreement")
    def agreement() -> str:
        return render("agreement.html.j2", agreement=records.agreement())

    @router.get("/deleting")
    def deleting(id: str) -> str:  # noqa: A002
        return render("deleting.html.j2", picture=records.picture(sequence_called(id, kept)))

    @router.get("/deleting-all")
    def deleting_all() -> str:
        return render("deleting_all.html.j2", number=len(kept))

    @router.get("/leaving")
    def leaving() -> str:
        return render("leaving.html.j2", whole=records.all())

    @router.get("/picture")
    def picture(id: str) -> Response:  # noqa: A002
        return Response(thumbnail(sequence_called(id, kept).frames), media_type="image/png")

    @router.get("/strip")
    def all_frames(id: str) -> Response:  # noqa: A002
        return Response(strip(sequence_called(id, kept).frames), media_type="image/png")

    for name, media_type in _FILES:
        response = Response(text_of(name), media_type=media_type)
        router.add_api_route(f"/{name}", lambda response=response: response, response_class=Response)
    return router

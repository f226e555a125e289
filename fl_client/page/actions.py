"""What can be done on the page: each by a form of its own, and answered with the way back."""

from collections.abc import Callable

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.background import BackgroundTask

from fl_client.page.device import Device, sequence_called
from fl_client.page.form import Form, OwnForm
from fl_client.page.hints import Hints
from fl_client.page.rendering import Renderer
from fl_client.page.words import Words
from shared_models.errors import ConsentError, DataError


def actions(
    device: Device, hints: Hints, own_form: OwnForm, words: Words, render: Renderer, clock: Callable[[], float]
) -> APIRouter:
    router = APIRouter(dependencies=[Depends(own_form)])

    @router.post("/pause")
    def pause() -> Response:
        device.consent.pause()
        return RedirectResponse("./", 303)

    @router.post("/resume")
    def resume() -> Response:
        device.consent.resume()
        return RedirectResponse("./", 303)

    @router.post("/answer")
    def answer(form: Form = Depends(own_form)) -> Response:
        if device.prober is None:
            raise DataError(words("probe.none"))
        device.prober.answer(form.one("probe"), form.one("label"))
        return _back("now.answered")

    @router.post("/skip")
    def skip(form: Form = Depends(own_form)) -> Response:
        if device.prober is None:
            raise DataError(words("probe.none"))
        device.prober.skip(form.one("probe"))
        return _back("now.skipped")

    @router.post("/delete")
    def delete(form: Form = Depends(own_form)) -> Response:
        device.kept.delete([sequence_called(form.one("id"), device.kept).id])
        return _back("stored.deleted")

    @router.post("/delete-all")
    def delete_all() -> Response:
        device.kept.delete_all()
        return _back("stored.deleted_all")

    @router.post("/agree")
    def agree(form: Form = Depends(own_form)) -> Response:
        device.agree_to(form.all("scope"))
        return _back("consent.agreed")

    @router.post("/hints")
    def change_hints(form: Form = Depends(own_form)) -> Response:
        wish = form.one("wish")
        if wish not in ("later", "on", "off"):
            raise HTTPException(422)
        if wish == "later":
            hints.later(clock())
        else:
            hints.turn(on=wish == "on")
        return _back(f"session.{wish}")

    @router.post("/turn-off")
    def turn_off() -> Response:
        return HTMLResponse(render("turned_off.html.j2"), background=BackgroundTask(device.turn_off))

    @router.post("/withdraw")
    def withdraw(form: Form = Depends(own_form)) -> Response:
        if form.all("understood") != ["yes"]:
            raise ConsentError(words("leaving.not_ticked"), fix=words("leaving.tick_first"))
        device.withdraw()
        return HTMLResponse(render("left.html.j2", contact=device.enrolment.contact))

    return router


def _back(said: str) -> Response:
    """To the part of the page that it was about, and what to say there."""
    return RedirectResponse(f"./?said={said}#{said.partition('.')[0]}", 303)

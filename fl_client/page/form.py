"""The forms of the page as they come back. One without the page's own token is refused, whatever it asks for."""

from dataclasses import dataclass
from urllib.parse import parse_qs

from fastapi import HTTPException
from starlette.requests import Request

from fl_client.page.door import Door
from fl_client.page.words import Words

_LONGEST_BYTES = 4096


@dataclass(frozen=True)
class Form:
    fields: dict[str, list[str]]

    def one(self, name: str) -> str:
        """Raises HTTPException where the field is not there exactly once: no form of the page is like that."""
        values = self.fields.get(name, [])
        if len(values) != 1:
            raise HTTPException(422)
        return values[0]

    def all(self, name: str) -> list[str]:
        return self.fields.get(name, [])


class OwnForm:
    """A dependency of every route that changes something."""

    def __init__(self, door: Door, words: Words) -> None:
        self._door, self._words = door, words

    async def __call__(self, request: Request) -> Form:
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > _LONGEST_BYTES:
            raise HTTPException(413, self._words("refused.form"))
        try:
            form = Form(parse_qs((await request.body()).decode()))
        except ValueError as error:
            raise HTTPException(422, self._words("refused.form")) from error
        if not self._door.is_own_form("".join(form.all("token"))):
            raise HTTPException(403, self._words("refused.form"))
        return form

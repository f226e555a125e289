"""From a template and a view to HTML."""

from collections.abc import Callable
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fl_client.page.words import Words

Renderer = Callable[..., str]


def renderer(words: Words, style: str, form_token: str) -> Renderer:
    """`render("page.html.j2", name=value)`: every text comes from `words`, as `t`, or from the values."""
    environment = Environment(
        loader=PackageLoader("fl_client.page", "files"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"t": words, "count": words.count, "style": Markup(style), "form_token": form_token}
    environment.filters["clock"] = lambda moment: f"{moment:%H:%M}"
    environment.filters["when"] = words.when

    def render(name: str, **values: object) -> str:
        return environment.get_template(name).render(values).lstrip()

    return render


def text_of(name: str) -> str:
    """A file of the page's, as text."""
    return files("fl_client.page").joinpath(f"files/{name}").read_text(encoding="utf-8")

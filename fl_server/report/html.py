"""Draws a page as one HTML text: self-contained, no scripts, nothing loaded from anywhere."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from fl_server.report.blocks import Page, runs


def render_html(page: Page) -> str:
    environment = Environment(
        loader=PackageLoader("fl_server.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["runs"] = runs
    return environment.get_template("page.html.j2").render(page=page).lstrip()

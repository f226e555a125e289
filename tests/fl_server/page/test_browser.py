"""The page in a real browser: what is on the screen, what it loads, and that it keeps itself up to date."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fl_server.refusals import Refusals


class Opened:
    """A tab on the page that notes what goes wrong and what is asked for."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.tab = self.context.new_page()
        self.tab.clock.install()
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", lambda message: self.errors.append(message.text))
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))

    def wait_for_news(self) -> None:
        """Lets the time pass after which the page asks again."""
        self.tab.clock.fast_forward(4000)

    def text(self, selector: str) -> str:
        return " ".join(self.tab.locator(selector).inner_text().split())


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Any]:
    opened: list[Opened] = []

    def open_page(address: str, **options: Any) -> Opened:
        opened.append(Opened(chromium, **options))
        opened[-1].tab.goto(address)
        return opened[-1]

    yield open_page
    for page in opened:
        page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 380)])
def test_it_is_whole_in_light_and_dark_and_on_a_narrow_screen(
    lively, served, open_page, scheme: str, width: int
) -> None:
    page = open_page(served.address, color_scheme=scheme, viewport={"width": width, "height": 800})
    assert page.text("#now h2") == "Now: collecting"
    assert "happiness 0.34 +0.14" in page.text("#scores")
    assert page.tab.locator("#last-rounds tbody tr").count() == 12
    assert "no_answer" in page.text("#refusals")
    assert page.tab.locator("svg[role=img]").count() == 6
    assert page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 25, 30)")
    assert page.errors == []


def test_it_asks_only_its_own_server(lively, served, open_page) -> None:
    page = open_page(served.address)
    with page.tab.expect_response("**/operator/"):
        page.wait_for_news()
    assert {address.partition("?")[0] for address in page.asked} == {
        f"{served.origin}/operator/{name}" for name in ("", "page.css", "page.js", "icon.svg")
    }
    assert "token" not in page.tab.url
    assert page.errors == []


def test_without_the_token_there_is_a_sentence_and_no_page(lively, served, open_page) -> None:
    page = open_page(f"{served.origin}/operator/")
    assert page.text("body") == "This page opens with the address that `fl-server status` prints."
    assert page.tab.locator("h1").count() == 0


def test_a_script_of_the_page_cannot_read_the_token(lively, served, open_page) -> None:
    page = open_page(served.address)
    assert page.tab.evaluate("document.cookie") == ""


def test_another_site_sees_nothing(lively, served, open_page) -> None:
    """A page at another port, open in the same browser after the operator signed in."""
    page = open_page(served.address)
    other = page.context.new_page()
    other.route("http://127.0.0.1:9/", lambda route: route.fulfill(body="<h1>elsewhere</h1>", content_type="text/html"))
    other.goto("http://127.0.0.1:9/")
    read = "address => fetch(address, {credentials: 'include'}).then(answer => answer.text()).catch(() => 'nothing')"
    assert other.evaluate(read, f"{served.origin}/operator/") == "nothing"
    other.set_content(f"<iframe src='{served.origin}/operator/'></iframe>")
    assert "Now:" not in other.frames[1].content()


def test_a_change_is_shown_without_losing_ones_place(lively, served, open_page, write, summary) -> None:
    page = open_page(served.address)
    page.tab.locator("summary").click()
    page.tab.locator("#earlier-rounds").focus()
    page.tab.evaluate("window.unchanged = document.querySelector('#refusals table')")
    write(summary(15), state="paused", why="The disk is full.", round=16)
    page.wait_for_news()
    page.tab.locator("#now h2", has_text="paused").wait_for()
    assert page.text("#last-rounds tbody tr >> nth=0").startswith("15 ")
    assert page.tab.locator("#earlier").get_attribute("open") == ""
    assert page.tab.evaluate("document.activeElement.id") == "earlier-rounds"
    assert page.tab.evaluate("window.unchanged.isConnected")
    assert page.errors == []


def test_a_server_that_is_gone_is_said_to_be_gone(lively, served, open_page) -> None:
    page = open_page(served.address)
    page.tab.route("**/operator/", lambda route: route.abort())
    page.wait_for_news()
    page.tab.locator("#stale").wait_for(state="visible")
    page.tab.unroute("**/operator/")
    page.wait_for_news()
    page.tab.locator("#stale").wait_for(state="hidden")


def test_without_scripts_it_reloads_itself(lively, served, open_page) -> None:
    page = open_page(served.address, java_script_enabled=False)
    assert page.tab.locator("noscript meta, head meta[http-equiv=refresh]").first.get_attribute("content") == "10"
    assert "Round 15 is collecting" in page.tab.content()


def test_the_keyboard_is_enough(lively, served, open_page) -> None:
    page = open_page(served.address)
    page.tab.keyboard.press("Tab")
    assert page.tab.evaluate("document.activeElement.textContent") == "Skip to the scores"
    page.tab.keyboard.press("Enter")
    assert page.tab.evaluate("document.activeElement.id") == "scores-heading"
    reached = []
    for _ in range(8):
        page.tab.keyboard.press("Tab")
        reached.append(page.tab.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"last-rounds", "SUMMARY"} <= set(reached)


def test_it_prints_on_a_few_sheets(lively, served, open_page, tmp_path: Path) -> None:
    page = open_page(served.address)
    paper = page.tab.pdf(format="A4", path=str(tmp_path / "page.pdf"))
    assert 1 <= paper.count(b"/Type /Page\n") <= 3


def test_a_new_federation_is_no_error(folder, served, open_page) -> None:
    with Refusals(folder):
        page = open_page(served.address)
    assert page.text("#now h2") == "Now: starting"
    assert page.errors == []

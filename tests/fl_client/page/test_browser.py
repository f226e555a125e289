"""The page in a real browser: by keyboard, without a mouse; with scripts and without; asking nobody else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pretend_device import explained_of

from fl_client.consent import State

CHECKS = Path(__file__).with_name("accessibility.js").read_text(encoding="utf-8")


class Opened:
    """A tab on the page that notes what goes wrong and what is asked for."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.tab = self.context.new_page()
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", lambda message: self.errors.append(message.text))
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))

    def text(self, selector: str) -> str:
        return " ".join(self.tab.locator(selector).inner_text().split())

    def press_until(self, key: str, id_: str) -> None:
        """Moves with `key` until the element with this id has the focus."""
        for _ in range(80):
            self.tab.keyboard.press(key)
            if self.tab.evaluate("document.activeElement.id") == id_:
                return
        raise AssertionError(f"{id_} is not reached by {key}")


@pytest.fixture
def open_page(chromium: Any, serve: Any) -> Iterator[Any]:
    opened: list[Opened] = []

    def open_page(**options: Any) -> Opened:
        opened.append(Opened(chromium, **options))
        opened[-1].tab.goto(serve()[1])
        return opened[-1]

    yield open_page
    for page in opened:
        page.context.close()


@pytest.fixture
def lively(pretend: Any, keep: Any) -> Any:
    keep("fear", "anger")
    pretend.sent.rounds = 2
    pretend.read("fear")
    pretend.explainer.now = explained_of("fear")
    pretend.ask()
    return pretend


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_everybody(lively, open_page, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    home = page.tab.url
    for path in ("", "looked-at", "agreement", "leaving", "deleting-all", f"deleting?id={'0' * 31}1"):
        page.tab.goto(home + path)
        assert page.tab.evaluate(CHECKS) == []
    lively.consent.pause()
    page.tab.goto(home)
    assert page.text("h1") == "Paused"
    assert page.tab.evaluate(CHECKS) == []
    assert page.errors == []


def test_nothing_is_cut_off_at_any_width(lively, open_page) -> None:
    page = open_page(viewport={"width": 360, "height": 800})
    home = page.tab.url
    for path in ("", "looked-at", "agreement", "leaving", f"deleting?id={'0' * 31}1"):
        page.tab.goto(home + path)
        for width in (360, 600, 900, 1400):
            page.tab.set_viewport_size({"width": width, "height": 800})
            assert page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_check_itself_finds_what_is_wrong(lively, open_page) -> None:
    page = open_page()
    page.tab.evaluate("document.querySelector('h2').remove(); document.querySelector('#main-switch').textContent = ''")
    page.tab.evaluate("document.querySelector('.lead').attributeStyleMap.set('color', 'rgb(170, 170, 170)')")
    found = " ".join(page.tab.evaluate(CHECKS))
    assert "its label is not there" in found
    assert "no name: <button" in found
    assert "contrast 2.3" in found


def test_pause_by_keyboard(lively, open_page) -> None:
    page = open_page()
    page.tab.keyboard.press("Tab")
    assert page.tab.evaluate("document.activeElement.textContent") == "Skip to the switch"
    page.tab.keyboard.press("Enter")
    assert page.tab.evaluate("document.activeElement.id") == "main-switch"
    page.tab.keyboard.press("Enter")
    page.tab.locator("h1", has_text="Paused").wait_for()
    assert lively.consent.current().state is State.PAUSED
    assert page.tab.title() == "Paused - Attune"
    page.press_until("Tab", "main-switch")
    page.tab.keyboard.press("Space")
    page.tab.locator("h1", has_text="Camera on").wait_for()
    assert lively.consent.current().state is State.ACTIVE
    assert page.errors == []


def test_answer_by_keyboard(lively, open_page) -> None:
    page = open_page()
    page.press_until("Tab", "choice-happiness")
    page.tab.keyboard.press("Enter")
    page.tab.locator(".said", has_text="Your answer is noted.").wait_for()
    assert lively.prober.heard == [("p1", "happiness")]
    assert "said=" not in page.tab.url
    assert not page.tab.locator("#probe").is_visible()
    assert page.errors == []


def test_digits_answer_inside_the_question_only(lively, open_page) -> None:
    page = open_page()
    page.tab.keyboard.press("3")
    page.press_until("Tab", "choice-neutral")
    page.tab.keyboard.press("9")
    assert lively.prober.heard == []
    page.tab.keyboard.press("3")
    page.tab.locator(".said").wait_for()
    assert lively.prober.heard == [("p1", "surprise")]


def test_a_question_comes_and_is_announced_without_taking_the_focus(lively, open_page) -> None:
    lively.prober.waiting = None
    page = open_page()
    page.press_until("Tab", "turn-off")
    page.tab.evaluate("window.untouched = document.querySelector('#pictures ul')")
    lively.ask("p2")
    page.tab.locator("#choice-fear").wait_for()
    assert page.text("#announce[role=status]") == "Camera on. A question waits for your answer."
    assert page.tab.evaluate("document.activeElement.id") == "turn-off"
    assert page.tab.evaluate("window.untouched.isConnected")


def test_delete_one_by_keyboard(lively, open_page, keep) -> None:
    page = open_page()
    page.tab.locator("#pictures li", has_text="anger").get_by_role("link").focus()
    page.tab.keyboard.press("Enter")
    page.tab.locator("h1", has_text="Delete this sequence?").wait_for()
    assert page.tab.evaluate("document.querySelector('.strip').naturalWidth") == 8 * 48
    page.tab.get_by_role("button", name="Delete for good").focus()
    page.tab.keyboard.press("Enter")
    page.tab.locator("#stored .said", has_text="Deleted for good.").wait_for()
    assert [one.label for one in lively.kept.load_all()] == ["fear"]
    assert page.tab.locator("#pictures li").count() == 1
    assert page.errors == []


def test_what_is_kept_elsewhere_appears_without_a_reload(lively, open_page, keep) -> None:
    page = open_page()
    keep("disgust")
    page.tab.locator("#pictures li", has_text="disgust").wait_for()
    lively.sent.rounds = 3
    page.tab.locator("#sent", has_text="round 5").wait_for()
    assert page.errors == []


def test_what_the_model_looked_at_by_keyboard(lively, open_page) -> None:
    page = open_page()
    home = page.tab.url
    page.press_until("Tab", "looked-at")
    page.tab.keyboard.press("Enter")
    page.tab.locator("h1", has_text="What did the model look at?").wait_for()
    assert page.tab.evaluate("document.querySelector('.looked').naturalWidth") == 8 * 104 + 8
    assert "fear, very likely" in page.text(".lead")
    lively.consent.pause()
    page.tab.get_by_role("link", name="Look again").press("Enter")
    page.tab.locator(".lead", has_text="camera is not looked at").wait_for()
    assert page.tab.locator(".looked").count() == 0
    page.tab.get_by_role("link", name="Back to the page").press("Enter")
    page.tab.locator("h1", has_text="Paused").wait_for()
    names = {address.removeprefix(home).partition("?")[0] for address in page.asked if not address.startswith("data:")}
    assert names <= {"", "page.js", "icon.svg", "picture", "live", "looked-at"}
    assert page.errors == []


def test_withdraw_by_keyboard_needs_the_tick(lively, open_page) -> None:
    page = open_page()
    page.tab.get_by_role("link", name="Leave the study").focus()
    page.tab.keyboard.press("Enter")
    page.tab.get_by_role("button", name="Leave and destroy everything").focus()
    page.tab.keyboard.press("Enter")
    assert lively.done == []
    page.tab.get_by_label("I have read this").focus()
    page.tab.keyboard.press("Space")
    page.tab.get_by_role("button", name="Leave and destroy everything").focus()
    page.tab.keyboard.press("Enter")
    page.tab.locator("h1", has_text="You have left the study").wait_for()
    assert lively.done == ["withdraw"]
    assert page.errors == []


def test_without_scripts_everything_can_be_done(lively, open_page) -> None:
    page = open_page(java_script_enabled=False)
    page.tab.get_by_role("button", name="happiness").click()
    page.tab.get_by_role("button", name="Pause").click()
    page.tab.get_by_role("button", name="Go on").click()
    page.tab.get_by_role("link", name="Change what you agree to").click()
    page.tab.get_by_label("Train").uncheck()
    page.tab.get_by_role("button", name="Agree to what is ticked").click()
    page.tab.get_by_role("link", name="Delete all").click()
    page.tab.get_by_role("button", name="Delete all for good").click()
    page.tab.get_by_role("button", name="Turn off").click()
    assert page.text("h1") == "Attune is off"
    assert lively.prober.heard == [("p1", "happiness")]
    assert sorted(lively.consent.current().scopes) == ["capture", "store"]
    assert len(lively.kept) == 0
    assert lively.done == ["turn off"]


def test_it_asks_only_its_own_server(lively, open_page) -> None:
    page = open_page()
    with page.tab.expect_response("**/live"):
        pass
    home = page.tab.url
    assert "token" not in home
    names = {address.removeprefix(home).partition("?")[0] for address in page.asked}
    assert names == {"", "page.js", "icon.svg", "picture", "live"}
    assert page.tab.evaluate("document.cookie") == ""
    assert page.errors == []


def test_another_site_can_neither_see_nor_use_it(lively, open_page) -> None:
    """A page at another port of this machine, in the same browser: its requests carry the cookie."""
    page = open_page()
    home = page.tab.url
    other = page.context.new_page()
    other.route("http://127.0.0.1:9/", lambda route: route.fulfill(body="<h1>elsewhere</h1>", content_type="text/html"))
    other.goto("http://127.0.0.1:9/")
    send = """([address, method]) => fetch(address, {credentials: 'include', method, mode: 'no-cors'})
        .then(answer => answer.text()).catch(() => 'nothing')"""
    assert other.evaluate(send, [home, "GET"]) in ("", "nothing")
    other.evaluate(send, [home + "pause", "POST"])
    other.set_content(f"<iframe src='{home}'></iframe><form method=post action='{home}pause'></form>")
    assert "Camera on" not in other.frames[1].content()
    with other.expect_navigation():
        other.evaluate("document.forms[0].submit()")
    assert "under its own address only" in other.content()
    assert lively.consent.current().state is State.ACTIVE


def test_a_program_that_has_ended_is_said_to_have_ended(lively, open_page) -> None:
    page = open_page()
    page.tab.route("**/live", lambda route: route.abort())
    page.tab.locator("#stale").wait_for(state="visible")
    assert page.tab.evaluate("document.body.classList.contains('stale')")
    page.tab.unroute("**/live")
    page.tab.locator("#stale").wait_for(state="hidden")


def test_who_wants_no_motion_gets_none(lively, open_page) -> None:
    lamp = "getComputedStyle(document.querySelector('.lamp')).animationName"
    assert open_page(reduced_motion="reduce").tab.evaluate(lamp) == "none"

"""`fl-client page`: opens the page of the running program, and says what is wrong where there is none."""

import json
import webbrowser

import pytest

from fl_client import cli
from fl_client.home import Home
from shared_models.files import only_one

ADDRESS = "http://127.0.0.1:40313/0123456789abcdef/?token=secret"


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "device")
    home.create()
    return home


@pytest.fixture
def running(home):
    home.page.write_text(ADDRESS)
    with only_one(home.lock, "this"):
        yield


@pytest.fixture
def opened(monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    return opened


def test_it_opens_a_browser_and_keeps_the_token_off_the_screen(leave, home, running, opened, capsys):
    assert leave(cli.run, "page", "--home", home.root) == 0
    assert opened == [ADDRESS]
    assert "secret" not in capsys.readouterr().out


def test_without_a_browser_it_prints_the_address(leave, home, running, opened, monkeypatch, capsys):
    assert leave(cli.run, "page", "--home", home.root, "--no-browser") == 0
    assert capsys.readouterr().out.startswith(ADDRESS + "\n")
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    assert leave(cli.run, "page", "--home", home.root) == 0
    assert capsys.readouterr().out.startswith(ADDRESS + "\n")
    assert opened == []


def test_a_program_gets_json_and_no_browser(leave, home, running, opened, capsys):
    assert leave(cli.run, "page", "--home", home.root, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"address": ADDRESS}
    assert opened == []


def test_an_address_that_a_crash_left_behind_is_not_opened(leave, home, opened, capsys):
    home.page.write_text(ADDRESS)
    assert leave(cli.run, "page", "--home", home.root) == 2
    assert "Attune is not running, so there is no page. Start it with" in " ".join(capsys.readouterr().err.split())
    assert opened == []


def test_a_page_that_is_switched_off_is_said_to_be(leave, home, running, opened, capsys):
    home.settings.write_text("[page]\non = false\n")
    assert leave(cli.run, "page", "--home", home.root) == 2
    assert "The page is switched off" in capsys.readouterr().err
    assert opened == []


def test_a_page_that_is_not_there_yet(leave, home, running, capsys):
    home.page.unlink()
    assert leave(cli.run, "page", "--home", home.root) == 2
    assert "The page is not there yet. Try again in a moment" in capsys.readouterr().err

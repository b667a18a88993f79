"""The pages in a real browser: what each state shows, and that everybody can use it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from q2d2_stream.rooms import RoomLink
from tests.labs.browser import (
    IN_A_BROWSER,
    CallTab,
    Command,
    expect,
    launch,
    microphone_file,
    require_page,
)
from tests.labs.call import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Playwright

pytestmark = [pytest.mark.slow, pytest.mark.net, IN_A_BROWSER]


@pytest.fixture(scope="module", name="relay")
def make_relay() -> Iterator[str]:
    """A relay's address; two people fill a room of it."""
    require_page()
    with Command("relay", "--listen", "127.0.0.1:0", "--members", "2") as relay:
        yield f"http://127.0.0.1:{relay.port()}"


def assert_clean(tab: CallTab) -> None:
    """No complaint, no request to anybody else, no barrier."""
    assert tab.complaints == []
    origin = urlsplit(tab.page.url).netloc
    assert {urlsplit(url).netloc for url in tab.requested} <= {origin, ""}
    assert tab.violations() == []


def test_a_room_from_the_first_click_to_the_last(relay: str, context: BrowserContext) -> None:
    ann = CallTab(context, relay)
    assert_clean(ann)
    ann.shot("start")
    ann.page.fill("#link", "https://relay.example/")
    ann.page.click("#paste button")
    ann.page.wait_for_selector("#link-error:visible")
    ann.page.click("#new-room")
    assert_clean(ann)
    ann.shot("lobby")
    ann.join("Ann")
    ann.wait_for_state("state_waiting")
    assert_clean(ann)
    ann.shot("waiting")
    with Command(
        "call", ann.page.url, "--name", "Bob", "--code", "--no-ns",
        "--input", "silence", "--output", "null",
    ) as bob:  # fmt: skip
        ann.wait_for_state("state_talking")
        ann.page.wait_for_selector("text=Bob is here")
        ann.page.fill("#note", "12 Mill Lane <b>")
        ann.page.keyboard.press("Enter")
        ann.page.wait_for_selector("text=You: 12 Mill Lane <b>")
        assert_clean(ann)
        ann.shot("talking")
        # a third comes by the code that Bob reads out, and finds it full
        number, words = bob.line(r"read aloud.*: (\d+)-([a-z-]+)@").groups()
        full = CallTab(context.browser.new_context(), relay)  # type: ignore[union-attr]
        full.page.fill("#link", f"{number} wrong words")
        full.page.click("#open")
        full.page.wait_for_selector("#link-error:visible")
        full.page.fill("#link", f"{number} {words.replace('-', ' ').title()}")
        full.page.click("#open")
        full.page.wait_for_selector("#lobby:visible")
        assert full.page.url.partition("#")[2] == ann.page.url.partition("#")[2]
        full.page.click("#join")
        full.wait_for_trouble("full")
        assert_clean(full)
        full.shot("full")
        full.page.context.close()
    ann.page.click("#leave")
    ann.wait_for_trouble("left")
    assert_clean(ann)
    ann.shot("left")
    assert ann.complaints == []


def test_the_microphones_button_and_keys(relay: str, context: BrowserContext) -> None:
    tab = CallTab(context, relay)
    tab.page.click("#new-room")
    tab.join("Ann")
    tab.wait_for_state("state_waiting")
    button = tab.page.locator("#mute")
    expect(button).to_contain_class("live")
    tab.page.focus("body")
    tab.page.evaluate("document.activeElement.blur()")
    tab.page.keyboard.press("Space")
    expect(button).to_have_text("Unmute")
    tab.page.keyboard.press("m")
    expect(button).to_have_text("Mute")
    button.click()
    expect(button).to_have_text("Unmute")
    tab.shot("muted")
    assert_clean(tab)
    tab.page.check("#ptt")
    tab.page.evaluate("document.activeElement.blur()")
    expect(button).to_have_text("Hold to talk")
    tab.page.keyboard.down("Space")
    expect(button).to_contain_class("live")
    tab.page.keyboard.up("Space")
    expect(button).not_to_contain_class("live")
    tab.page.fill("#note", "")
    tab.page.focus("#note")
    tab.page.keyboard.type("a m")
    expect(tab.page.locator("#note")).to_have_value("a m")
    tab.shot("push_to_talk")
    assert_clean(tab)


@pytest.mark.parametrize(
    ("language", "dark", "word"), [("de-DE", True, "Beitreten"), ("es-MX", False, "Entrar")]
)
def test_small_dark_and_in_other_languages(
    relay: str, browser: Browser, language: str, dark: bool, word: str
) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740},
        locale=language,
        color_scheme="dark" if dark else "light",
    )
    tab = CallTab(context, str(RoomLink(secrets.token_bytes(16), (relay,))))
    expect(tab.page.locator("#join")).to_have_text(word)
    tab.join("Ann")
    tab.wait_for_state("state_waiting")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(tab.page.locator("html")).to_have_attribute("lang", language[:2])
    assert_clean(tab)
    tab.shot(f"waiting_{language[:2]}_360")
    context.close()


@pytest.mark.parametrize("trouble", ["denied", "none"])
def test_a_microphone_that_cannot_be_had(
    relay: str, driver: Playwright, tmp_path: Path, trouble: str
) -> None:
    """Another browser: its user says no, or it has no microphone."""
    link = str(RoomLink(secrets.token_bytes(16), (relay,)))
    is_denied = trouble == "denied"
    microphone_file(tmp_path, 2.0)
    microphone = tmp_path / "microphone.wav" if is_denied else None
    with launch(driver, microphone, denied=is_denied) as browser:
        tab = CallTab(browser.new_context(permissions=[]), link)
        tab.page.click("#join")
        tab.page.wait_for_selector("#problem:visible")
        expect(tab.page.locator("#problem")).to_have_attribute("data-trouble", trouble)
        tab.shot(f"microphone_{trouble}")
        assert_clean(tab)
        tab.page.click("#problem-listen")
        tab.wait_for_state("state_waiting")
        expect(tab.page.locator("#mute")).to_be_disabled()
        tab.shot("listening")
        assert_clean(tab)


def test_an_address_that_is_not_secure(relay: str, context: BrowserContext) -> None:
    address = relay.replace("127.0.0.1", "voice.test")
    tab = CallTab(context, f"{address}/#k=Zm9yIGV2ZXJ5Ym9keSBoZQ")
    tab.wait_for_trouble("insecure")
    expect(tab.page.locator("#problem-text")).to_contain_text("voice.test")
    assert "Zm9y" not in tab.page.inner_text("body")
    tab.shot("insecure")
    assert_clean(tab)


def test_a_second_tab(relay: str, context: BrowserContext) -> None:
    link = str(RoomLink(secrets.token_bytes(16), (relay,)))
    first = CallTab(context, link)
    first.join("Ann")
    first.wait_for_state("state_waiting")
    second = CallTab(context, link)
    second.page.click("#join")
    second.wait_for_trouble("tab")
    second.shot("other_tab")
    assert_clean(second)
    second.page.click("#problem-again")
    second.wait_for_state("state_waiting")
    first.wait_for_trouble("taken_over")


def test_a_relay_that_goes_and_comes_back(context: BrowserContext) -> None:
    port = free_port()
    listen = ("relay", "--listen", f"127.0.0.1:{port}")
    with Command(*listen) as relay:
        relay.line("relaying")
        tab = CallTab(
            context, str(RoomLink(secrets.token_bytes(16), (f"http://127.0.0.1:{port}",)))
        )
        tab.join("Ann")
        tab.wait_for_state("state_waiting")
    tab.wait_for_state("state_reconnecting")
    tab.shot("reconnecting")
    with Command(*listen) as relay:
        relay.line("relaying")
        tab.wait_for_state("state_waiting")
        assert tab.numbers()["sentKbps"] >= 0


def test_nobody_answers(context: BrowserContext) -> None:
    with Command("relay", "--listen", "127.0.0.1:0") as gone:
        address = f"http://127.0.0.1:{gone.port()}"
        tab = CallTab(context, str(RoomLink(secrets.token_bytes(16), (address,))))
        tab.join()
        tab.wait_for_state("state_waiting")
        tab.page.click("#leave")
        tab.wait_for_trouble("left")
    tab.page.click("#problem-again")
    tab.wait_for_trouble("gone")
    tab.shot("gone")
    assert tab.violations() == []

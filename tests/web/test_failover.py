"""A browser whose relay dies goes to the other one of the room's link."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from q2d2_stream.rooms import RoomLink
from tests.labs.browser import IN_A_BROWSER, CallTab, Command, microphone_file

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = [pytest.mark.slow, pytest.mark.net, IN_A_BROWSER]


def test_the_relay_that_served_the_page_is_killed(tmp_path: Path, context: BrowserContext) -> None:
    microphone_file(tmp_path, 90.0)
    listen = ("relay", "--listen", "127.0.0.1:0")
    with Command(*listen) as first, Command(*listen, "--no-web") as second:
        relays = [f"http://127.0.0.1:{relay.port()}" for relay in (first, second)]
        link = str(RoomLink(secrets.token_bytes(16), tuple(relays)))
        tab = CallTab(context, link)
        tab.join("Ann")
        sound = ("--input", str(tmp_path / "said.wav"), "--output", "null", "--no-ns")
        with Command("call", link, "--name", "Bob", *sound, "--no-hangup-at-end") as bob:
            bob.line("Ann is in the room")
            tab.wait_for_state("state_talking")
            tab.until("received > 0", "Bob by the first relay")
            first.process.kill()
            bob.line("back in the room")
            bob.line("Ann is in the room")
            tab.wait_for_state("state_talking")
            before = tab.numbers()["received"]
            tab.until(f"received > {before} + 75", "Bob by the other relay")
            tab.page.click("#leave")
            bob.line("Ann has left")
            bob.interrupt()

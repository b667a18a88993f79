"""Real calls of a real browser: with the command and with another browser, by relay and directly.

What each end heard is scored beside a call of two commands with the same clip.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from q2d2_stream.rooms import RoomLink
from tests.labs.browser import CallTab, Command, require_page
from tests.labs.scoring import Score, score
from tests.web.conftest import CLIP_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("pesq", reason="PESQ needs the package pesq")
pytest.importorskip("pystoi", reason="STOI needs the package pystoi")
pytestmark = [pytest.mark.slow, pytest.mark.net]


@pytest.fixture(scope="module", name="relay")
def make_relay() -> Iterator[str]:
    require_page()
    with Command("relay", "--listen", "127.0.0.1:0") as relay:
        yield f"http://127.0.0.1:{relay.port()}"


def new_link(relay: str) -> str:
    return str(RoomLink(secrets.token_bytes(16), (relay,)))


def read(path: Path) -> NDArray[np.float32]:
    return np.asarray(soundfile.read(path, dtype="float32")[0])


@pytest.fixture(scope="module", name="between_commands")
def score_of_commands(folder: Path, said: NDArray[np.float32], relay: str) -> Score:
    """The same clip in a room of two commands: what a browser is measured by."""
    link, heard = new_link(relay), folder / "command.wav"
    with (
        Command("call", link, "--input", "silence", "--output", str(heard)) as ear,
        Command("call", link, "--no-ns", "--input", str(folder / "said.wav"), "--output", "null"),
    ):
        ear.line("is in the room")
        time.sleep(CLIP_S + 2)
        ear.interrupt()
    return score(said, read(heard))


def test_a_room_of_a_browser_and_a_command(
    folder: Path,
    said: NDArray[np.float32],
    browser: Browser,
    relay: str,
    between_commands: Score,
) -> None:
    link, heard = new_link(relay), folder / "room.wav"
    context = browser.new_context()
    with Command(
        "call", link, "--name", "Bob", "--input", str(folder / "said.wav"), "--output", str(heard)
    ) as bob:
        bob.line("in the room")
        tab = CallTab(context, link)
        tab.join("Ann")
        bob.line("Ann is in the room")
        tab.wait_for_state("state_talking")
        numbers = tab.until("received > 75 * 9 and firstSoundMs is not None", "nine seconds")
        in_browser = tab.heard()
        bob.interrupt()
    tab.page.wait_for_selector("text=Bob has left")
    context.close()
    assert numbers["receivedKbps"] > numbers["receivedCodecKbps"] > 0.5
    assert tab.complaints == []
    for ear, pcm in (("browser", in_browser), ("command", read(heard))):
        found = score(said, pcm)
        print(f"{ear} heard {found}, commands {between_commands}, {numbers}")
        assert found.stoi > between_commands.stoi - 0.1
        assert found.pesq > between_commands.pesq - 0.5

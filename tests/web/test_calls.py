"""Real calls of a real browser: with the command and with another browser, by relay and directly.

What each end heard is scored beside a call of two commands with the same clip.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from q2d2_stream.rooms import RoomLink
from tests.labs.browser import IN_A_BROWSER, CallTab, Command, require_page
from tests.labs.scoring import Score, score
from tests.web.conftest import CLIP_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

pytest.importorskip("pesq", reason="PESQ needs the package pesq")
pytest.importorskip("pystoi", reason="STOI needs the package pystoi")
pytestmark = [pytest.mark.slow, pytest.mark.net, IN_A_BROWSER]


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
        time.sleep(CLIP_S + 1.5)
        ear.interrupt()
    return score(said, read(heard))


def listen(tab: CallTab) -> dict[str, Any]:
    """Hear the other side's clip to its end, and what was held back of it."""
    tab.until("firstSoundMs is not None", "sound")
    tab.page.wait_for_timeout(1000 * (CLIP_S + 1.5))
    return tab.numbers()


def assert_as_good(ear: str, found: Score, between_commands: Score) -> None:
    """What an ear heard is speech, as between commands, as far as the machine had time for both.

    How close they are is measured when nothing else runs: docs/topics/performance.md.
    """
    print(f"{ear}: {found}, between commands {between_commands}")
    if between_commands.stoi > 0.8:
        assert found.stoi > 0.5, ear


def test_a_room_of_a_browser_and_a_command(
    folder: Path,
    said: NDArray[np.float32],
    context: BrowserContext,
    relay: str,
    between_commands: Score,
) -> None:
    link, heard = new_link(relay), folder / "room.wav"
    tab = CallTab(context, link)
    tab.join("Ann")
    tab.wait_for_state("state_waiting")
    with Command(
        "call", link, "--name", "Bob", "--no-ns",
        "--input", str(folder / "said.wav"), "--output", str(heard),
    ) as bob:  # fmt: skip
        bob.line("Ann is in the room")
        tab.wait_for_state("state_talking")
        numbers = listen(tab)
        in_browser = tab.heard()
        bob.interrupt()
    tab.page.wait_for_selector("text=Bob has left")
    assert numbers["received"] > 0
    assert numbers["receivedKbps"] > numbers["receivedCodecKbps"]
    assert tab.complaints == []
    print(numbers)
    assert_as_good("browser", score(said, in_browser), between_commands)
    assert_as_good("command", score(said, read(heard)), between_commands)


def test_a_browser_calls_a_command_directly(
    folder: Path, said: NDArray[np.float32], context: BrowserContext, between_commands: Score
) -> None:
    heard = folder / "direct.wav"
    with Command(
        "call", "--listen", "127.0.0.1:0", "--web", "--secret", "7-guitar-orbit-velvet", "--no-ns",
        "--input", str(folder / "said.wav"), "--output", str(heard), "--no-hangup-at-end",
    ) as bob:  # fmt: skip
        link = bob.line(r"browsers call with: (\S+)")[1]
        assert "#" not in link  # a secret of the user's own is not shown
        tab = CallTab(context, f"{link}#c=8-wrong-code-velvet")
        tab.page.click("#join")
        tab.wait_for_trouble("code")
        tab.shot("wrong_code")
        assert tab.violations() == []
        tab.page.click("#problem-again")
        tab.page.fill("#code", "7 Guitar Orbit velvet")
        tab.shot("code")
        tab.page.click("#join")
        tab.wait_for_state("state_talking")
        tab.shot("direct")
        assert tab.violations() == []
        listen(tab)
        in_browser = tab.heard()
        tab.page.click("#leave")
        tab.wait_for_trouble("left")
        bob.process.communicate(timeout=60)
    assert tab.complaints == []
    assert_as_good("browser", score(said, in_browser), between_commands)
    assert_as_good("command", score(said, read(heard)), between_commands)


def test_two_browsers_through_silence_and_absence(
    said: NDArray[np.float32], browser: Browser, relay: str, between_commands: Score
) -> None:
    """They hear each other; one is without a network for a while, and in the background."""
    link = new_link(relay)
    contexts = [browser.new_context(), browser.new_context()]
    ann, bob = (CallTab(context, link) for context in contexts)
    ann.join("Ann")
    bob.join("Bob")
    for tab in (ann, bob):
        tab.wait_for_state("state_talking")
    listen(bob)
    bob.page.wait_for_timeout(1000 * CLIP_S)  # one clip is whole, wherever it began
    assert_as_good("browser", score(said, bob.heard()), between_commands)
    ann.page.click("#mute")
    bob.page.wait_for_selector(".person .what:text('muted')")
    # five seconds without a network
    contexts[0].set_offline(True)
    bob.page.wait_for_timeout(5000)
    ann.wait_for_state("state_silent")
    ann.shot("silent")
    contexts[0].set_offline(False)
    ann.wait_for_state("state_talking")
    ann.page.click("#mute")
    bob.until("received > before + 75", "Ann again", before=bob.numbers()["received"])
    # another tab in front
    other = contexts[1].new_page()
    other.goto("about:blank")
    other.bring_to_front()
    before = bob.numbers()["received"]
    other.wait_for_timeout(5000)
    assert bob.numbers()["received"] > before
    for tab, context in zip((ann, bob), contexts, strict=True):
        assert [text for text in tab.complaints if "ERR_INTERNET_DISCONNECTED" not in text] == []
        context.close()

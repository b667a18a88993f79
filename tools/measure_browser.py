"""Measure calls of a browser on this machine: sound, delay, processor, memory, first visit.

    python -m tools.measure_browser [--minutes 3]

Needs chromium and the built page. Run it while nothing else runs: a late frame is a lost one.
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from numpy.typing import NDArray

from q2d2_stream.rooms import RoomLink
from tests.labs.browser import CallTab, Command, launch, microphone_file
from tests.labs.scoring import score

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CLIP_S = 11.0
_NO_ECHO_CANCELLER = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = ({ audio }) =>
  ask({ audio: { ...audio, echoCancellation: false } });
"""


def main() -> None:
    """Print a table for each thing that is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="of the call for the memory")
    minutes = parser.parse_args().minutes
    from playwright.sync_api import sync_playwright

    with (
        tempfile.TemporaryDirectory() as name,
        sync_playwright() as driver,
        Command("relay", "--listen", "127.0.0.1:0") as relay,
    ):
        folder, address = Path(name), f"http://127.0.0.1:{relay.port()}"
        said = microphone_file(folder, CLIP_S)
        print("| who heard whom | PESQ-WB | STOI |\n|---|---|---|")
        between_commands(folder, address, said)
        with launch(driver, folder / "microphone.wav") as browser:
            for has_canceller in (True, False):
                with_a_command(browser, folder, address, said, has_canceller)
            first_visit(browser, folder, address)
            memory(browser, address, minutes)


def between_commands(folder: Path, relay: str, said: NDArray[np.float32]) -> None:
    """What a browser is compared with."""
    link, heard = _link(relay), folder / "command.wav"
    with (
        _command(link, "silence", heard) as ear,
        _command(link, str(folder / "said.wav"), "null"),
    ):
        ear.line("is in the room")
        time.sleep(CLIP_S + 2)
        ear.interrupt()
    _row("a command a command", said, _read(heard))


def with_a_command(
    browser: Browser, folder: Path, relay: str, said: NDArray[np.float32], has_canceller: bool
) -> None:
    """Both directions of a room of two, and what the page says of it."""
    link, heard = _link(relay), folder / "room.wav"
    context = browser.new_context()
    if not has_canceller:
        context.add_init_script(_NO_ECHO_CANCELLER)
    tab = CallTab(context, link)
    tab.join()
    tab.wait_for_state("state_waiting")
    with _command(link, str(folder / "said.wav"), heard) as other:
        tab.until("firstSoundMs is not None", "sound")
        tab.page.wait_for_timeout(1000 * (CLIP_S - 3))
        numbers = tab.numbers()
        tab.page.wait_for_timeout(5000)
        in_browser = tab.heard()
        other.interrupt()
    context.close()
    canceller = "with" if has_canceller else "without"
    _row("the browser a command", said, in_browser)
    _row(f"a command the browser, {canceller} its echo canceller", said, _read(heard))
    print({name: numbers[name] for name in (
        "delayP50Ms", "delayP95Ms", "bufferMs", "underruns", "concealed", "lost", "received",
        "encodeMs", "decodeMs", "sentKbps", "receivedKbps", "sentCodecKbps", "rttMs",
    )})  # fmt: skip


def first_visit(browser: Browser, folder: Path, relay: str) -> None:
    """From the click on Join, with nothing loaded before, to the first sound; and the bytes."""
    link = _link(relay)
    with _command(link, str(folder / "said.wav"), "null") as other:
        other.line("in the room")
        context = browser.new_context()
        sizes: list[int] = []
        context.on(
            "requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"])
        )
        tab = CallTab(context, link)
        begun = time.monotonic()
        tab.page.click("#join")
        numbers = tab.until("firstSoundMs is not None", "sound")
        print(f"first sound {time.monotonic() - begun:.2f} s after the click, cold;", end=" ")
        print(f"{numbers['firstSoundMs']:.0f} ms of it in the worker; {sum(sizes) / 1e6:.2f} MB")
        context.close()


def memory(browser: Browser, relay: str, minutes: float) -> None:
    """Two pages that talk with each other: resident memory of their processes."""
    link = _link(relay)
    tabs = [CallTab(browser.new_context(), link) for _ in range(2)]
    for tab in tabs:
        tab.join()
        tab.page.evaluate("() => { window.heard = { push() {} }; }")  # the ear keeps nothing
    session = browser.new_browser_cdp_session()
    for minute in range(round(minutes * 2) + 1):
        if minute:
            tabs[0].page.wait_for_timeout(30_000)
        found = session.send("SystemInfo.getProcessInfo")["processInfo"]
        renderers = [
            _resident_mb(process["id"]) for process in found if process["type"] == "renderer"
        ]
        told = tabs[0].numbers()
        print(f"{minute / 2:.1f} min: renderers {sorted(renderers)[-2:]} MB", end=" ")
        print({name: told.get(name) for name in ("underruns", "encodeMs", "decodeMs")})


def _resident_mb(process: int) -> int:
    text = Path(f"/proc/{process}/status").read_text()
    return round(int(text.split("VmRSS:")[1].split()[0]) / 1000)


def _link(relay: str) -> str:
    return str(RoomLink(secrets.token_bytes(16), (relay,)))


def _command(link: str, source: str, sink: Path | str) -> Command:
    return Command("call", link, "--no-ns", "--input", source, "--output", str(sink))


def _read(path: Path) -> NDArray[np.float32]:
    return np.asarray(soundfile.read(path, dtype="float32")[0])


def _row(who: str, said: NDArray[np.float32], heard: NDArray[np.float32]) -> None:
    found = score(said, heard)
    print(f"| {who} | {found.pesq:.2f} | {found.stoi:.3f} |", flush=True)


if __name__ == "__main__":
    main()

"""Chromium on the built page: a microphone that plays a file, and an ear at the loudspeaker."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from q2d2_stream.web.files import PAGE
from tests.labs.paths import ROOT, SPEECH

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright
    from playwright.sync_api._generated import LocatorAssertions  # not exported, but returned

__all__ = [
    "IN_A_BROWSER",
    "SHOTS",
    "CallTab",
    "Command",
    "chromium",
    "expect",
    "launch",
    "microphone_file",
    "require_page",
]

# A browser is a dozen processes with clocks of their own. On a busy machine Chromium itself leaves
# out a piece of what it records: a test is run once more, and the end of the run names it.
IN_A_BROWSER = pytest.mark.flaky(reruns=1)
SHOTS = ROOT / "build" / "browser"
CLIPS = ("kathleen_en_0", "kathleen_en_1")
LEAD_S = 1.0
_PATIENCE_S = 30.0

_ALWAYS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP voice.test 127.0.0.1",
)
_MICROPHONE = "--use-fake-device-for-media-stream"
_ALLOWED, _DENIED = "--use-fake-ui-for-media-stream", "--deny-permission-prompts"
# Listens where the page's sound goes to the loudspeaker, and says nothing itself.
_EAR = """
(() => {
  const connect = AudioNode.prototype.connect;
  window.heard = [];
  AudioNode.prototype.connect = function (to, ...rest) {
    const context = this.context;
    if (to === context.destination) {
      if (!context.ear) {
        context.ear = context.createScriptProcessor(16384, 1, 1);
        context.ear.onaudioprocess = ({ inputBuffer }) =>
          window.heard.push(inputBuffer.getChannelData(0).slice());
        window.heardRate = context.sampleRate;
        connect.call(context.ear, to);
      }
      connect.call(this, context.ear);
    }
    return connect.call(this, to, ...rest);
  };
})();
"""
_HEARD = """
() => {
  const bytes = new Uint8Array(window.heard.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of window.heard) {
    bytes.set(new Uint8Array(part.buffer), at);
    at += part.byteLength;
  }
  let text = "";
  for (let n = 0; n < bytes.length; n += 32768)
    text += String.fromCharCode(...bytes.subarray(n, n + 32768));
  return [btoa(text), window.heardRate];
}
"""


def require_page() -> None:
    """Skip the test where there is no chromium, or no page."""
    if chromium() is None:
        pytest.skip("needs chromium (Debian: chromium)")
    pytest.importorskip("playwright", reason="needs the package playwright")
    if not (PAGE / "call.html").exists():
        pytest.skip("needs the page for browsers: make web (needs node)")


def chromium() -> str | None:
    """The browser's program; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def expect(locator: Locator) -> LocatorAssertions:
    """What an element must come to be: asked again until it is, or until half a minute is over.

    A page follows a click, a key or its own start a moment later, so to ask it once is to race it.
    """
    from playwright.sync_api import expect as expect_of

    expect_of.set_options(timeout=1000 * _PATIENCE_S)
    return expect_of(locator)


def microphone_file(folder: Path, seconds: float) -> NDArray[np.float32]:
    """A microphone's file, ``microphone.wav``: silence, speech, silence; what it says at 24 kHz.

    The same is in ``said.wav``, for a command. A browser says it over and over again.
    """
    said = np.zeros(round(seconds * 24_000), np.float32)
    at = round(LEAD_S * 24_000)
    for clip in CLIPS:
        pcm, rate = soundfile.read(SPEECH / f"{clip}.flac", dtype="float32")
        assert rate == 24_000
        said[at : at + len(pcm)] = pcm[: max(0, len(said) - at)]
        at += len(pcm)
    soundfile.write(
        folder / "microphone.wav", soxr.resample(said, 24_000, 48_000), 48_000, subtype="PCM_16"
    )
    soundfile.write(folder / "said.wav", said, 24_000, subtype="PCM_16")
    return said


@contextmanager
def launch(
    driver: Playwright, microphone: Path | None, *, denied: bool = False
) -> Iterator[Browser]:
    """A browser of its own; without a file it has no microphone. ``denied``: its user says no."""
    arguments = [*_ALWAYS, _DENIED if denied else _ALLOWED]
    if microphone is not None:
        arguments += [_MICROPHONE, f"--use-file-for-fake-audio-capture={microphone}"]
    browser = driver.chromium.launch(
        executable_path=chromium(), chromium_sandbox=False, args=arguments
    )
    try:
        yield browser
    finally:
        browser.close()


class CallTab:
    """A tab of the page of calls.

    Args:
        context: of the browser.
        url: what it opens.

    Attributes:
        complaints: errors and warnings in the console, and exceptions.
        requested: addresses that were asked for.
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("websocket", lambda socket: self.requested.append(socket.url))
        self.page.add_init_script(_EAR)
        self.page.goto(url)

    def _note(self, kind: str, text: str) -> None:
        # LiteRT's own log comes as errors: "INFO: Created TensorFlow Lite XNNPACK delegate"
        if kind in ("error", "warning") and not re.match(
            r"(INFO|The ScriptProcessorNode is deprecated)", text
        ):
            self.complaints.append(f"{kind}: {text}")

    def join(self, name: str = "") -> None:
        """Press the button of the lobby, and wait for the call's card."""
        if name:
            self.page.fill("#name", name)
        self.page.click("#join")
        self.page.wait_for_selector("#call:visible", timeout=60_000)

    def wait_for_state(self, state: str, timeout_s: float = 60.0) -> None:
        """Until the call's card says so: a key of the page's words."""
        self.page.wait_for_selector(f"#state[data-state={state}]", timeout=1000 * timeout_s)

    def wait_for_trouble(self, trouble: str, timeout_s: float = 60.0) -> None:
        """Until the card of problems shows it."""
        self.page.wait_for_selector(
            f"#problem[data-trouble={trouble}]:visible", timeout=1000 * timeout_s
        )

    def numbers(self) -> dict[str, Any]:
        """The latest numbers that the worker has told."""
        return dict(self.page.evaluate("() => window.q2d2?.numbers ?? {}"))

    def until(
        self, condition: str, what: str, limit_s: float = 60.0, **names: float
    ) -> dict[str, Any]:
        """Wait until an expression of Python over the numbers, and ``names``, holds."""
        end = time.monotonic() + limit_s
        while True:
            numbers = self.numbers()
            if numbers and eval(condition, {}, {**numbers, **names}):
                return numbers
            assert time.monotonic() < end, f"waited {limit_s:g} s for {what}: {numbers}"
            self.page.wait_for_timeout(50)

    def heard(self) -> NDArray[np.float32]:
        """What went to the loudspeaker so far, at 24 kHz."""
        data, rate = self.page.evaluate(_HEARD)
        pcm = np.frombuffer(base64.b64decode(data), np.float32)
        return np.asarray(pcm if rate == 24_000 else soxr.resample(pcm, rate, 24_000), np.float32)

    def shot(self, name: str) -> None:
        """Keep a picture of the whole page under build/browser."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    def violations(self) -> list[str]:
        """What axe-core finds against WCAG 2.2 AA and its own best practices."""
        import axe_playwright_python

        source = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
        self.page.evaluate(source)
        found = self.page.evaluate("async () => (await axe.run()).violations")
        return [
            f"{item['id']}: {node['html']} {node['failureSummary']}"
            for item in found
            for node in item["nodes"]
        ]


class Command:
    """``q2d2 ...`` as a process of its own; what it says on stderr is read line by line."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "q2d2_stream", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            cwd=ROOT,
        )

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def line(self, pattern: str) -> re.Match[str]:
        """The next line of stderr that has a pattern in it."""
        assert self.process.stderr is not None
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern!r} was not said, but {seen}")

    def port(self) -> int:
        """The port that it says it listens on."""
        return int(self.line(r"port (\d+)")[1])

    def interrupt(self) -> None:
        """Ctrl-C, and wait for the end."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)

    def kill(self) -> None:
        """kill -9, if it still runs."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.communicate()

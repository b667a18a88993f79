"""Microphone -> capture worklet -> worker -> playout -> playback worklet, in a real Chromium.

The codec is left out: the frames go through as they are, so what is played can be compared with
what was said, sample by sample.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import soundfile
import soxr
from numpy.typing import NDArray

from tests.labs.browser import IN_A_BROWSER, chromium, launch
from tests.labs.npm import WEB, install, npm
from tests.labs.playout import speech
from tests.labs.sound_vectors import low_pass

pytestmark = [pytest.mark.slow, pytest.mark.net, IN_A_BROWSER]

SECONDS = 20
STEADY = {"minimumDelayMs": 200, "maximumDelayMs": 200, "stretch": False, "skipMs": 1e6}

Pcm = NDArray[np.float32]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """No lines in the test's output."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the built page."""
    if chromium() is None:
        pytest.skip("needs chromium (Debian: chromium)")
    pytest.importorskip("playwright", reason="needs the package playwright")
    install()
    folder = tmp_path_factory.mktemp("page")
    browser = WEB / "tests" / "browser"
    for kind, sources in {
        "iife": [browser / "sound_chain_worker.ts"],
        "esm": [
            browser / "sound_chain.ts",
            browser / "sound_recorder_worklet.ts",
            WEB / "src/audio/capture_worklet.ts",
            WEB / "src/audio/playback_worklet.ts",
        ],
    }.items():
        names = [str(source) for source in sources]
        built = npm(
            "exec", "--", "esbuild", *names, "--bundle", f"--format={kind}", f"--outdir={folder}",
            "--entry-names=[name]",
        )  # fmt: skip
        assert built.returncode == 0, built.stdout
    (folder / "index.html").write_text('<script type="module" src="sound_chain.js"></script>')
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def _run(page: str, folder: Path, options: dict[str, Any], rate: int) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    microphone = folder / "microphone.wav"
    # Longer than the test: a repetition would be found in the wrong place.
    clips = np.concatenate([speech(index) for index in range(3)])
    said = soxr.resample(np.concatenate([clips, clips[::-1]]), 24_000, 48_000)
    soundfile.write(microphone, said, 48_000, subtype="PCM_16")
    wishes = {"seconds": SECONDS, "options": options, "rate": rate}
    with sync_playwright() as driver, launch(driver, microphone) as browser:
        tab = browser.new_page()
        tab.goto(page)
        result: dict[str, Any] = tab.evaluate("(wishes) => run(wishes)", wishes)
    for name in ("captured", "played", "said", "heard"):
        result[name] = np.frombuffer(base64.b64decode(result[name]), np.float32)
    return result


def _resampled(pcm: Pcm, in_rate: int, out_rate: int) -> Pcm:
    up, down = (rate // gcd(in_rate, out_rate) for rate in (out_rate, in_rate))
    if up == down:
        return pcm
    double = pcm.astype(np.float64)
    out: Pcm = scipy.signal.resample_poly(double, up, down, window=low_pass(up, down)).astype("f4")
    return out


def _match(heard: Pcm, expected: Pcm, rate: int) -> tuple[int, int]:
    """How many samples of ``expected`` were heard in their order, and how often it paused.

    A pause is a fade, silence, and a fade; then sound goes on with the very sample that is next.
    """
    step, tail = rate // 100, rate // 10  # a fade is a quarter of a step
    at = place = matched = pauses = 0
    for at in range(0, len(heard) // 2, rate):
        place = _offset(heard[at : at + tail], expected)
        if _is_same(heard[at : at + tail], expected[place : place + tail]):
            break
    while at + step <= len(heard) and place + step <= len(expected):
        if _is_same(heard[at : at + step], expected[place : place + step]):
            at, place, matched = at + step, place + step, matched + step
            continue
        pauses += 1
        at, place = _resume(heard, expected, at, place, step)
    return matched, pauses


def _resume(heard: Pcm, expected: Pcm, at: int, place: int, step: int) -> tuple[int, int]:
    """Where both go on together after a pause, or the ends of both."""
    for skipped in range(2 * step, 100 * step, step):
        wanted = expected[place + skipped : place + skipped + 2 * step]
        begins = at + skipped
        near = np.abs(heard[begins : begins + 100 * step] - wanted[:1]) < 1e-4
        for late in np.flatnonzero(near):
            if _is_same(heard[begins + late : begins + late + len(wanted)], wanted):
                return int(begins + late), place + skipped
    return len(heard), len(expected)


def _is_within(part: Pcm, whole: Pcm) -> bool:
    at = _offset(part, whole)
    return _is_same(part, whole[at : at + len(part)])


def _is_same(some: Pcm, other: Pcm) -> bool:
    error = 1e-7 + 2e-5 * np.abs(other).max()  # of a resampler in 32 bits
    return len(some) == len(other) and bool(np.abs(some - other).max() < error)


def _offset(part: NDArray[np.floating], whole: NDArray[np.floating]) -> int:
    """Where ``part`` is most alike within ``whole``."""
    # In 64 bits: next to speech, the error of 32 is larger than what is heard in a pause.
    part, whole = part.astype(np.float64), whole.astype(np.float64)
    alike = scipy.signal.correlate(whole, part, "valid", "fft")
    sums = np.concatenate(([0.0], np.cumsum(whole**2)))
    energy = np.maximum(sums[len(part) :] - sums[: -len(part)], 0.0)
    return int(np.argmax(alike / np.sqrt(energy + 1e-9)))


@pytest.mark.parametrize("rate", [24_000, 48_000, 44_100])
def test_every_sample_arrives(page: str, tmp_path: Path, rate: int) -> None:
    result = _run(page, tmp_path, STEADY, rate)
    expected = _resampled(result["played"], 24_000, rate)
    matched, pauses = _match(result["heard"], expected, rate)
    assert result["sampleRate"] == rate
    assert result["state"] == "running"
    captured, played, heard = result["captured"], result["played"], result["heard"]
    assert len(captured) > 0.8 * SECONDS * 24_000, "frames are missing"
    assert max(result["levels"]) > -40

    # The worklet's frames are what the microphone gave, from one sample or another on.
    piece = result["said"][rate : 3 * rate]
    assert any(
        _is_within(_resampled(piece[first:], rate, 24_000)[1_000:-1_000], captured)
        for first in range(rate // gcd(rate, 24_000))
    )

    # What the playout made is these frames, bit by bit, from the first on.
    stats = result["stats"]
    assert stats["concealed"] == stats["lost"] == stats["skipped"] == 0
    start = _offset(captured[48_000:96_000], played) - 48_000
    length = min(len(captured), len(played) - start)
    assert np.array_equal(played[start : start + length], captured[:length])

    # What was heard is what the playout made, but where the loudspeaker ran dry.
    playback = result["playback"]
    assert playback["droppedMs"] == 0
    print(f"{rate} Hz: {pauses} pauses, {playback}, worker held up {len(result['holdsMs'])} times")
    assert matched > 0.5 * len(heard), "sound is lost or changed"
    assert pauses <= playback["underruns"] + 1, "sound is changed where nothing was missing"
    assert playback["underruns"] <= len(result["holdsMs"]), "it ran dry with nothing in the way"

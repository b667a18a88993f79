"""The page "hear yourself" in a real browser, and the codec that it runs."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from q2d2_stream.engine import load_codec
from tests.labs.browser import IN_A_BROWSER, CallTab, Command, expect, require_page
from tests.labs.paths import SPEECH

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

pytestmark = [pytest.mark.slow, pytest.mark.net, IN_A_BROWSER]

_CODE = """
async ([worker, pcm, rate]) => {
  const bytes = Uint8Array.from(atob(pcm), (character) => character.charCodeAt(0));
  const codec = new Worker(worker);
  const reply = new Promise((resolve) => (codec.onmessage = ({ data }) => resolve(data)));
  codec.postMessage({ id: 0, kind: "code", rate, pcm: new Float32Array(bytes.buffer) });
  const { coded, error } = await reply;
  codec.terminate();
  if (error) throw new Error(error);
  let text = "";
  for (const byte of new Uint8Array(coded.pcm.buffer)) text += String.fromCharCode(byte);
  return {
    pcm: btoa(text),
    packets: coded.packets.map((packet) => [...packet]),
    encode: [...coded.encodeMs],
    decode: [...coded.decodeMs],
  };
}
"""


@pytest.fixture(scope="module", name="relay")
def make_relay() -> Iterator[Command]:
    require_page()
    with Command("relay", "--listen", "127.0.0.1:0") as relay:
        yield relay


@pytest.fixture(scope="module", name="address")
def make_address(relay: Command) -> str:
    return f"http://127.0.0.1:{relay.port()}/try"


@pytest.fixture(name="context")
def make_context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 360, "height": 800}, locale="en-GB")
    yield context
    context.close()


def opened(context: BrowserContext, address: str) -> CallTab:
    """The page, its codec loaded."""
    tab = CallTab(context, address)
    tab.page.wait_for_selector("#progress[data-key='']", state="attached", timeout=120_000)
    return tab


def take_example(tab: CallTab) -> None:
    """Have the example in every version."""
    tab.page.click("#example")
    tab.page.wait_for_selector("#progress[data-key=try_ready]", timeout=120_000)


def assert_clean(tab: CallTab) -> None:
    """No complaint, no request to anybody else, no barrier, nothing beside the screen."""
    assert tab.complaints == []
    origin = urlsplit(tab.page.url).netloc
    assert {urlsplit(url).netloc for url in tab.requested} <= {origin, ""}
    assert tab.violations() == []
    assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= 360


@dataclass
class Coded:
    """What the browser made of a sound at one rate."""

    pcm: NDArray[np.float32]
    packets: list[bytes]
    encode_ms: NDArray[np.float64]
    decode_ms: NDArray[np.float64]


def code(tab: CallTab, pcm: NDArray[np.float32], rate: str) -> Coded:
    """Run the page's worker."""
    (worker,) = {url for url in tab.requested if url.endswith("codec_worker.js")}
    told: dict[str, Any] = tab.page.evaluate(
        _CODE, [worker, base64.b64encode(pcm.tobytes()).decode(), rate]
    )
    return Coded(
        np.frombuffer(base64.b64decode(told["pcm"]), np.float32),
        [bytes(packet) for packet in told["packets"]],
        np.array(told["encode"]),
        np.array(told["decode"]),
    )


def quality(said: NDArray[np.float32], heard: NDArray[np.float32]) -> tuple[float, float]:
    """PESQ-WB and STOI of two sounds in step, 24 kHz."""
    from pesq import pesq
    from pystoi import stoi

    narrow = [soxr.resample(pcm, 24_000, 16_000) for pcm in (said, heard)]
    return float(pesq(16_000, *narrow, "wb")), float(stoi(said, heard, 24_000))


def clips() -> Iterator[NDArray[np.float32]]:
    """The bundled speech, 24 kHz."""
    for file in sorted(SPEECH.glob("*.flac")):
        pcm, rate = soundfile.read(file, dtype="float32")
        yield np.asarray(soxr.resample(pcm, rate, 24_000), np.float32)


def test_the_browsers_codec_is_pythons(context: BrowserContext, address: str) -> None:
    """The same tokens but for rounding, packets that Python reads, sound as good."""
    pytest.importorskip("ai_edge_litert")
    codec = load_codec(engine="tflite", precision="int8")
    tab = opened(context, address)
    lost = []
    print(f"\n{'kbps':>6} tokens  PESQ here/Python  STOI here/Python  encode, decode ms p50 (p99)")
    for speech, rate in itertools.product(clips(), codec.rates):
        coded = code(tab, speech, rate.name)
        rows = np.concatenate([codec.packets.decode(packet) for packet in coded.packets])
        padded = np.zeros(len(rows) * codec.config.hop, np.float32)
        padded[: len(speech)] = speech
        wanted = codec.encoder(rate).push(padded)
        # what refinement says is measured in sound, which engines make differently
        same = float(np.mean(rows[:, : rate.pairs] == wanted[:, : rate.pairs]))
        ours = codec.decoder().push(wanted)[rate.lookahead :][: len(speech)]
        (pesq, stoi), (their_pesq, their_stoi) = quality(speech, coded.pcm), quality(speech, ours)
        times = [
            f"{np.median(ms):.2f} ({np.quantile(ms, 0.99):.2f})"
            for ms in (coded.encode_ms, coded.decode_ms)
        ]
        print(
            f"{rate.name:>6} {same:.4f}  {pesq:.3f} {their_pesq:.3f}  "
            f"{stoi:.4f} {their_stoi:.4f}  {', '.join(times)}"
        )
        assert same > 0.97
        assert abs(stoi - their_stoi) < 0.01
        lost.append(their_pesq - pesq)
    # Of one clip PESQ is as chance has it: 0.1 between two runs that differ in a few tokens.
    assert abs(np.mean(lost)) < 0.1


def test_a_sound_in_every_version(context: BrowserContext, address: str) -> None:
    tab = opened(context, address)
    page = tab.page
    assert_clean(tab)
    tab.shot("try_start")
    take_example(tab)
    rates = load_codec().rates
    versions = page.locator(".version")
    expect(versions).to_have_count(1 + len(rates))
    page.click("#play")
    page.locator("input[name=version]").nth(1).check()
    expect(page.locator("#picture-name")).to_contain_text(rates[0].name)
    expect(page.locator("#position")).not_to_have_value("0")
    assert_clean(tab)
    tab.shot("try_versions")
    page.select_option("#blind-rate", "1")
    page.click("#hear-a")
    expect(page.locator("input[name=version]:checked")).to_have_count(0)  # nothing tells which
    expect(page.locator("#hear-a")).to_have_attribute("aria-pressed", "true")
    for trial in range(1, 4):
        page.click("#vote-b")
        expect(page.locator("#verdict")).to_contain_text(f"of {trial} right")
        expect(page.locator("#hear-a")).to_have_attribute("aria-pressed", "false")
    assert_clean(tab)
    tab.shot("try_blind")


def test_the_microphone_is_recorded_and_stays_here(context: BrowserContext, address: str) -> None:
    context.grant_permissions(["microphone"])
    tab = opened(context, address)
    tab.page.click("#record")
    tab.page.wait_for_selector("#level:visible", timeout=30_000)
    tab.page.wait_for_timeout(4_000)
    assert_clean(tab)
    tab.shot("try_recording")
    before = len(tab.requested)
    tab.page.click("#record")
    tab.page.wait_for_selector("#progress[data-key=try_ready]", timeout=120_000)
    assert tab.requested[before:] == []
    samples = int(
        (tab.page.locator(".size").first.text_content() or "").split()[0].replace(",", "")
    )
    assert samples > 24_000
    assert_clean(tab)


def test_files_of_its_own_and_files_that_are_none(
    context: BrowserContext, address: str, tmp_path: Path
) -> None:
    tab = opened(context, address)
    noise = tmp_path / "noise.wav"
    noise.write_bytes(bytes(range(256)) * 10)
    tab.page.set_input_files("#file", noise)
    tab.page.wait_for_selector("#error:visible")
    assert_clean(tab)
    tab.shot("try_no_sound")
    tab.page.set_input_files("#file", SPEECH / "s2i_en_3.flac")
    tab.page.wait_for_selector("#progress[data-key=try_ready]", timeout=120_000)
    expect(tab.page.locator("#error")).to_be_hidden()


@pytest.mark.parametrize(("locale", "scheme"), [("de-DE", "dark"), ("es-ES", "light")])
def test_languages_and_colours(browser: Browser, address: str, locale: str, scheme: Any) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 800}, locale=locale, color_scheme=scheme
    )
    tab = opened(context, address)
    take_example(tab)
    expect(tab.page.locator("html")).to_have_attribute("lang", locale[:2])
    assert_clean(tab)
    tab.shot(f"try_{locale[:2]}_{scheme}")
    context.close()


def test_without_a_network_it_works_on(
    context: BrowserContext, address: str, relay: Command
) -> None:
    """Last of all: the server is killed."""
    tab = opened(context, address)
    tab.page.wait_for_selector("#offline:not(:empty)", timeout=60_000)
    relay.kill()
    tab.page.reload()
    tab.page.wait_for_selector("#progress[data-key='']", state="attached", timeout=120_000)
    take_example(tab)
    assert tab.complaints == []

"""Microphone to loudspeaker through a virtual sound card, and a card that is pulled out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
import soxr
from scipy.signal import butter, sosfiltfilt

from q2d2_stream.audio import DeviceSink, DeviceSource, list_devices
from q2d2_stream.audio.devices import probe_devices
from q2d2_stream.errors import DeviceError
from tests.labs.audio import level_db, speech
from tests.labs.jack import JackLab, missing_frames

pytestmark = pytest.mark.sound


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[JackLab]:
    rate, period = getattr(request, "param", (24_000, 320))
    with JackLab(rate, period) as lab:
        yield lab


class Loop:
    """Source to sink, two frames of cushion between, keeping what passed."""

    def __init__(self, lab: JackLab) -> None:
        self.sentences: list[str] = []
        self.source = DeviceSource(lab.MIC, notify=self.sentences.append)
        self.sink = DeviceSink(lab.SPEAKER, margin_ms=40, notify=self.sentences.append)
        self.frames: list[np.ndarray] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Loop:
        await self.source.start()
        await self.sink.start()
        self._tasks = [asyncio.create_task(self._talk()), asyncio.create_task(self._listen())]
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.sink.close()
        await self.source.close()

    async def _talk(self) -> None:
        while True:
            self.frames.append(await self.source.read())

    async def _listen(self) -> None:
        played = 0
        while True:
            await self.sink.ready()
            if played or len(self.frames) > 30:  # 0.4 s: this machine may be busy
                while played >= len(self.frames):
                    await asyncio.sleep(0.002)
                self.sink.write(self.frames[played])
                played += 1
            else:
                self.sink.write(np.zeros(320, np.float32))


async def until(condition: object, timeout_s: float) -> bool:
    assert callable(condition)
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


async def say_through(lab: JackLab, said: np.ndarray) -> Loop:
    """Say it into the microphone, and let it come out of the loudspeaker."""
    async with Loop(lab) as loop:
        await asyncio.sleep(0.5)
        lab.say(said)
        await asyncio.to_thread(lab.wait_said, 10)
        await asyncio.sleep(1.2)
    return loop


def test_microphone_to_loudspeaker_is_bit_equal(lab: JackLab) -> None:
    said = speech(2.0)
    said[0] = 0.123  # a mark that silence does not have

    loop = asyncio.run(say_through(lab, said))
    source, sink = loop.source.stats, loop.sink.stats
    # JACK itself skips cycles where the machine is too busy for real time, and counts them.
    troubles = lab.server_xruns + source.xruns + sink.xruns + sink.underruns
    assert missing_frames(said, np.concatenate(loop.frames)) <= 8 * troubles
    assert missing_frames(said, lab.heard()) <= 8 * troubles
    assert source.dropped_samples == 0
    assert source.losses == sink.losses == 0
    assert loop.sentences == []
    assert source.frames > 0


@pytest.mark.parametrize("lab", [(48_000, 512), (44_100, 441)], indirect=True)
def test_other_native_rates_are_resampled(lab: JackLab) -> None:
    # Nothing near 12 kHz: error_db cannot shift that by a fraction of a sample.
    low = butter(8, 9_000, fs=24_000, output="sos")
    said = np.asarray(sosfiltfilt(low, speech(2.0)), np.float32)
    native = np.asarray(soxr.resample(said, 24_000, lab.rate), np.float32)

    loop = asyncio.run(say_through(lab, native))
    captured_db = error_db(np.concatenate(loop.frames), said)
    heard_db = error_db(soxr.resample(lab.heard(), lab.rate, 24_000), said)
    print(f"{lab.rate} Hz: captured {captured_db:.0f} dB, heard {heard_db:.0f} dB")
    worst_db = max(captured_db, heard_db)
    if worst_db > -50 and (
        lab.server_xruns or loop.source.stats.xruns or loop.sink.stats.underruns
    ):
        pytest.skip("the virtual sound card skipped cycles: the machine is too busy for real time")
    assert worst_db < -50  # as far as error_db's 17 taps can align it


def error_db(got: np.ndarray, said: np.ndarray) -> float:
    """Difference between ``said`` and the best-fitting place in ``got``, to fractions of a sample,
    relative to ``said``."""
    size = 1 << (len(got) + len(said)).bit_length()
    spectrum = np.fft.rfft(got, size) * np.conj(np.fft.rfft(said, size))
    start = int(np.argmax(np.fft.irfft(spectrum, size)[: len(got)]))
    piece = got[start - 8 : start + len(said) + 8]
    if len(piece) < len(said) + 16:
        return 0.0
    shifts = np.stack([piece[k : k + len(said)] for k in range(17)], 1)
    weights, *_ = np.linalg.lstsq(shifts, said, rcond=None)
    return level_db((said - shifts @ weights).astype(np.float32)) - level_db(said)


def test_devices_are_listed_and_probed(lab: JackLab) -> None:
    for devices in (list_devices(), probe_devices()):
        by_name = {device.name: device for device in devices}
        assert by_name[lab.MIC].inputs == 1
        assert by_name[lab.MIC].sample_rate == 24_000
        assert by_name[lab.SPEAKER].outputs == 1


def test_missing_device_names_what_there_is(lab: JackLab) -> None:
    async def run() -> None:
        async with DeviceSource("no such thing"):
            pass

    with pytest.raises(DeviceError, match=r"no input device matches 'no such thing'.*labmic"):
        asyncio.run(run())


def test_starved_loudspeaker_counts_and_widens_its_margin(lab: JackLab) -> None:
    async def run() -> DeviceSink:
        async with DeviceSink(lab.SPEAKER, margin_ms=10) as sink:
            for _ in range(3):
                for _ in range(10):
                    await sink.ready()
                    sink.write(np.full(320, 0.1, np.float32))
                await asyncio.sleep(0.2)  # the event loop is kept busy elsewhere
            await sink.ready()
            assert sink.margin_ms > 10
            assert sink.latency_ms >= 0
        return sink

    sink = asyncio.run(run())
    assert sink.stats.underruns >= 3
    assert sink.stats.missing_samples > 0


def test_stalled_reader_loses_the_oldest_and_counts(lab: JackLab) -> None:
    async def run() -> DeviceSource:
        async with DeviceSource(lab.MIC) as source:
            await source.read()
            await asyncio.sleep(1.5)  # three times what the buffer holds
            lab.say(np.full(24_000, 0.25, np.float32))
            await asyncio.sleep(0.4)
            late = [await source.read() for _ in range(36)]
            assert late[-1] is not None
            assert late[-1][0] == 0.25
        return source

    source = asyncio.run(run())
    assert source.stats.dropped_samples > 0.5 * 24_000


def test_card_pulled_out_and_plugged_in(lab: JackLab) -> None:
    async def run() -> Loop:
        async with Loop(lab) as loop:
            await asyncio.sleep(0.5)
            await asyncio.to_thread(lab.pull_out)
            assert await until(lambda: len(loop.sentences) == 2, 15)
            assert sorted(loop.sentences)[0].startswith("the input device 'labmic' is gone")
            assert loop.source.device is None
            before = len(loop.frames), loop.sink.stats.frames
            await asyncio.sleep(1.0)
            # The call goes on: silence in real time, and what is played is discarded.
            assert 60 < len(loop.frames) - before[0] < 90
            assert 60 < loop.sink.stats.frames - before[1] < 90
            assert not loop.frames[-1].any()
            await asyncio.to_thread(lab.plug_in)
            assert await until(lambda: len(loop.sentences) == 4, 40)
            assert "is back" in loop.sentences[-1]
            lab.say(np.full(48_000, 0.25, np.float32))
            assert await until(lambda: loop.frames[-1][-1] == 0.25, 5)
            assert await until(lambda: bool((lab.heard()[-2_400:] == 0.25).any()), 5)
            assert loop.source.stats.losses == loop.sink.stats.losses == 1
            assert loop.source.stats.absent_frames > 60
        return loop

    asyncio.run(run())

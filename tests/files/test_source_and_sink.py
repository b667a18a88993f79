from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import soundfile
import soxr

from q2d2_stream.audio.pacing import Pacer
from q2d2_stream.audio.pcm import pcm_to_int16
from q2d2_stream.audio.silence import NullSink, SilenceSource
from q2d2_stream.audio.stream import Sink, Source
from q2d2_stream.errors import InputError
from q2d2_stream.files.file_sink import FileSink
from q2d2_stream.files.file_source import FileSource
from q2d2_stream.files.wav_writer import WavWriter
from tests.labs.audio import speech
from tests.labs.virtual_clock import busy, run

T = TypeVar("T")


async def read_all(source: Source, frames: int = 10_000) -> list[np.ndarray]:
    got: list[np.ndarray] = []
    async with source:
        while len(got) < frames and (pcm := await source.read()) is not None:
            assert pcm.shape == (320,)
            assert pcm.dtype == np.float32
            got.append(pcm)
    return got


@pytest.mark.parametrize(
    ("name", "rate", "channels", "tolerance"),
    [
        ("a.wav", 24_000, 1, 0.0),
        ("a.wav", 48_000, 2, 1e-4),
        ("a.flac", 16_000, 1, 1e-4),
        ("a.flac", 44_100, 2, 1e-4),
        ("a.ogg", 48_000, 1, 0.1),
    ],
)
def test_any_sound_file_becomes_frames(
    tmp_path: Path, name: str, rate: int, channels: int, tolerance: float
) -> None:
    pcm = np.rint(speech(0.5) * 32768).astype(np.float32) / 32768
    native = pcm if rate == 24_000 else soxr.resample(pcm, 24_000, rate)
    soundfile.write(tmp_path / name, np.repeat(native[:, None], channels, 1), rate)
    frames = asyncio.run(read_all(FileSource(tmp_path / name, realtime=False)))
    got = np.concatenate(frames)
    assert len(frames) == pytest.approx(np.ceil(len(pcm) / 320), abs=1)
    length = min(len(got), len(pcm))
    stored, _ = soundfile.read(tmp_path / name, dtype="float32", always_2d=True)
    expected = stored.mean(1)
    if rate != 24_000:
        expected = soxr.resample(expected, rate, 24_000)
    length = min(length, len(expected))
    np.testing.assert_allclose(got[:length], expected[:length], atol=tolerance)
    assert not got[len(pcm) + 1 :].any()


def test_end_stays_the_end(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.ones(321) * 0.5, 24_000)

    async def run() -> None:
        async with FileSource(tmp_path / "a.wav", realtime=False) as source:
            assert await source.read() is not None
            second = await source.read()
            assert second is not None
            assert second[0] > 0.49
            assert not second[1:].any()
            assert await source.read() is None
            assert await source.read() is None
            assert source.stats.frames == 2

    asyncio.run(run())


def test_loop_has_no_seam(tmp_path: Path) -> None:
    pcm = np.rint(np.linspace(-1, 0.9, 500) * 32768) / 32768
    soundfile.write(tmp_path / "a.wav", pcm, 24_000)
    frames = asyncio.run(read_all(FileSource(tmp_path / "a.wav", realtime=False, loop=True), 10))
    np.testing.assert_array_equal(np.concatenate(frames), np.tile(pcm, 7)[:3200])


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.wav does not exist"):
        asyncio.run(read_all(FileSource(tmp_path / "a.wav")))
    with pytest.raises(InputError, match="is a folder"):
        asyncio.run(read_all(FileSource(tmp_path)))


@pytest.mark.parametrize("content", [b"", b"not a sound file at all, but text"])
def test_what_is_no_sound_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.wav cannot be read as sound"):
        asyncio.run(read_all(FileSource(path)))


def test_empty_sound_file_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 24_000)
    with pytest.raises(InputError, match="holds no samples"):
        asyncio.run(read_all(FileSource(tmp_path / "a.wav", loop=True)))


def test_file_to_file_is_exact(tmp_path: Path) -> None:
    pcm = np.rint(speech(1.0) * 32768).astype(np.float32) / 32768
    soundfile.write(tmp_path / "in.wav", pcm, 24_000)

    async def copy() -> None:
        async with (
            FileSource(tmp_path / "in.wav", realtime=False) as source,
            FileSink(tmp_path / "out.wav", realtime=False) as sink,
        ):
            while (frame := await source.read()) is not None:
                await sink.ready()
                sink.write(frame)
            assert sink.stats.dropped_samples == 0

    asyncio.run(copy())
    got, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert rate == 24_000
    np.testing.assert_array_equal(got[: len(pcm)], pcm)


async def timed(work: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What ``work`` gives, and its seconds on the loop's clock."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    return await work, loop.time() - began


@pytest.mark.parametrize("kind", ["file", "silence"])
def test_sources_keep_real_time(tmp_path: Path, kind: str) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(24_000), 24_000)
    source: Source = FileSource(tmp_path / "a.wav") if kind == "file" else SilenceSource(75)
    frames, seconds = run(timed(read_all(source)))
    assert len(frames) == 75
    assert seconds == pytest.approx(74 / 75, abs=0.001)  # the first comes at once


@pytest.mark.parametrize("kind", ["file", "null"])
def test_sinks_keep_real_time(tmp_path: Path, kind: str) -> None:
    sink: Sink = FileSink(tmp_path / "a.wav") if kind == "file" else NullSink()

    async def fill() -> None:
        async with sink:
            for _ in range(38):
                await sink.ready()
                sink.write(np.zeros(320, np.float32))

    _, seconds = run(timed(fill()))
    assert seconds == pytest.approx(37 / 75, abs=0.001)
    assert sink.stats.frames == 38


def test_pacer_catches_up_a_little_and_forgives_a_lot() -> None:
    async def main() -> None:
        pacer = Pacer(0.01, max_lag_s=0.1)

        async def ticks(count: int) -> None:
            for _ in range(count):
                await pacer.tick()

        await pacer.tick()
        busy(0.05)
        _, catching_up = await timed(ticks(5))
        assert catching_up == pytest.approx(0.0, abs=0.001)
        busy(0.15)
        _, forgiven = await timed(ticks(4))
        assert forgiven == pytest.approx(0.03, abs=0.001)

    run(main())


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: No such file"):
        WavWriter(tmp_path / "no" / "a.wav")


def test_length_is_bounded_and_drops_are_counted(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav", max_seconds=0.1)
    for _ in range(10):
        writer.write(np.full(320, 0.5, np.float32))
    writer.close()
    assert soundfile.info(tmp_path / "a.wav").frames == 7 * 320
    assert writer.dropped_samples == 3 * 320


def test_wav_survives_a_kill(tmp_path: Path) -> None:
    """The process dies without closing anything; the file is a valid wav of nearly all of it."""
    code = (
        "import sys, os, time, numpy as np; from pathlib import Path;"
        "from q2d2_stream.files.wav_writer import WavWriter;"
        "w = WavWriter(Path(sys.argv[1]));"
        "[w.write(np.full(320, 0.5, np.float32)) for _ in range(300)];"
        "time.sleep(0.5); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.wav")], check=False)
    pcm, rate = soundfile.read(tmp_path / "a.wav")
    assert rate == 24_000
    assert len(pcm) >= 300 * 320 - 24_000
    assert np.all(pcm == 0.5)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_full_disk_is_told_and_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to("/dev/full")

    async def run() -> None:
        async with FileSink(tmp_path / "a.wav", realtime=False) as sink:
            for _ in range(1000):
                await sink.ready()
                sink.write(np.zeros(320, np.float32))
            assert sink.stats.dropped_samples > 0

    with pytest.raises(InputError, match="No space left"):
        asyncio.run(run())


def test_sixteen_bits_are_exact_and_clipped() -> None:
    whole = np.arange(-32768, 32768)
    data = np.frombuffer(pcm_to_int16((whole / 32768).astype(np.float32)), "<i2")
    np.testing.assert_array_equal(data, whole)
    loud = np.frombuffer(pcm_to_int16(np.array([-3, 3], np.float32)), "<i2")
    np.testing.assert_array_equal(loud, [-32768, 32767])


def test_soundfile_reads_what_a_player_would(tmp_path: Path) -> None:
    if shutil.which("file") is None:
        pytest.skip("the program file is not installed")
    writer = WavWriter(tmp_path / "a.wav")
    writer.write(np.zeros(320, np.float32))
    writer.close()
    said = subprocess.run(["file", tmp_path / "a.wav"], capture_output=True, text=True).stdout
    assert "16 bit, mono 24000 Hz" in said

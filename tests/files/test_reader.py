"""Odd and damaged sound: by path, by pipe and from memory."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from q2d2_stream.errors import InputError
from q2d2_stream.files.reader import SoundReader, open_sound
from tests.files import odd_sounds
from tests.labs.audio import speech

Pcm = NDArray[np.float32]
PCM: Pcm = (np.rint(speech(3.0) * 32767) / 32768).astype(np.float32)
WAYS = ["path", "pipe", "memory"]

GOOD, LOSSY = odd_sounds.good_files(PCM), odd_sounds.lossy_files(PCM)
CUT, HURT = odd_sounds.cut_files(PCM), odd_sounds.hurt_files(PCM)
NONE = odd_sounds.no_sounds(PCM)


def read(data: bytes, way: str, tmp_path: Path) -> tuple[Pcm, list[str], SoundReader]:
    """All samples, the warnings, and the reader."""
    if way == "pipe":
        reading, writing = os.pipe()

        def feed() -> None:
            try:
                with os.fdopen(writing, "wb") as out:
                    out.write(data)
            except BrokenPipeError:
                pass

        thread = threading.Thread(target=feed)
        thread.start()
        try:
            with (
                os.fdopen(reading, "rb", buffering=0) as pipe,
                open_sound(pipe, odd_sounds.RATE) as sound,
            ):
                return np.concatenate(list(sound)), sound.warnings, sound
        finally:
            thread.join()
    source: str | io.BytesIO = io.BytesIO(data)
    if way == "path":
        (tmp_path / "sound").write_bytes(data)
        source = str(tmp_path / "sound")
    with open_sound(source, odd_sounds.RATE) as sound:
        return np.concatenate(list(sound)), sound.warnings, sound


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", GOOD)
def test_what_others_write_is_the_same_sound(name: str, way: str, tmp_path: Path) -> None:
    pcm, warnings, _ = read(GOOD[name], way, tmp_path)
    np.testing.assert_allclose(pcm, PCM, atol=2e-4)
    assert len(warnings) == (name == "opposite.wav")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LOSSY)
def test_lossy_formats_are_as_long_and_alike(name: str, way: str, tmp_path: Path) -> None:
    pcm, warnings, _ = read(LOSSY[name], way, tmp_path)
    assert warnings == []
    assert abs(len(pcm) - len(PCM)) <= (2048 if name == "ima.wav" else 1)
    same = min(len(pcm), len(PCM))
    assert np.corrcoef(pcm[:same], PCM[:same])[0, 1] > 0.9


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CUT)
def test_what_breaks_off_is_read_to_there_and_told(name: str, way: str, tmp_path: Path) -> None:
    pcm, warnings, sound = read(CUT[name], way, tmp_path)
    assert 0.2 * len(PCM) < len(pcm) < 0.8 * len(PCM)
    (warning,) = warnings
    assert warning.startswith(f"{sound.name} breaks off after {sound.position_s:.2f} s")
    if not name.endswith(("ogg", "opus")):  # which do not say how long they are
        assert " of 3.0" in warning
    if name.endswith(("wav", "aiff", "w64", "caf", "au", "flac")):
        np.testing.assert_allclose(pcm, PCM[: len(pcm)], atol=1e-4)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", HURT)
def test_damage_in_the_middle_costs_what_is_damaged(name: str, way: str, tmp_path: Path) -> None:
    pcm, warnings, _ = read(HURT[name], way, tmp_path)
    assert len(pcm) > 0.5 * len(PCM)
    assert " is damaged at " in warnings[0]
    if name == "hurt.flac":  # keeps its place in time
        assert len(pcm) == len(PCM)
        different = np.flatnonzero(abs(pcm - PCM) > 1e-4)
        assert not pcm[different].any()
        assert len(different) < 3 * 4096
        np.testing.assert_allclose(pcm[:20_000], PCM[:20_000], atol=1e-4)
        np.testing.assert_allclose(pcm[-20_000:], PCM[-20_000:], atol=1e-4)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NONE)
def test_what_is_no_sound_is_one_sentence(name: str, way: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as sound"):
        read(NONE[name], way, tmp_path)


@pytest.mark.parametrize("way", ["path", "pipe"])
@pytest.mark.parametrize("rate", [24_000, 48_000])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_number_becomes_silence_where_it_was(
    value: float, rate: int, way: str, tmp_path: Path
) -> None:
    pcm = np.repeat(PCM, rate // 24_000)
    pcm[rate] = value
    heard, (warning,), sound = read(odd_sounds.written(pcm, "WAV", "FLOAT", rate), way, tmp_path)
    assert np.isfinite(heard).all()
    assert warning.startswith(f"{sound.name} holds 1 times no finite number, first at 1.00 s")
    assert np.corrcoef(heard, PCM)[0, 1] > 0.99


@pytest.mark.parametrize("way", ["path", "pipe"])
@pytest.mark.parametrize("rate", [24_000, 48_000])
def test_sixteen_bit_units_in_a_float_file_are_refused(rate: int, way: str, tmp_path: Path) -> None:
    pcm = np.repeat(PCM, rate // 24_000) * np.float32(32768)
    with pytest.raises(InputError, match=r"reaches \d+ at \d\.\d\d s, expected samples from -1"):
        read(odd_sounds.written(pcm, "WAV", "FLOAT", rate), way, tmp_path)


def test_loud_sound_is_clipped_and_told(tmp_path: Path) -> None:
    loud = PCM / abs(PCM).max() * 3
    pcm, (warning,), _ = read(odd_sounds.written(loud, "WAV", "FLOAT"), "path", tmp_path)
    assert abs(pcm).max() == 1
    assert "reaches 3.0 times full scale, from " in warning


def test_two_speakers_on_two_channels_are_both_heard(tmp_path: Path) -> None:
    other = np.roll(PCM, len(PCM) // 2)
    stereo = np.stack([PCM, other], 1)
    pcm, warnings, _ = read(odd_sounds.written(stereo, "WAV", "FLOAT"), "path", tmp_path)
    np.testing.assert_allclose(pcm, (PCM + other) / 2, atol=1e-4)
    assert warnings == []


def test_odd_headers_take_no_memory_of_their_own(tmp_path: Path) -> None:
    """200 channels, a rate of two gigahertz: blocks are bounded."""
    raw = odd_sounds.int16(PCM[:2000]).tobytes()
    pcm, _, _ = read(odd_sounds.riff(odd_sounds.form(rate=2_000_000_000), raw), "path", tmp_path)
    assert len(pcm) <= 1
    pcm, _, _ = read(odd_sounds.riff(odd_sounds.form(channels=200), raw), "path", tmp_path)
    assert len(pcm) == 10


def test_an_input_that_is_closed_a_terminal_or_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="is a folder"), open_sound(tmp_path, 24_000):
        pass
    leader, follower = os.openpty()
    with os.fdopen(follower, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        with pytest.raises(InputError, match="is a terminal"), open_sound("-", 24_000):
            pass
    os.close(leader)
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="standard input is closed"), open_sound("-", 24_000):
        pass


def test_a_named_pipe_is_read_as_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(GOOD["plain.wav"],))
    thread.start()
    with open_sound(path, 24_000) as sound:
        pcm = np.concatenate(list(sound))
    thread.join()
    np.testing.assert_allclose(pcm, PCM, atol=1e-4)

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from q2d2_stream.errors import InputError
from q2d2_stream.files.mix_recorder import MixRecorder
from q2d2_stream.files.output import PendingFile
from q2d2_stream.files.recorder import CallRecorder
from q2d2_stream.files.room_recorder import RoomRecorder


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_sides_begin_together_and_gaps_are_silence(tmp_path: Path) -> None:
    clock = Clock()
    recorder = CallRecorder(tmp_path / "new", clock)
    frame = np.full(320, 0.5, np.float32)
    for number in range(300):
        clock.now = 100 + (number + 1) / 75
        if not 150 <= number < 225:  # one second in which the device was gone
            recorder.near(frame)
        if number >= 75:  # the other side answers a second later
            recorder.far(-frame)
    recorder.close()
    recorder.close()
    near, _ = soundfile.read(tmp_path / "new/near.wav")
    far, _ = soundfile.read(tmp_path / "new/far.wav")
    assert len(near) == len(far) == 300 * 320
    assert np.all(near[: 150 * 320] == 0.5)
    assert not near[150 * 320 : 225 * 320].any()
    assert np.all(near[225 * 320 :] == 0.5)
    assert not far[: 75 * 320].any()
    assert np.all(far[75 * 320 :] == -0.5)
    assert recorder.dropped_samples == 0
    assert recorder.error is None


def test_small_jitter_adds_nothing(tmp_path: Path) -> None:
    clock = Clock()
    recorder = CallRecorder(tmp_path, clock)
    for number in range(0, 60, 15):  # bursts of 15 frames, 200 ms
        clock.now = 100 + (number + 15) / 75
        for _ in range(15):
            recorder.near(np.full(320, 0.5, np.float32))
    recorder.close()
    near, _ = soundfile.read(tmp_path / "near.wav")
    assert len(near) == 60 * 320
    assert np.all(near == 0.5)


def test_earlier_recordings_are_kept(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        recorder = CallRecorder(tmp_path)
        recorder.near(np.zeros(320, np.float32))
        recorder.far(np.zeros(320, np.float32))
        recorder.close()
        names += [path.name for path in recorder.paths]
    assert names == ["near.wav", "far.wav", "near-2.wav", "far-2.wav", "near-3.wav", "far-3.wav"]


def test_slow_disk_drops_and_keeps_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the queue holds at once: the surplus is counted and becomes silence."""
    clock = Clock()
    recorder = CallRecorder(tmp_path, clock)
    gate = threading.Event()
    place = PendingFile.place

    def slow(self: PendingFile) -> None:
        gate.wait(10)
        place(self)

    monkeypatch.setattr(PendingFile, "place", slow)
    for number in range(500):
        clock.now = 100 + (number + 1) / 75
        recorder.near(np.full(320, 0.5, np.float32))
    assert recorder.dropped_samples >= (500 - 377) * 320
    gate.set()
    deadline = time.monotonic() + 5
    while recorder.writers[0].backlog and time.monotonic() < deadline:
        time.sleep(0.01)
    recorder.near(np.full(320, 0.25, np.float32))
    recorder.close()
    near, _ = soundfile.read(tmp_path / "near.wav")
    assert len(near) == 501 * 320
    assert np.all(near[-320:] == 0.25)
    assert np.count_nonzero(near == 0) == recorder.dropped_samples


def test_a_call_that_does_not_come_about_leaves_nothing(tmp_path: Path) -> None:
    CallRecorder(tmp_path / "new").close()
    assert not list(tmp_path.iterdir())
    (tmp_path / "old").mkdir()
    CallRecorder(tmp_path / "old").close()
    assert [path.name for path in tmp_path.rglob("*")] == ["old"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="cannot be created"):
        CallRecorder(tmp_path / "taken")


def test_a_room_has_a_track_of_each_person(tmp_path: Path) -> None:
    clock = Clock()
    recorder = RoomRecorder(tmp_path, "Me", clock)
    recorder.name(1, "Ann")
    recorder.name(2, "../../etc/passwd\x1b[2J")
    recorder.name(3, "ann")
    assert not list(tmp_path.iterdir())
    frame = np.full(320, 0.25, np.float32)
    for number in range(225):
        clock.now = 100 + (number + 1) / 75
        recorder.near(frame)
        if number == 75:
            recorder.forget(1)  # whose last words are still to come
        if number == 150:
            recorder.name(4, "Ann")  # is back, with another number
        if number < 78:
            recorder.voice(1, 2 * frame)
        elif number >= 150:
            recorder.voice(4, 3 * frame)
        if number < 30:
            recorder.voice(2, frame)
            recorder.voice(3, frame)
            recorder.voice(5, frame)  # nobody has said who that is
        recorder.far(frame)
    recorder.close()
    recorder.close()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"Me.wav", "______etc_passwd__2J.wav", "ann 2.wav", "Ann.wav"}
    ann, _ = soundfile.read(tmp_path / "Ann.wav")
    assert len(ann) == 225 * 320
    assert np.all(ann[: 78 * 320] == 0.5)
    assert not ann[78 * 320 : 150 * 320].any()
    assert np.all(ann[150 * 320 :] == 0.75)
    assert len(soundfile.read(tmp_path / "ann 2.wav")[0]) == 30 * 320


def test_tracks_of_a_room_are_bounded(tmp_path: Path) -> None:
    recorder = RoomRecorder(tmp_path)
    for member in range(200):
        recorder.name(member, f"guest {member}")
        recorder.voice(member, np.zeros(320, np.float32))
        recorder.forget(member)
    recorder.close()
    assert len(list(tmp_path.iterdir())) == 64


def test_both_sides_are_mixed_in_step(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "all.wav").write_bytes(b"from before")
    recorder = MixRecorder(tmp_path / "all.wav", clock)
    for number in range(300):
        clock.now = 100 + (number + 1) / 75
        recorder.near(np.full(320, 0.5, np.float32))
        if 75 <= number < 150:
            recorder.far(np.full(320, 0.25, np.float32))
    recorder.close()
    assert (tmp_path / "all.wav").read_bytes() == b"from before"
    assert recorder.path.name == "all-2.wav"
    mixed, _ = soundfile.read(recorder.path)
    assert len(mixed) == 300 * 320
    assert np.all(mixed[: 75 * 320] == 0.5)
    assert np.all(mixed[75 * 320 : 150 * 320] == 0.75)
    assert np.all(mixed[150 * 320 :] == 0.5)


def test_a_mix_of_nothing_leaves_no_file(tmp_path: Path) -> None:
    MixRecorder(tmp_path / "all.wav").close()
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="cannot be written"):
        MixRecorder(tmp_path / "missing" / "all.wav")

"""Keeping what is said in a room: a track of each person."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from q2d2_stream.audio.stream import Pcm
from q2d2_stream.errors import InputError
from q2d2_stream.files.recorder import Recorder
from q2d2_stream.files.track import RecordingClock, RecordingFolder, Track
from q2d2_stream.files.wav_writer import WavWriter

__all__ = ["RoomRecorder"]

_MOST_TRACKS = 64  # people in a room; who comes again under another name every minute is no more
_MOST_NAMES = 256
_NAME_CHARACTERS = 40


class RoomRecorder(Recorder):
    """A wav file of each person, named after them, all of which begin at the same moment.

    A track appears with the first sound of its person. Who comes back under the same name goes on
    in the same track, at its time. Two of one name have two tracks.

    Args:
        folder: where they go; created when missing.
        me: what the track of this side is called; "me" where it is empty.
        clock: seconds from any monotonic origin.

    Raises:
        InputError: the folder or files in it cannot be created.
    """

    def __init__(
        self, folder: str | Path, me: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = RecordingFolder(folder)
        self._clock = RecordingClock(clock)
        self._me = _file_name(me) or "me"
        self._tracks: dict[str, Track | None] = {}  # None: it cannot be created, or is too many
        self._names: dict[int, str] = {}  # of who has gone, too: the last words are still to come
        self._present: set[int] = set()

    @property
    def writers(self) -> list[WavWriter]:
        """As :attr:`Recorder.writers`."""
        return [track.writer for track in list(self._tracks.values()) if track is not None]

    @property
    def paths(self) -> dict[str, Path]:
        """The files so far, by the name of the track."""
        tracks = dict(self._tracks)
        return {name: track.writer.path for name, track in tracks.items() if track is not None}

    def near(self, pcm: Pcm) -> None:
        """As :meth:`Recorder.near`."""
        self._write(self._me, pcm)

    def far(self, pcm: Pcm) -> None:
        """Nothing: the voices in it are kept one by one."""

    def voice(self, member: int, pcm: Pcm) -> None:
        """As :meth:`Recorder.voice`."""
        name = self._names.get(member)
        if name is not None:
            self._write(name, pcm)

    def name(self, member: int, name: str) -> None:
        """As :meth:`Recorder.name`; a name that is given later changes nothing."""
        if member in self._present:
            return
        plain = _file_name(name) or "guest"
        taken = {self._me.lower(), *(self._names[other].lower() for other in self._present)}
        number, track = 1, plain
        while track.lower() in taken:
            number += 1
            track = f"{plain} {number}"
        self._names[member] = track
        self._present.add(member)
        for old in list(self._names)[:-_MOST_NAMES]:
            if old not in self._present:
                del self._names[old]

    def forget(self, member: int) -> None:
        """As :meth:`Recorder.forget`; the track stays, for when the person comes back."""
        self._present.discard(member)

    def close(self) -> None:
        """As :meth:`Recorder.close`."""
        super().close()
        self._folder.close()

    def _write(self, name: str, pcm: Pcm) -> None:
        if name not in self._tracks:
            if len(self._tracks) >= _MOST_TRACKS:
                return
            try:
                self._tracks[name] = Track(self._folder.path / f"{name}.wav", self._clock)
            except InputError:  # no more files can be opened, say: the call goes on
                self._tracks[name] = None
        track = self._tracks[name]
        if track is not None:
            track.write(pcm)


def _file_name(name: str) -> str:
    """``name`` as every file system takes it; what others call themselves is not to be trusted."""
    kept = "".join(c if c.isalnum() or c in " -_" else "_" for c in name)
    return " ".join(kept.split())[:_NAME_CHARACTERS].strip()

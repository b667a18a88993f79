"""From what a user typed to a source or a sink: a device, a file, or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from q2d2_stream.audio.capture import DeviceSource
from q2d2_stream.audio.playback import DeviceSink
from q2d2_stream.audio.silence import NullSink, SilenceSource
from q2d2_stream.audio.stream import Sink, Source
from q2d2_stream.errors import InputError
from q2d2_stream.files.file_sink import FileSink
from q2d2_stream.files.file_source import FileSource

__all__ = ["make_sink", "make_source"]

_SOUND_SUFFIXES = (
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".snd",
    ".caf", ".w64", ".rf64",
)  # fmt: skip
_PATH_STARTS = ("/", "./", "../", "~/", ".\\", "..\\")


def _is_path(text: str) -> bool:
    """Whether it means a file rather than a device: names of devices are whatever they are."""
    return (
        Path(text).suffix.lower() in _SOUND_SUFFIXES
        or text.startswith(_PATH_STARTS)
        or os.path.exists(text)
    )


def make_source(
    text: str | None,
    *,
    loop: bool = False,
    realtime: bool = True,
    notify: Callable[[str], None] | None = None,
) -> Source:
    """The source that ``--input text`` means; not started yet.

    Args:
        text: a sound file's path, "-" for standard input, "silence", a device's index or part of
            its name, or None for the default microphone. Whatever ends like a sound file, begins
            like a path or exists is a file.
        loop: start a file again at its end.
        realtime: pace files and silence by the clock.
        notify: called in the event loop when a device goes or comes back, and when a file is
            damaged.
    """
    if text == "silence":
        return SilenceSource(realtime=realtime)
    if text is not None and (text == "-" or _is_path(text)):
        return FileSource(text, realtime=realtime, loop=loop, notify=notify)
    return DeviceSource(text, notify=notify)


def make_sink(
    text: str | None,
    *,
    realtime: bool = True,
    numbered: bool = False,
    notify: Callable[[str], None] | None = None,
) -> Sink:
    """The sink that ``--output text`` means; not started yet.

    Args:
        text: a wav file's path, "null", a device's index or part of its name, or None for the
            default loudspeaker.
        realtime: pace files and null by the clock.
        numbered: keep the files that there are: ``x.wav`` becomes ``x-2.wav`` then.
        notify: called in the event loop when a device goes or comes back.

    Raises:
        InputError: a file of another kind than wav.
    """
    if text == "null":
        return NullSink(realtime=realtime)
    if text is not None and Path(text).suffix.lower() == ".wav":
        return FileSink(text, realtime=realtime, numbered=numbered)
    if text is not None and _is_path(text):
        raise InputError(f"{text} cannot be written: sound is written as .wav only")
    return DeviceSink(text, notify=notify)

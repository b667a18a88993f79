"""From what a user typed to a source or a sink: a device, a file, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from q2d2_stream.audio.capture import DeviceSource
from q2d2_stream.audio.files import FileSink, FileSource
from q2d2_stream.audio.playback import DeviceSink
from q2d2_stream.audio.silence import NullSink, SilenceSource
from q2d2_stream.audio.stream import Sink, Source
from q2d2_stream.errors import InputError

__all__ = ["make_sink", "make_source"]

_READABLE = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3")


def make_source(
    text: str | None,
    *,
    loop: bool = False,
    realtime: bool = True,
    notify: Callable[[str], None] | None = None,
) -> Source:
    """The source that ``--input text`` means; not started yet.

    Args:
        text: a sound file's path, "silence", a device's index or part of its name, or None for
            the default microphone. Anything that ends like a sound file is one.
        loop: start a file again at its end.
        realtime: pace files and silence by the clock.
        notify: called in the event loop when a device goes or comes back.
    """
    if text == "silence":
        return SilenceSource(realtime=realtime)
    if text is not None and Path(text).suffix.lower() in _READABLE:
        return FileSource(text, realtime=realtime, loop=loop)
    return DeviceSource(text, notify=notify)


def make_sink(
    text: str | None,
    *,
    realtime: bool = True,
    notify: Callable[[str], None] | None = None,
) -> Sink:
    """The sink that ``--output text`` means; not started yet.

    Args:
        text: a wav file's path, "null", a device's index or part of its name, or None for the
            default loudspeaker.
        realtime: pace files and null by the clock.
        notify: called in the event loop when a device goes or comes back.

    Raises:
        InputError: a sound file of another kind than wav.
    """
    if text == "null":
        return NullSink(realtime=realtime)
    suffix = Path(text).suffix.lower() if text is not None else ""
    if text is not None and suffix == ".wav":
        return FileSink(text, realtime=realtime)
    if suffix in _READABLE:
        raise InputError(f"{text} cannot be written: sound is written as .wav only")
    return DeviceSink(text, notify=notify)

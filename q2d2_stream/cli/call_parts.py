"""The parts of a call, made as its settings say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from q2d2_stream.audio import Source, VoiceProcessor
    from q2d2_stream.call import CallOptions, CallSession, Connector
    from q2d2_stream.engine import Codec
    from q2d2_stream.files.recorder import Recorder
    from q2d2_stream.protocol import Endpoint, Secret
    from q2d2_stream.settings import CallSettings

__all__ = [
    "endpoint_of",
    "options_of",
    "processor_of",
    "recorder_of",
    "require_distinct_files",
    "session_of",
    "source_of",
]


def require_distinct_files(settings: CallSettings) -> None:
    """Raise InputError where the call would write over something that it reads."""
    from q2d2_stream.files.same_file import require_distinct

    read = ("input", "secret_file", "tls_cert", "tls_key", "ca")
    written = ("output", "stats_json")
    require_distinct(
        {f"--{name.replace('_', '-')}": getattr(settings, name) for name in read},
        {f"--{name.replace('_', '-')}": getattr(settings, name) for name in written},
    )


def endpoint_of(
    settings: CallSettings, codecs: Sequence[Codec], secret: Secret | None = None
) -> Endpoint:
    """This side as its peer gets to know it; raises InputError."""
    from q2d2_stream.protocol import Endpoint

    return Endpoint.of(
        codecs,
        frames_per_message=settings.frames_per_message,
        dtx=settings.dtx,
        udp=settings.transport != "websocket",
        secret=secret,
    )


def session_of(
    settings: CallSettings,
    codecs: Sequence[Codec],
    line: Connector,
    notify: Callable[[str], None],
    *,
    source: Source | None = None,
    recorder: Recorder | None = None,
    hangup_at_end: bool = False,
    linger_s: float = 0.0,
    begun_s: float | None = None,
    numbered: bool = False,
) -> CallSession:
    """One side of a call, not begun; see :class:`q2d2_stream.call.CallSession`.

    ``source`` is what ``--input`` means, where the caller has made it already, and ``recorder``
    what ``--record`` asks for: whoever makes that must close it, whatever comes of the call.
    ``numbered``: a file that ``--output`` names is never replaced, since more calls may follow.

    Raises InputError, MissingExtra.
    """
    from q2d2_stream.call import CallSession
    from q2d2_stream.call.sound import make_sink

    return CallSession(
        codecs,
        line,
        source if source is not None else source_of(settings, notify),
        make_sink(settings.output, numbered=numbered, notify=notify),
        options_of(settings, codecs[0], hangup_at_end, linger_s),
        processor=processor_of(settings, notify),
        recorder=recorder,
        notify=notify,
        begun_s=begun_s,
    )


def source_of(settings: CallSettings, notify: Callable[[str], None]) -> Source:
    """What ``--input`` means, not started."""
    from q2d2_stream.call.sound import make_source

    return make_source(settings.input, notify=notify)


def recorder_of(settings: CallSettings, *, is_room: bool = False) -> Recorder | None:
    """What ``--record`` asks for; raises InputError."""
    if settings.record is None:
        return None
    from q2d2_stream.files.mix_recorder import MixRecorder
    from q2d2_stream.files.recorder import CallRecorder
    from q2d2_stream.files.room_recorder import RoomRecorder

    if settings.record.lower().endswith(".wav") and not Path(settings.record).is_dir():
        return MixRecorder(settings.record)
    if is_room:
        return RoomRecorder(settings.record, settings.name or "")
    return CallRecorder(settings.record)


def options_of(
    settings: CallSettings, codec: Codec, hangup_at_end: bool, linger_s: float = 0.0
) -> CallOptions:
    """The user's wishes; raises InputError."""
    from q2d2_stream.call import CallOptions
    from q2d2_stream.playout import PlayoutOptions

    playout = PlayoutOptions()
    if settings.fixed_delay is not None:
        playout = PlayoutOptions(
            minimum_delay_ms=settings.fixed_delay,
            maximum_delay_ms=settings.fixed_delay,
            start_delay_ms=settings.fixed_delay,
            stretch=False,
        )
    return CallOptions(
        rate=codec.config.find_rate(settings.rate).index,
        dtx=settings.dtx,
        max_kbps=settings.max_kbps,
        push_to_talk=settings.ptt,
        playout=playout,
        hangup_at_end=hangup_at_end,
        linger_s=linger_s,
    )


def processor_of(settings: CallSettings, notify: Callable[[str], None]) -> VoiceProcessor | None:
    """What ``--aec``, ``--ns`` and ``--agc`` ask for; None where nothing is to be done.

    Raises MissingExtra.
    """
    from q2d2_stream.audio import NoiseSuppressor, VoiceProcessor

    suppresses = settings.ns
    if suppresses is None:
        suppresses = NoiseSuppressor.is_installed()
        if not suppresses:
            notify("noise is not suppressed: pip install 'q2d2-stream[call]', or say --no-ns")
    if not (settings.aec or suppresses or settings.agc):
        return None
    return VoiceProcessor(settings.aec, suppresses, settings.agc)

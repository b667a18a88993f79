"""Options that ``q2d2-call`` and ``q2d2-loopback`` share, and what they mean."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from q2d2_stream.cli.options import RATE_NAMES, add_models_argument, add_rate_argument

if TYPE_CHECKING:
    from q2d2_stream.audio import Recorder, Sink, Source, VoiceProcessor
    from q2d2_stream.call import CallOptions

__all__ = [
    "add_sound_arguments",
    "call_options",
    "processor_of",
    "recorder_of",
    "show_devices",
    "sink_of",
    "source_of",
]


def add_sound_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare devices, processing, codec and playout options."""
    sound = parser.add_argument_group("sound")
    sound.add_argument(
        "--input",
        metavar="WHAT",
        help="a device's index or part of its name, a sound file, or 'silence' "
        "(default: the default microphone)",
    )
    sound.add_argument(
        "--output",
        metavar="WHAT",
        help="a device's index or part of its name, a .wav file, or 'null' "
        "(default: the default loudspeaker)",
    )
    sound.add_argument("-l", "--list-devices", action="store_true", help="list sound devices")
    sound.add_argument("--record", metavar="DIR", help="keep both sides as wav files in DIR")
    sound.add_argument("--aec", action="store_true", help="cancel the loudspeaker's echo")
    sound.add_argument("--ns", action="store_true", help="suppress steady noise")
    sound.add_argument("--agc", action="store_true", help="even out the loudness of the voice")
    sound.add_argument("--mute", action="store_true", help="begin with the microphone off")
    codec = parser.add_argument_group("codec and playout")
    add_rate_argument(parser)
    codec.add_argument(
        "--frames-per-message",
        type=int,
        choices=range(1, 9),
        default=3,
        metavar="N",
        help="1 to 8 frames of 13.3 ms per message, the fewest that are used (default: 3)",
    )
    codec.add_argument(
        "--dtx",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="leave silence unsent; may clip soft word beginnings in noise",
    )
    codec.add_argument(
        "--fixed-delay",
        type=float,
        metavar="MS",
        help="hold sound back by MS against jitter, whatever the network does, and never stretch "
        "it (default: as little as the network allows)",
    )
    codec.add_argument(
        "--simulate",
        metavar="SPEC",
        help="put a simulated network in front of what comes in, for example "
        "delay=80,jitter=40,loss=0.05,burst=3,stall=2@10,rate=8000,seed=1",
    )
    add_models_argument(parser)


def call_options(
    args: argparse.Namespace, *, hangup_at_end: bool, linger_s: float = 0.0
) -> CallOptions:
    """The call's options; raises InputError."""
    from q2d2_stream.call import CallOptions
    from q2d2_stream.playout import PlayoutOptions

    playout = PlayoutOptions()
    if args.fixed_delay is not None:
        playout = PlayoutOptions(
            minimum_delay_ms=args.fixed_delay,
            maximum_delay_ms=args.fixed_delay,
            start_delay_ms=args.fixed_delay,
            stretch=False,
        )
    return CallOptions(
        rate=RATE_NAMES.index(args.rate),
        dtx=args.dtx,
        playout=playout,
        hangup_at_end=hangup_at_end,
        linger_s=linger_s,
    )


def source_of(args: argparse.Namespace, notify: Callable[[str], None]) -> Source:
    """What ``--input`` means, not started."""
    from q2d2_stream.audio import make_source

    return make_source(args.input, notify=notify)


def sink_of(args: argparse.Namespace, notify: Callable[[str], None]) -> Sink:
    """What ``--output`` means, not started."""
    from q2d2_stream.audio import make_sink

    return make_sink(args.output, notify=notify)


def processor_of(args: argparse.Namespace) -> VoiceProcessor | None:
    """What ``--aec``, ``--ns`` and ``--agc`` ask for; raises MissingExtra."""
    if not (args.aec or args.ns or args.agc):
        return None
    from q2d2_stream.audio import VoiceProcessor

    return VoiceProcessor(args.aec, args.ns, args.agc)


def recorder_of(args: argparse.Namespace) -> Recorder | None:
    """What ``--record`` asks for; raises InputError."""
    if args.record is None:
        return None
    from q2d2_stream.audio import Recorder

    return Recorder(args.record)


def show_devices() -> int:
    """Print the sound devices; raises DeviceError without PortAudio."""
    from q2d2_stream.audio import describe_devices, list_devices

    print(describe_devices(list_devices()))
    return 0

"""Options that ``q2d2-call`` and ``q2d2-loopback`` share; call_parts makes a call of them."""

from __future__ import annotations

import argparse

from q2d2_stream.cli.options import DENOISE_HELP, add_models_argument, add_rate_argument

__all__ = ["add_sound_arguments", "show_devices"]


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
    # One or the other: the denoising encoder has learnt from what microphones hear, not from what
    # a suppressor leaves of it, and --ns would add its delay where none is needed.
    noise = sound.add_mutually_exclusive_group()
    noise.add_argument("--ns", action="store_true", help="suppress steady noise")
    noise.add_argument("--denoise", action="store_true", help=f"{DENOISE_HELP}, unlike --ns")
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


def show_devices() -> int:
    """Print the sound devices; raises DeviceError without PortAudio."""
    from q2d2_stream.audio import describe_devices, list_devices

    print(describe_devices(list_devices()))
    return 0

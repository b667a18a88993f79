"""The configuration file of ``q2d2-service``: TOML, flat, every key an option of ``q2d2-call``."""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from q2d2_stream.errors import InputError

__all__ = ["ServiceConfig", "load_config"]

_RATES = ("1.5", "3", "6")


@dataclass(frozen=True)
class ServiceConfig:
    """What the file says; None and False stand for the defaults of ``q2d2-call``.

    Attributes:
        listen, peer: address to wait at or to call; exactly one of them.
        secret_file: file with the secret, readable by its owner alone.
        tls_cert, tls_key, ca: PEM files.
        open: listen without a secret.
        input, output: sound devices, by index or part of the name.
        rate: "1.5", "3" or "6" kilobits per second.
        engine, precision: what runs the models.
        frames_per_message: 1 to 8.
        fixed_delay: milliseconds by which sound is held back.
        dtx, aec, ns, denoise, agc: as the options of these names.
        push_to_talk: GPIO pin of a button that opens the microphone while it is held.
    """

    listen: str | None = None
    peer: str | None = None
    secret_file: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    ca: str | None = None
    open: bool = False
    input: str | None = None
    output: str | None = None
    rate: str = "3"
    engine: str | None = None
    precision: str | None = None
    frames_per_message: int | None = None
    fixed_delay: float | None = None
    dtx: bool = False
    aec: bool = False
    ns: bool = False
    denoise: bool = False
    agc: bool = False
    push_to_talk: int | None = None

    def __post_init__(self) -> None:
        if (self.listen is None) == (self.peer is None):
            raise InputError("expected either listen or peer, an address such as 0.0.0.0:9000")
        if self.rate not in _RATES:
            raise InputError(f"rate is {self.rate!r}, expected {', '.join(_RATES)}")
        if self.frames_per_message is not None and not 1 <= self.frames_per_message <= 8:
            raise InputError(f"frames_per_message is {self.frames_per_message}, expected 1 to 8")
        if self.ns and self.denoise:
            raise InputError("ns and denoise are both true, expected one of them")
        if self.push_to_talk is not None and not 0 <= self.push_to_talk <= 27:
            raise InputError(
                f"push_to_talk is {self.push_to_talk}, expected the number of a GPIO pin, 0 to 27"
            )

    def to_arguments(self) -> list[str]:
        """The same as arguments of ``q2d2-call``."""
        arguments = ["--keep-listening"] if self.listen else []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "push_to_talk" or value is None or value is False:
                continue
            option = f"--{field.name.replace('_', '-')}"
            arguments.append(option if value is True else f"{option}={value}")
        if self.push_to_talk is not None:
            arguments.append("--mute")
        return arguments


def load_config(path: str | Path) -> ServiceConfig:
    """Read a configuration.

    Raises:
        InputError: not TOML, a key that does not exist, a value of the wrong kind or range, or a
            secret that others can read; one sentence that names the file.
        OSError: the file, or the secret's, cannot be read.
    """
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a TOML file: {error}") from error
    try:
        config = ServiceConfig(**{key: _value(key, value) for key, value in values.items()})
        if config.secret_file is not None:
            _check_private(config.secret_file)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return config


def _value(key: str, value: Any) -> Any:
    kinds = {field.name: str(field.type).removesuffix(" | None") for field in fields(ServiceConfig)}
    kind = kinds.get(key)
    if kind is None:
        raise InputError(f"there is no key {key!r}, expected one of {', '.join(kinds)}")
    if key == "rate" and type(value) in (int, float):
        return f"{value:g}"  # rate = 3 is what people write
    allowed = {"str": (str,), "bool": (bool,), "int": (int,), "float": (int, float)}[kind]
    if type(value) not in allowed:  # not isinstance: True is an int
        words = {"str": "a text in quotes", "bool": "true or false", "int": "a whole number"}
        raise InputError(f"{key} is {value!r}, expected {words.get(kind, 'a number')}")
    if value == "":
        raise InputError(f"{key} is empty, expected a text, or no such line")
    return value


def _check_private(path: str) -> None:
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if os.name == "posix" and mode & 0o077:
        raise InputError(
            f"others can read or change {path} (mode {mode:04o}), expected 0600: "
            f"run chmod 600 {path}"
        )

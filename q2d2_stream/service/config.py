"""The configuration file of ``q2d2-service``: TOML, flat, every key an option of ``q2d2 call``."""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from q2d2_stream.errors import InputError
from q2d2_stream.settings import CallSettings, option

__all__ = ["ServiceConfig", "load_config"]


@dataclass(frozen=True, kw_only=True)
class ServiceConfig(CallSettings):
    """The settings of a call that nobody sits at; see :class:`q2d2_stream.settings.CallSettings`.

    Attributes:
        push_to_talk: GPIO pin of a button that opens the microphone while it is held.
    """

    push_to_talk: Annotated[int, Meta(ge=0, le=27)] | None = option(
        help="GPIO pin of a button that opens the microphone while it is held", group="sound"
    )

    def _check(self) -> None:
        super()._check()
        _ = self.address

    def to_arguments(self) -> list[str]:
        """The options of ``q2d2 call`` that come nearest: it has no button."""
        more = ["--keep-listening"] if self.listen and not self.keep_listening else []
        more += ["--mute"] if self.push_to_talk is not None and not self.mute else []
        return super().to_arguments() + more


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
        config = ServiceConfig.of(values)
        if config.secret_file is not None:
            _check_private(config.secret_file)
        if config.secret is not None:
            _check_private(str(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return config


def _check_private(path: str) -> None:
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if os.name == "posix" and mode & 0o077:
        raise InputError(
            f"others can read or change {path} (mode {mode:04o}), expected 0600: "
            f"run chmod 600 {path}"
        )

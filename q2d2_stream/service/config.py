"""The configuration file of ``q2d2-service``: TOML, flat, every key an option of ``q2d2 call``."""

# ruff: noqa: RUF009 (what option() returns is a field)

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from q2d2_stream.errors import InputError
from q2d2_stream.rooms.code import RoomCode
from q2d2_stream.rooms.link import RoomLink
from q2d2_stream.settings import CallSettings, Text, option

__all__ = ["ServiceConfig", "load_config"]


@dataclass(frozen=True, kw_only=True)
class ServiceConfig(CallSettings):
    """The settings of a call that nobody sits at; see :class:`q2d2_stream.settings.CallSettings`.

    Attributes:
        room: the link to a room to sit in; :func:`load_config` makes it the peer.
        room_file: a file that holds the link.
        push_to_talk: GPIO pin of a button that opens the microphone while it is held.
    """

    room: Text | None = option(help="link to a room to sit in", group="peer", metavar="LINK")
    room_file: Text | None = option(help="read the link from a file", group="peer", metavar="FILE")

    push_to_talk: Annotated[int, Meta(ge=0, le=27)] | None = option(
        help="GPIO pin of a button that opens the microphone while it is held", group="sound"
    )

    def _check(self) -> None:
        super()._check()
        _ = self.address
        if self.peer is not None and RoomCode.is_code(self.peer):
            raise InputError("the code of a room holds for ten minutes, expected its link: room")

    def to_arguments(self) -> list[str]:
        """The options of ``q2d2 call`` that come nearest: it has no button."""
        arguments = super().to_arguments()
        if self.peer is not None and RoomLink.is_link(self.peer):  # which is the key of the room
            shown = self.peer.partition("#")[0] + "#k=..."
            arguments = [each.replace(self.peer, shown) for each in arguments]
        more = ["--keep-listening"] if self.listen and not self.keep_listening else []
        more += ["--mute"] if self.push_to_talk is not None and not self.mute else []
        return arguments + more


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
        config = ServiceConfig.of(_with_room(values))
        for secret_file in (config.secret_file, config.room_file):
            if secret_file is not None:
                _check_private(secret_file)
        is_link = config.room is not None or RoomLink.is_link(str(values.get("peer", "")))
        if config.secret is not None or is_link:
            _check_private(str(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return config


def _with_room(values: dict[str, object]) -> dict[str, object]:
    """The link of ``room`` or ``room_file`` as the peer that it is."""
    named = [key for key in ("room", "room_file", "peer", "listen") if values.get(key)]
    if not {"room", "room_file"} & set(named):
        return values
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)} are given, expected one of them")
    link = str(values[named[0]])
    if named[0] == "room_file":
        link = Path(link).read_text(encoding="utf-8", errors="replace")
    return values | {"peer": str(RoomLink.parse(link))}


def _check_private(path: str) -> None:
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if os.name == "posix" and mode & 0o077:
        raise InputError(
            f"others can read or change {path} (mode {mode:04o}), expected 0600: "
            f"run chmod 600 {path}"
        )

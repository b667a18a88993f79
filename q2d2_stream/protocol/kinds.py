"""Numbers in messages: kinds, roles, capabilities, reasons (docs/reference/protocol.md)."""

from __future__ import annotations

from enum import IntEnum, IntFlag

__all__ = ["Capability", "Kind", "Reason", "Role"]


class Kind(IntEnum):
    """First byte of a handshake message, and of a control message once it is opened."""

    HELLO = 1
    AUTH = 2
    REJECT = 3
    BYE = 4
    PING = 17
    PONG = 18
    REPORT = 19
    MUTE = 20
    TEXT = 21
    ECHO = 24
    PATH_PROBE = 25
    PATH_ANSWER = 26


class Role(IntEnum):
    """Which side of the connection: the client dialled, the server listened."""

    CLIENT = 0
    SERVER = 1

    @property
    def other(self) -> Role:
        """The role that the peer must have."""
        return Role(1 - self)


class Capability(IntFlag):
    """What a side can do or says of itself; unknown bits are ignored."""

    DTX = 2  # may leave silence unsent
    RESUMES = 4  # carries on an earlier connection of this call: its sequence numbers go on
    UDP = 16  # may send and take audio as datagrams beside the connection
    CHANNEL = 8  # knows the TLS connection below, which goes into the keys when both sides do


class Reason(IntEnum):
    """Why a call was refused or has ended."""

    OTHER = 0
    ENDED = 1
    BUSY = 2
    VERSION = 3
    MODEL = 4
    RATES = 5
    SECRET = 6
    PROTOCOL = 7
    TIMEOUT = 8
    TAKEN_OVER = 9
    LOST = 10  # the connection broke; never sent

    @classmethod
    def from_code(cls, code: int) -> Reason:
        """The reason of a received byte; codes of later versions read as OTHER."""
        return cls(code) if code in cls._value2member_map_ else cls.OTHER

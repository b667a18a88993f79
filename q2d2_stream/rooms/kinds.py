"""Numbers in messages between members and relays (docs/reference/rooms.md)."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["RoomKind", "RoomReason"]


class RoomKind(IntEnum):
    """First byte of a message."""

    CHALLENGE = 32
    JOIN = 33
    WELCOME = 34
    REFUSED = 35
    JOINED = 36
    LEFT = 37
    MOVED = 38
    ROSTER = 39  # between relays only
    PING = 40
    PONG = 41
    CODE_OPEN = 42
    CODE_NUMBER = 43
    CODE_CLOSE = 44
    CODE_ASK = 45
    CODE_GUESS = 46
    CODE_ANSWER = 47
    AUDIO = 48  # of somebody who is not talking
    VOICE = 49  # of somebody who is
    CONTROL = 50
    CODE_CONFIRM = 51
    CODE_GRANT = 52
    CODE_CLAIM = 53  # between relays only, as the next two
    CODE_TAKEN = 54
    CODE_VIA = 55
    LAGGING = 56
    PATH_ASK = 57
    PATH_OFFER = 58
    LOSSY = 59


class RoomReason(IntEnum):
    """Why a relay lets nobody in, or somebody out."""

    OTHER = 0
    VERSION = 1
    PROOF = 2
    FULL = 3
    LIMIT = 4
    AGAIN = 5  # the nonce's number is taken: draw another and come again
    PROTOCOL = 6
    CODE = 7  # nobody in a room shows a code of that number

    @classmethod
    def from_code(cls, code: int) -> RoomReason:
        """The reason of a received byte; codes of later versions read as OTHER."""
        return cls(code) if code in cls._value2member_map_ else cls.OTHER

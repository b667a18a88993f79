"""A room within one relay: who is in it, here and elsewhere, and what is forwarded to whom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

from q2d2_stream.errors import HandshakeError, WireError
from q2d2_stream.relay.speakers import SpeakerSelector
from q2d2_stream.rooms.keys import member_id
from q2d2_stream.rooms.messages import (
    Audio,
    Control,
    Joined,
    Lagging,
    Left,
    RoomKind,
    Roster,
    Sent,
    Welcome,
    decode,
    encode,
)
from q2d2_stream.rooms.path_messages import Lossy

__all__ = ["Outlet", "Room", "RoomCounts"]

# A relay tells its roster every 2 s; one that was silent for three of them is gone.
ROSTER_S = 2.0
_EXPIRES_S = 6.5
_WORTH_TELLING, _HOPELESS = 0.02, 0.75


class Outlet(ABC):
    """The way to one member of this relay.

    Attributes:
        is_gone: whether the member has left.
    """

    is_gone = False

    def losses(self) -> float:
        """Share of the audio that the member was too slow for since this was last asked, 0 to 1."""
        return 0.0

    def loss(self) -> float:
        """Share of the datagrams to the member that was lost since this was last asked, 0 to 1."""
        return 0.0

    @abstractmethod
    def forward(self, data: bytes, *, audio: bool) -> None:
        """Send a message; audio may be dropped where the member is slow."""


@dataclass
class RoomCounts:
    """What a room counted, in messages."""

    received: int = 0
    forwarded: int = 0
    silenced: int = 0  # audio of members beyond those who may talk at once
    malformed: int = 0

    def __iadd__(self, other: RoomCounts) -> RoomCounts:
        self.received += other.received
        self.forwarded += other.forwarded
        self.silenced += other.silenced
        self.malformed += other.malformed
        return self


@dataclass
class _Elsewhere:
    nonces: tuple[bytes, ...]
    heard_at: float


class Room:
    """One room. Without sockets and clocks: ``now`` in seconds, what is to be told to the other
    relays is returned.

    Args:
        relay: 8 random bytes of this relay.
        speakers: how many may talk at once.
        members: how many may be in it.
    """

    def __init__(self, relay: bytes, speakers: int, members: int) -> None:
        self.counts = RoomCounts()
        self._relay, self._limit = relay, members
        self._here: dict[int, tuple[bytes, Outlet]] = {}
        self._elsewhere: dict[bytes, _Elsewhere] = {}
        self._speakers = SpeakerSelector(speakers)

    def __len__(self) -> int:
        return len(self._here) + sum(len(each.nonces) for each in self._elsewhere.values())

    @property
    def is_empty(self) -> bool:
        """Whether nobody of this relay is in it."""
        return not self._here

    @property
    def is_full(self) -> bool:
        """Whether one more is too many."""
        return len(self) >= self._limit

    def has(self, member: int) -> bool:
        """Whether the number is taken."""
        return member in {member_id(nonce) for nonce in self._nonces()}

    def join(self, nonce: bytes, outlet: Outlet) -> bytes:
        """Let a member in, tell it who is there and the others that it came.

        Returns what the other relays are to be told.
        """
        everybody = (*self._nonces(), nonce)
        outlet.forward(encode(Welcome(everybody)), audio=False)
        self._tell_here(encode(Joined(nonce)))
        self._here[member_id(nonce)] = (nonce, outlet)
        return self.roster()

    def leave(self, nonce: bytes) -> bytes:
        """A member has gone; returns what the other relays are to be told."""
        member = member_id(nonce)
        self._here.pop(member, None)
        self._speakers.remove(member)
        self._tell_here(encode(Left(member)))
        return self.roster()

    def roster(self) -> bytes:
        """What the other relays are told every :data:`ROSTER_S` seconds."""
        return encode(Roster(self._relay, tuple(nonce for nonce, _ in self._here.values())))

    def receive(self, sent: Sent, nonce: bytes, now: float) -> bytes | None:
        """A member of this relay has sent something; what the other relays are to be told."""
        self.counts.received += 1
        member = member_id(nonce)
        is_audio = sent.kind is not RoomKind.CONTROL
        if is_audio and not self._speakers.forwards(member, sent.kind is RoomKind.VOICE, now):
            self.counts.silenced += 1
            return None
        data = sent.forwarded(member)
        self._tell_here(data, but=member, audio=is_audio)
        return data

    def receive_from_bus(self, data: bytes, now: float) -> bool:
        """Another relay tells something; whether it should be answered with a roster."""
        try:
            message = decode(data)
        except (WireError, HandshakeError):
            self.counts.malformed += 1
            return False
        if isinstance(message, Roster):
            return self._on_roster(message, now)
        if isinstance(message, Audio) and message.member not in self._here:
            if self._speakers.forwards(message.member, message.voiced, now):
                self._tell_here(data, audio=True)
            else:
                self.counts.silenced += 1
        elif (isinstance(message, Control) and message.member not in self._here) or isinstance(
            message, Lagging | Lossy
        ):
            self._tell_here(data)
        return False

    def lagging(self) -> bytes | None:
        """Tell all who is lagging, once in a while; what the other relays are to be told.

        Who loses nearly all is not counted: shorter messages would not help, and one member's
        broken link is no reason for all others.
        """
        worst = _worst([outlet.losses() for _, outlet in self._here.values()])
        return self._tell(Lagging(round(100 * worst))) if worst >= _WORTH_TELLING else None

    def lossy(self) -> bytes | None:
        """The same of those who miss datagrams, against which talkers can repeat themselves."""
        worst = _worst([outlet.loss() for _, outlet in self._here.values()])
        return self._tell(Lossy(round(100 * worst))) if worst >= _WORTH_TELLING else None

    def tick(self, now: float) -> None:
        """Members of relays that are silent for too long are gone."""
        for relay, known in list(self._elsewhere.items()):
            if now - known.heard_at > _EXPIRES_S:
                del self._elsewhere[relay]
                self._tell_left(known.nonces)

    def _on_roster(self, roster: Roster, now: float) -> bool:
        if roster.relay == self._relay:
            return False
        known = self._elsewhere.get(roster.relay)
        before = known.nonces if known is not None else ()
        here = {nonce for nonce, _ in self._here.values()}
        nonces = tuple(nonce for nonce in roster.nonces if nonce not in here)
        if nonces:
            self._elsewhere[roster.relay] = _Elsewhere(nonces, now)
        else:
            self._elsewhere.pop(roster.relay, None)
        self._tell_left(nonce for nonce in before if nonce not in nonces)
        for nonce in nonces:
            if nonce not in before:
                self._tell_here(encode(Joined(nonce)))
        return known is None and bool(nonces)

    def _tell(self, message: Lagging | Lossy) -> bytes:
        data = encode(message)
        self._tell_here(data)
        return data

    def _tell_left(self, nonces: Iterable[bytes]) -> None:
        for nonce in nonces:
            self._speakers.remove(member_id(nonce))
            self._tell_here(encode(Left(member_id(nonce))))

    def _tell_here(self, data: bytes, *, but: int | None = None, audio: bool = False) -> None:
        for member, (_, outlet) in self._here.items():
            if member != but:
                outlet.forward(data, audio=audio)
                self.counts.forwarded += 1

    def _nonces(self) -> list[bytes]:
        elsewhere = [nonce for each in self._elsewhere.values() for nonce in each.nonces]
        return [*(nonce for nonce, _ in self._here.values()), *elsewhere]


def _worst(shares: Iterable[float]) -> float:
    """The most that somebody loses who can still be helped."""
    return max((share for share in shares if share <= _HOPELESS), default=0.0)

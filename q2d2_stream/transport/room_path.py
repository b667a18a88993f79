"""Datagrams between a member of a room and its relay. Both ends are the same, but that the relay
follows: it has no address before the member's first question."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from q2d2_stream.errors import SealError, WireError
from q2d2_stream.protocol.replay import unwrap
from q2d2_stream.rooms.datagrams import (
    Datagram,
    DatagramKind,
    DatagramOpener,
    DatagramSealer,
    EchoBody,
    PathBody,
)
from q2d2_stream.transport.datagram_path import DatagramPath
from q2d2_stream.transport.udp import Route, UdpEndpoint

__all__ = ["MEMBER_ECHO_S", "RELAY_ECHO_S", "PathOwner", "RoomPath"]

# Who talks steers by the relay's echoes; the relay wants to know no more than that its way works.
RELAY_ECHO_S, MEMBER_ECHO_S = 0.1, 0.15
# Without a new echo for so long beyond a round trip: three of a member's are missing. What only
# queues on a thin link is echoed late, but is.
_UNHEARD_S = 0.5
# A follower cannot make fewer bits of what it forwards. Where its datagrams stand in a queue for so
# long, echo after echo, the websocket is better: it holds back, and what is old is dropped.
_QUEUE_S, _QUEUE_ECHOES = 0.7, 4
_REST_S, _REST_MAX_S = 30.0, 240.0
# Fewer datagrams say nothing of how many are lost.
_LOSS_DATAGRAMS = 40
# Of so many messages a copy by the other way is known: some seconds of talk.
_KNOWN_MESSAGES = 128


class PathOwner(Protocol):
    """Whose datagrams they are."""

    def may_take(self, size: int, now: float) -> bool:
        """Whether something genuine of ``size`` bytes is within the other side's limits."""

    def on_message(self, message: bytes, now: float) -> None:
        """Audio has come, as the websocket would have brought it."""

    def on_echo(self, number: int, now: float) -> None:
        """The other side has the datagram of this number."""

    def on_sent(self, size: int, now: float) -> None:
        """A datagram of ``size`` bytes has gone."""

    def send_again(self, message: bytes) -> None:
        """Audio may be lost: the websocket should carry it."""


class RoomPath(DatagramPath):
    """One end.

    Args:
        endpoint: of the socket.
        owner: gets what comes.
        send_key, receive_key: of what this side, and the other, sends.
        now: seconds of ``time.monotonic``.
        echo_s: least time between echoes of what comes.
        is_ipv6, is_only, follows: as of :class:`DatagramPath`.

    Attributes:
        forged, replayed, malformed: datagrams that did not open, came before, or made no sense.
        copies: messages that came by the other way before.
    """

    def __init__(
        self,
        endpoint: UdpEndpoint,
        owner: PathOwner,
        send_key: bytes,
        receive_key: bytes,
        now: float,
        *,
        echo_s: float,
        is_ipv6: bool = False,
        is_only: bool = False,
        follows: bool = False,
    ) -> None:
        super().__init__(
            endpoint,
            self._seal_path,
            now,
            is_ipv6=is_ipv6,
            is_only=is_only,
            follows=follows,
        )
        self.forged = self.replayed = self.malformed = self.copies = 0
        self._known: deque[bytes] = deque(maxlen=_KNOWN_MESSAGES)
        self._owner = owner
        self._sealer, self._opener = DatagramSealer(send_key), DatagramOpener(receive_key)
        self._echo_s, self._next_echo = echo_s, now
        self._heard_at = now
        self._owes_echo: Route | None = None
        self._late_echoes = 0
        self._rest_s = _REST_S
        # The newest counter that was echoed and how many have come; the same when last counted.
        self._echoed = self._counted = (-1, 0)

    def take(self, data: bytes, route: Route, now: float) -> None:
        """A datagram has come from somewhere."""
        try:
            datagram = self._opener.open(data)
        except SealError as error:
            self.replayed += error.is_replay
            self.forged += not error.is_replay
            return
        # Only now: who forges an address must not use up what is another's.
        if not self._owner.may_take(len(data), now):
            return
        try:
            self._on_datagram(datagram, route, now)
        except WireError:
            self.malformed += 1

    def is_copy(self, message: bytes) -> bool:
        """Whether a member's audio, by websocket or as a datagram, has come by the other way."""
        start = message[1:3]  # of the seal: the number of the first frame, as far as it travels
        if start in self._known:
            self.copies += 1
            return True
        self._known.append(start)
        return False

    def send_message(self, message: bytes, now: float) -> int:
        """Send audio in place of the websocket; the number of its datagram."""
        number = self._sealer.next_counter
        data = self._sealer.seal_message(message)
        self.send(data, now, number=number, message=message)
        self._owner.on_sent(len(data), now)
        return number

    def tick(self, now: float) -> None:
        """Time has passed: probe, tell what came last, and notice where nothing is heard."""
        self._echo(now)
        if size := self.poll(now):
            self._owner.on_sent(size, now)
        silent_s = min(self.unheard_s(now), now - self._heard_at)
        if silent_s > self.patience_s + _UNHEARD_S:
            for message in self.doubt(now):
                self._owner.send_again(message)

    def loss(self) -> float | None:
        """Share of the datagrams that was lost on the way there, 0 to 1, since this was last asked
        and had an answer; None while they are few."""
        (number, received), (number_before, received_before) = self._echoed, self._counted
        sent = number - number_before
        if sent < _LOSS_DATAGRAMS:
            return None
        self._counted = self._echoed
        return min(1.0, max(0.0, 1 - ((received - received_before) & 0xFFFF) / sent))

    def _on_datagram(self, datagram: Datagram, route: Route, now: float) -> None:
        if datagram.kind is DatagramKind.PATH:
            self._on_path(PathBody.from_bytes(datagram.body), route, now)
        elif datagram.kind is DatagramKind.ECHO:
            self._on_echo(EchoBody.from_bytes(datagram.body), now)
        else:
            self._owes_echo = route
            self._echo(now)
            self._owner.on_message(datagram.message, now)

    def _echo(self, now: float) -> None:
        """Say what has come, unless that is said or was just now."""
        route = self._owes_echo
        if route is None or now < self._next_echo:
            return
        self._owes_echo, self._next_echo = None, now + self._echo_s
        data = self._sealer.seal(DatagramKind.ECHO, self._opener.echo.to_bytes())
        route.send(data)
        self._owner.on_sent(len(data), now)

    def _on_echo(self, echo: EchoBody, now: float) -> None:
        if not echo.received:
            return
        number = unwrap(echo.newest, self._sealer.next_counter - 1)
        if not self._echoed[0] < number < self._sealer.next_counter:
            return
        self._echoed, self._heard_at = (number, echo.received), now
        if self._follows and self.carries_audio:
            self._watch_queue(now)
        self.arrived(number)
        self._owner.on_echo(number, now)

    def _watch_queue(self, now: float) -> None:
        is_late = self.unheard_s(now) > self.least_rtt_s + _QUEUE_S
        self._late_echoes = self._late_echoes + 1 if is_late else 0
        if self._late_echoes >= _QUEUE_ECHOES:
            self._late_echoes = 0
            self.rest(now, self._rest_s)
            self._rest_s = min(2 * self._rest_s, _REST_MAX_S)

    def _on_path(self, body: PathBody, route: Route, now: float) -> None:
        self._on_echo(body.echo, now)
        if body.answer:
            self.answered(body.answer, route, now)
        if body.ask:
            carried = self.carries_audio
            self._owner.on_sent(self.probed(body.ask, route, now), now)
            if carried and not self.carries_audio:  # the other side has another address
                for message in self.take_recent(now):
                    self._owner.send_again(message)

    def _seal_path(self, ask: int | None, answer: int | None) -> bytes:
        body = PathBody(ask or 0, answer or 0, self._opener.echo)
        data = self._sealer.seal(DatagramKind.PATH, body.to_bytes())
        return data if answer is None else self._endpoint.named(data)

"""The path beside a connection's websocket: audio as datagrams, while that works."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from q2d2_stream.sending import UdpLink
from q2d2_stream.transport.udp import Route, UdpEndpoint
from q2d2_stream.transport.udp_path import PathState, UdpPath

__all__ = ["DatagramPath"]

# What a path that died may have swallowed: longer than it takes to notice.
_RESEND_S = 1.2


class DatagramPath:
    """Probes, answers, and audio with a copy of what went last.

    Args:
        endpoint: of the socket.
        seal: makes a datagram that asks with one number, answers another, or does both; None for
            what it does not do.
        now: seconds of ``time.monotonic``.
        is_ipv6: for what a datagram costs.
        is_only: audio never goes by the websocket.
        follows: as of :class:`UdpPath`: answers carry the challenges.

    Attributes:
        link: what a datagram costs.
    """

    def __init__(
        self,
        endpoint: UdpEndpoint,
        seal: Callable[[int | None, int | None], bytes],
        now: float,
        *,
        is_ipv6: bool = False,
        is_only: bool = False,
        follows: bool = False,
    ) -> None:
        self.link = UdpLink(is_ipv6)
        self._endpoint = endpoint
        self._seal = seal
        self._path = UdpPath(now, follows=follows)
        self._is_only, self._follows = is_only, follows
        # When it went, the number of its datagram, and what the websocket would carry.
        self._recent: deque[tuple[float, int, bytes]] = deque()
        self._unheard_since: float | None = None

    @property
    def state(self) -> PathState:
        """Where the path stands."""
        return self._path.state

    @property
    def failures(self) -> int:
        """Times that the path was given up."""
        return self._path.failures

    @property
    def carries_audio(self) -> bool:
        """Whether audio goes this way."""
        return self._path.carries_audio

    @property
    def needs_websocket(self) -> bool:
        """Whether audio goes by the websocket, alone or too."""
        return self._path.needs_websocket and not self._is_only

    @property
    def deadline(self) -> float:
        """When :meth:`poll` wants to be called next."""
        return self._path.deadline if self._endpoint.can_probe else float("inf")

    @property
    def patience_s(self) -> float:
        """A round trip that is seldom exceeded."""
        return self._path.patience_s

    @property
    def least_rtt_s(self) -> float:
        """The least round trip of a probe so far; infinite before the first."""
        return self._path.least_rtt_s

    def rest(self, now: float, seconds: float) -> None:
        """Leave the audio to the websocket for so long."""
        self._path.rest(now, seconds)
        self._recent.clear()
        self._unheard_since = None

    def poll(self, now: float) -> int:
        """Send a probe if one is due; how many bytes went."""
        if not self._endpoint.can_probe or (number := self._path.probe(now)) is None:
            return 0
        return self._endpoint.send_probe(self._seal(number, None))

    def probed(self, number: int, route: Route, now: float) -> int:
        """A genuine probe has come; how many bytes went in return."""
        if self._endpoint.admit(route):
            self._path.moved(now)
        data = self._seal(self._path.challenge(now) if self._follows else None, number)
        route.send(data)
        return len(data)

    def answered(self, number: int, route: Route, now: float) -> None:
        """A genuine answer has come."""
        if self._path.answered(number, now):
            self._endpoint.prove(route)

    def send(self, data: bytes, now: float, *, number: int = 0, message: bytes = b"") -> None:
        """Send sealed audio.

        Args:
            data: the datagram.
            now: seconds.
            number: of the datagram, ascending, where the other side tells which have come.
            message: what the websocket carries in its place, where it is not the same.
        """
        self._endpoint.send(data)
        self._recent.append((now, number, message or data))
        if self._unheard_since is None:
            self._unheard_since = now
        while now - self._recent[0][0] > _RESEND_S:
            self._recent.popleft()

    def arrived(self, number: int) -> None:
        """The datagrams up to ``number`` have come, or are lost and missed."""
        recent = self._recent
        while recent and recent[0][1] <= number:
            recent.popleft()
        self._unheard_since = recent[0][0] if recent else None

    def unheard_s(self, now: float) -> float:
        """Age of the oldest audio of which nothing is known; 0 where there is none."""
        return 0.0 if self._unheard_since is None else now - self._unheard_since

    def doubt(self, now: float, *, is_thin: bool = False) -> list[bytes]:
        """The peer has not echoed what went last: audio that the websocket should carry again.

        ``is_thin``: the link carries less than the best setting, and has no room for both ways.
        """
        if not self._path.doubt(now, is_thin=is_thin and not self._is_only) or self._is_only:
            return []
        return self.take_recent(now)

    def take_recent(self, now: float) -> list[bytes]:
        """What went last and may be lost, once."""
        again = [message for at, _, message in self._recent if now - at <= _RESEND_S]
        self._recent.clear()
        self._unheard_since = None
        return again

    def close(self) -> None:
        """Leave the path."""
        self._endpoint.close()

"""The path beside a connection's websocket: audio as datagrams, while that works."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from q2d2_stream.protocol import PathAnswer, PathProbe
from q2d2_stream.sending import UdpLink
from q2d2_stream.transport.udp import Route, UdpEndpoint
from q2d2_stream.transport.udp_path import PathState, UdpPath

__all__ = ["DatagramPath"]

# What a path that died may have swallowed: as long as it takes to notice.
_RESEND_S = 0.8


class DatagramPath:
    """Probes, answers, and audio with a copy of what went last.

    Args:
        endpoint: of the socket.
        seal: seals a path message.
        now: seconds of ``time.monotonic``.
        is_ipv6: for what a datagram costs.
        is_only: audio never goes by the websocket.

    Attributes:
        link: what a datagram costs.
    """

    def __init__(
        self,
        endpoint: UdpEndpoint,
        seal: Callable[[PathProbe], bytes],
        now: float,
        *,
        is_ipv6: bool = False,
        is_only: bool = False,
    ) -> None:
        self.link = UdpLink(is_ipv6)
        self._endpoint = endpoint
        self._seal = seal
        self._path = UdpPath(now)
        self._is_only = is_only
        self._recent: deque[tuple[float, bytes]] = deque()

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

    def poll(self, now: float) -> int:
        """Send a probe if one is due; how many bytes went."""
        if not self._endpoint.can_probe or (number := self._path.probe(now)) is None:
            return 0
        data = self._seal(PathProbe(number))
        self._endpoint.send_probe(data)
        return len(data)

    def probed(self, probe: PathProbe, route: Route, now: float) -> int:
        """A genuine probe or answer has come; how many bytes went in return."""
        if isinstance(probe, PathAnswer):
            if self._path.answered(probe.number, now):
                self._endpoint.prove(route)
            return 0
        if self._endpoint.admit(route):
            self._path.moved(now)
        data = self._seal(PathAnswer(probe.number))
        route.send(data)
        return len(data)

    def send(self, data: bytes, now: float) -> None:
        """Send sealed audio."""
        self._endpoint.send(data)
        self._recent.append((now, data))
        while now - self._recent[0][0] > _RESEND_S:
            self._recent.popleft()

    def doubt(self, now: float) -> list[bytes]:
        """The peer has not echoed what went last: audio that the websocket should carry again."""
        if not self._path.doubt(now) or self._is_only:
            return []
        again = [data for at, data in self._recent if now - at <= _RESEND_S]
        self._recent.clear()
        return again

    def close(self) -> None:
        """Leave the path."""
        self._endpoint.close()

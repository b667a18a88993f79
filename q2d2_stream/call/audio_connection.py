"""What a call's parts need of a connection, whether it is to a peer or to a relay."""

from __future__ import annotations

from typing import Protocol

from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import Counters, Direction, Mute, Text
from q2d2_stream.sending import Link, WireMeter

__all__ = ["AudioConnection"]


class AudioConnection(Protocol):
    """A connection that is established."""

    began: float
    received_messages: int
    sent: WireMeter
    received: WireMeter

    @property
    def sending(self) -> Direction:
        """How this side sends."""

    @property
    def frames_per_message(self) -> int:
        """The fewest frames per message."""

    @property
    def link(self) -> Link:
        """What audio costs the way that it goes now."""

    @property
    def path_name(self) -> str:
        """What carries the audio now: "websocket", "udp" or "serial"."""

    @property
    def path_failures(self) -> int:
        """Times that datagrams got through no longer."""

    @property
    def counters(self) -> Counters:
        """What the session counted."""

    @property
    def rtt_s(self) -> float | None:
        """Latest round trip in seconds."""

    @property
    def rtt_min_s(self) -> float | None:
        """Least round trip so far."""

    def carried_bps(self) -> float | None:
        """Bits per second at which the handshake went; None where nothing was measured."""

    def buffered_bytes(self) -> int:
        """Bytes of audio, and what waits before it, that have not left this machine."""

    def doubt_datagrams(self, *, is_thin: bool = False) -> None:
        """Nothing of what was sent is echoed.

        ``is_thin``: the link carries less than the best setting.
        """

    def send_audio(self, frames: AudioFrames, *, copies: bool = False) -> int:
        """Send frames; bytes of the message, 0 when the connection is not established."""

    def send(self, message: Mute | Text) -> bool:
        """Send a message; False, and nothing sent, unless the connection is established."""

"""What a session lets its peer do, and the token bucket that keeps it to that."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MAX_MESSAGE_BYTES", "Limits", "TokenBucket"]

MAX_MESSAGE_BYTES = 2048


@dataclass(frozen=True)
class Limits:
    """Bounds of one session, before and after the handshake.

    The bursts let a link that was stalled for some seconds deliver its backlog at once: 20
    seconds of audio pass. Everything beyond is dropped and counted.

    Attributes:
        handshake_s: seconds for the whole handshake.
        handshake_messages: messages accepted during the handshake.
        handshake_bytes: size of one message during the handshake.
        message_bytes: size of one message afterwards; give it to the websocket as max_size.
        messages_per_s, messages_burst: token bucket of all messages.
        audio_frames_per_s, audio_frames_burst: token bucket of audio frames; a sender makes 75.
        malformed_per_s, malformed_burst: malformed messages beyond these end the call.
        outgoing_messages: messages kept in :meth:`Session.data_to_send`.
        ping_s: seconds between pings, where no echo tells more.
        echo_s: seconds between echoes that ride on audio; None: no echoes, on a line whose
            speed is known or that only one side can use at a time.
        echo_alone_s: seconds after which an echo that found no audio to ride on goes alone.
        report_alone_s: the same for a report.
        idle_s: seconds of nothing heard after which the link counts as broken.
        retransmit_s: on transports that lose messages, seconds after which a message of the
            handshake is sent again; None: nothing is lost.
    """

    handshake_s: float = 5.0
    handshake_messages: int = 8
    handshake_bytes: int = 768
    message_bytes: int = MAX_MESSAGE_BYTES
    messages_per_s: float = 200.0
    messages_burst: float = 2000.0
    audio_frames_per_s: float = 100.0
    audio_frames_burst: float = 1500.0
    malformed_per_s: float = 1.0
    malformed_burst: float = 50.0
    outgoing_messages: int = 256
    ping_s: float = 2.0
    echo_s: float | None = 0.1
    echo_alone_s: float = 0.25
    report_alone_s: float = 1.0
    idle_s: float = 15.0
    retransmit_s: float | None = None


class TokenBucket:
    """Allows ``per_s`` tokens per second and ``burst`` at once; ``now`` in seconds."""

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._now = now

    def take(self, tokens: float, now: float) -> bool:
        """Take ``tokens`` if there are as many; False, and none taken, if not."""
        elapsed = max(0.0, now - self._now)
        self._now = max(self._now, now)
        self._tokens = min(self._burst, self._tokens + elapsed * self._per_s)
        if tokens > self._tokens:
            return False
        self._tokens -= tokens
        return True

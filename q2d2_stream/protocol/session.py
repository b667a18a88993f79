"""One side of one connection, without sockets or clocks: bytes and times in, events and bytes out.

As python-websockets' ``Protocol``: the owner feeds :meth:`Session.receive_data` with what the
websocket delivers, calls :meth:`Session.tick` when :attr:`Session.deadline` is reached, and after
either sends what :meth:`Session.data_to_send` holds.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from q2d2_stream.errors import HandshakeError, WireError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol.audio import frames_to_message, message_to_frames
from q2d2_stream.protocol.counters import Counters
from q2d2_stream.protocol.events import Closed, Established, Event
from q2d2_stream.protocol.handshake import Endpoint, Handshake, Refusal
from q2d2_stream.protocol.hello import Bye, Refuse
from q2d2_stream.protocol.kinds import Kind, Reason, Role
from q2d2_stream.protocol.limits import Limits, TokenBucket
from q2d2_stream.protocol.messages import (
    Audio,
    Message,
    Mute,
    Ping,
    Pong,
    ReceiverReport,
    Text,
    Unknown,
    decode,
    encode,
)
from q2d2_stream.protocol.registry import Call, CallRegistry
from q2d2_stream.protocol.round_trip import RoundTrip
from q2d2_stream.protocol.sequence import Verdict

__all__ = ["Session", "State"]


class State(Enum):
    """Where a session stands; it only moves forward."""

    HANDSHAKE = "handshake"
    AUTH = "auth"
    ESTABLISHED = "established"
    CLOSED = "closed"


class Session:
    """The protocol state machine of one connection; see docs/reference/protocol.md.

    Args:
        endpoint: what this end brings along.
        role: CLIENT when this side dialled, SERVER when it listened.
        now: seconds, from any monotonic origin; the handshake's time begins to run.
        call: the client's call; the same object on every reconnection.
        registry: the server's calls; the same object for all its sessions.
        limits: what the peer may do.
        nonce: 16 bytes instead of random ones, for tests.

    Raises InputError when the arguments do not fit together; after that no method raises
    anything, whatever the peer sends.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        role: Role,
        now: float,
        *,
        call: Call | None = None,
        registry: CallRegistry | None = None,
        limits: Limits | None = None,
        nonce: bytes | None = None,
    ) -> None:
        self.counters = Counters()
        self._config = endpoint.config
        self._rates = endpoint.rates
        self._limits = limits if limits is not None else Limits()
        self._lobby = registry
        self._handshake = Handshake(endpoint, role, call=call, registry=registry, nonce=nonce)
        self._state = State.HANDSHAKE
        self._started = now
        self._last_heard = now
        self._next_ping = now
        self._established: Established | None = None
        self._connection = 0
        self._outgoing: deque[bytes] = deque()
        self._round_trip = RoundTrip()
        limits = self._limits
        self._messages = TokenBucket(limits.messages_per_s, limits.messages_burst, now)
        self._frames = TokenBucket(limits.audio_frames_per_s, limits.audio_frames_burst, now)
        self._malformed = TokenBucket(limits.malformed_per_s, limits.malformed_burst, now)
        for message in self._handshake.open():
            self._send(message)

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._state

    @property
    def established(self) -> Established | None:
        """What the handshake agreed on; None before."""
        return self._established

    @property
    def rtt_s(self) -> float | None:
        """Latest round-trip time in seconds; None before the first pong."""
        return self._round_trip.rtt_s

    def unanswered_s(self, now: float) -> float:
        """Seconds since the oldest ping that has no answer yet; 0 when all are answered.

        It grows as soon as the link stalls, when no new round trip can be measured.
        """
        return self._round_trip.unanswered_s(now)

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` wants to be called next; None when closed."""
        if self._state is State.CLOSED:
            return None
        if self._state is State.ESTABLISHED:
            return min(self._next_ping, self._last_heard + self._limits.idle_s)
        return self._started + self._limits.handshake_s

    def data_to_send(self) -> list[bytes]:
        """Messages to send, in order, each as one binary websocket message; empties the list."""
        data = list(self._outgoing)
        self._outgoing.clear()
        return data

    def receive_data(self, data: bytes | str, now: float) -> list[Event]:
        """One whole websocket message has come; a text message (``str``) is malformed."""
        if self._state is State.CLOSED:
            return []
        taken_over = self._check_taken_over(now)
        if taken_over:
            return taken_over
        self.counters.received += 1
        self.counters.received_bytes += len(data)
        # The protocol has no text messages: one is as malformed as an empty binary one.
        binary = b"" if isinstance(data, str) else bytes(data)
        if self._state is State.ESTABLISHED:
            return self._receive_established(binary, now)
        return self._receive_handshake(binary, now)

    def tick(self, now: float) -> list[Event]:
        """Time has passed: deadlines are checked and pings made."""
        if self._state is State.CLOSED:
            return []
        if self._state is not State.ESTABLISHED:
            seconds = self._limits.handshake_s
            if now < self._started + seconds:
                return []
            return self._refuse(
                Reason.TIMEOUT, f"the handshake took longer than {seconds:g} seconds", now
            )
        taken_over = self._check_taken_over(now)
        if taken_over:
            return taken_over
        seconds = self._limits.idle_s
        if now >= self._last_heard + seconds:
            text = f"nothing was heard for {seconds:g} seconds"
            return self._end(Bye(Reason.TIMEOUT, text), now)
        if now >= self._next_ping:
            self._next_ping = now + self._limits.ping_s
            self._send(self._round_trip.ping(now))
        return []

    def send_audio(self, frames: AudioFrames) -> bool:
        """Queue frames for sending; False, and nothing queued, unless established.

        Raises InputError when the frames do not fit the configuration.
        """
        coder = self._established.coder if self._established is not None else None
        message = frames_to_message(frames, self._config, coder)
        if self._state is not State.ESTABLISHED or not self._send(message):
            return False
        self.counters.sent_frames += message.frames
        return True

    def send(self, message: ReceiverReport | Mute | Text) -> bool:
        """Queue a message; False, and nothing queued, unless established."""
        return self._state is State.ESTABLISHED and self._send(message)

    def close(self, now: float, text: str = "the call has ended") -> list[Event]:
        """Say bye and end the call for good."""
        if self._state is State.CLOSED:
            return []
        return self._end(Bye(Reason.ENDED, text), now)

    def connection_lost(self, now: float) -> list[Event]:
        """The connection broke; the call may come back on another one."""
        if self._state is State.CLOSED:
            return []
        return self._closed(Closed(Reason.LOST, "the connection broke", by_peer=False), now)

    def _receive_handshake(self, data: bytes, now: float) -> list[Event]:
        limits = self._limits
        if self.counters.received > limits.handshake_messages:
            text = f"more than {limits.handshake_messages} messages came during the handshake"
            return self._refuse(Reason.PROTOCOL, text, now)
        if len(data) > limits.handshake_bytes:
            text = (
                f"a message of {len(data)} bytes came during the handshake, "
                f"expected at most {limits.handshake_bytes}"
            )
            return self._refuse(Reason.PROTOCOL, text, now)
        try:
            message = decode(data)
            if isinstance(message, Unknown):
                self.counters.unknown += 1
                return []
            if isinstance(message, Refuse | Bye):
                return self._closed(Closed(message.reason, message.text, by_peer=True), now)
            replies, established = self._handshake.receive(message, data, now)
        except Refusal as refusal:
            return self._refuse(refusal.reason, str(refusal), now)
        except HandshakeError as error:
            return self._refuse(Reason.VERSION, str(error), now)
        except WireError as error:
            self.counters.malformed += 1
            return self._refuse(Reason.PROTOCOL, str(error), now)
        for reply in replies:
            self._send(reply)
        if established is None:
            self._state = State.AUTH
            return []
        self._state = State.ESTABLISHED
        self._established = established
        self._connection = established.call.connections
        self._last_heard = now
        self._next_ping = now
        return [established]

    def _receive_established(self, data: bytes, now: float) -> list[Event]:
        self._last_heard = now
        if not self._messages.take(1, now):
            self.counters.rate_limited += 1
            return []
        try:
            if len(data) > self._limits.message_bytes:
                raise WireError(
                    f"a message has {len(data)} bytes, expected at most "
                    f"{self._limits.message_bytes}"
                )
            return self._on_message(decode(data), now)
        except WireError as error:
            self.counters.malformed += 1
            if self._malformed.take(1, now):
                return []
            text = f"too many malformed messages came, the last because {error}"
            return self._end(Bye(Reason.PROTOCOL, text), now)

    def _on_message(self, message: Message | Unknown, now: float) -> list[Event]:
        if isinstance(message, Unknown):
            self.counters.unknown += 1
            return []
        if isinstance(message, Audio):
            return self._on_audio(message, now)
        if isinstance(message, ReceiverReport | Mute | Text):
            return [message]
        if isinstance(message, Ping):
            self._send(Pong(message.time_us))
            return []
        if isinstance(message, Pong):
            if not self._round_trip.pong(message, now):
                self.counters.out_of_place += 1
            return []
        if isinstance(message, Bye):
            return self._closed(Closed(message.reason, message.text, by_peer=True), now)
        self.counters.out_of_place += 1
        return []

    def _on_audio(self, message: Audio, now: float) -> list[Event]:
        if not self._frames.take(message.frames, now):
            self.counters.rate_limited += 1
            return []
        if message.rate not in self._rates:
            raise WireError(f"audio has rate {message.rate}, expected one of {self._rates}")
        assert self._established is not None
        frames = message_to_frames(message, self._config, self._established.coder)
        verdict = self._established.call.window.accept(message.sequence, message.frames)
        if verdict is Verdict.DUPLICATE:
            self.counters.duplicate += 1
            return []
        if verdict is Verdict.OUT_OF_WINDOW:
            self.counters.out_of_window += 1
            return []
        self.counters.received_frames += message.frames
        return [frames]

    def _send(self, message: Message) -> bool:
        # The last word is sent even when the owner has let the queue fill.
        last_word = message.KIND in (Kind.BYE, Kind.REFUSE)
        if len(self._outgoing) >= self._limits.outgoing_messages and not last_word:
            self.counters.not_sent += 1
            return False
        data = encode(message)
        self._outgoing.append(data)
        self.counters.sent += 1
        self.counters.sent_bytes += len(data)
        return True

    def _check_taken_over(self, now: float) -> list[Event]:
        if self._established is None or self._established.call.connections == self._connection:
            return []
        text = "a newer connection carries this call on"
        return self._end(Bye(Reason.TAKEN_OVER, text), now)

    def _refuse(self, reason: Reason, text: str, now: float) -> list[Event]:
        return self._end(Refuse(reason, text), now)

    def _end(self, message: Bye | Refuse, now: float) -> list[Event]:
        self._send(message)
        return self._closed(Closed(message.reason, message.text, by_peer=False), now)

    def _closed(self, event: Closed, now: float) -> list[Event]:
        self._state = State.CLOSED
        if (
            self._lobby is not None
            and self._established is not None
            and self._established.call.connections == self._connection
        ):
            may_return = event.reason in (Reason.LOST, Reason.TIMEOUT)
            self._lobby.leave(self._established.call, now, ended=not may_return)
        return [event]

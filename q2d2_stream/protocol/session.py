"""One side of one connection, without sockets or clocks: bytes and times in, events and bytes out.

As python-websockets' ``Protocol``: the owner feeds :meth:`Session.receive_data` with what the
transport delivers, calls :meth:`Session.tick` when :attr:`Session.deadline` is reached, and after
either sends what :meth:`Session.data_to_send` holds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum

from q2d2_stream.errors import HandshakeError, SealError, WireError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.packet import Toc
from q2d2_stream.protocol.audio import AudioBody, AudioReader, AudioWriter
from q2d2_stream.protocol.counters import Counters
from q2d2_stream.protocol.echoes import Echoes
from q2d2_stream.protocol.endpoint import Direction, Endpoint
from q2d2_stream.protocol.events import Closed, Established, Event, Exchange
from q2d2_stream.protocol.handshake import Handshake, Rejection
from q2d2_stream.protocol.hello import Bye, Reject
from q2d2_stream.protocol.key_exchange import KeyExchange
from q2d2_stream.protocol.kinds import Kind, Reason, Role
from q2d2_stream.protocol.limits import Limits, TokenBucket
from q2d2_stream.protocol.messages import (
    Echo,
    Message,
    Mute,
    PathProbe,
    Ping,
    Pong,
    ReceiverReport,
    Text,
    Unknown,
    decode,
    encode,
)
from q2d2_stream.protocol.registry import Call, CallRegistry
from q2d2_stream.protocol.retransmission import Retransmission
from q2d2_stream.protocol.round_trip import RoundTrip
from q2d2_stream.protocol.sealing import Opened, Sealing, Stream, is_sealed
from q2d2_stream.protocol.sequence import Verdict

__all__ = ["Session", "State"]

# What may stand under the short tag of an audio message.
_RIDERS = (Echo, ReceiverReport, Ping, Pong)


class State(Enum):
    """Where a session stands; it only moves forward."""

    HANDSHAKE = "handshake"
    AUTH = "auth"
    ESTABLISHED = "established"
    CLOSED = "closed"


@dataclass(frozen=True)
class _Open:
    """What a session works with once it is established."""

    established: Established
    sealing: Sealing
    writer: AudioWriter
    reader: AudioReader
    connection: int  # the call's count of them, which tells when a newer one carries it on


class Session:
    """The protocol state machine of one connection; see docs/reference/protocol.md.

    Args:
        endpoint: what this end brings along.
        role: CLIENT when this side dialled, SERVER when it listened.
        now: seconds, from any monotonic origin; the handshake's time begins to run.
        call: the client's call; the same object on every reconnection.
        registry: the server's calls; the same object for all its sessions.
        limits: what the peer may do.
        channel: what names the TLS connection below; empty without one.
        nonce, exchange: in place of random ones, for tests.

    Attributes:
        counters: what came, went and was dropped.
        has_guessed_wrong: the peer has taken a secret for this side's that it is not.

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
        channel: bytes = b"",
        nonce: bytes | None = None,
        exchange: KeyExchange | None = None,
    ) -> None:
        self.counters = Counters()
        self.has_guessed_wrong = False
        self._role = role
        self._limits = limits if limits is not None else Limits()
        self._registry = registry
        self._handshake = Handshake(
            endpoint,
            role,
            call=call,
            registry=registry,
            channel=channel,
            nonce=nonce,
            exchange=exchange,
        )
        self._state = State.HANDSHAKE
        self._started = now
        self._last_heard = now
        self._next_ping = now
        self._opened: _Open | None = None
        self._outgoing: deque[bytes] = deque()
        self._round_trip = RoundTrip()
        limits = self._limits
        self._echoes = (
            Echoes(limits.echo_s, limits.echo_alone_s) if limits.echo_s is not None else None
        )
        self._report: tuple[ReceiverReport, float] | None = None  # waits for audio, since when
        self._asked: tuple[int, float] | None = None  # bytes of a hello, when it was sent
        self._exchange: Exchange | None = None
        self._retransmission = (
            Retransmission(limits.retransmit_s) if limits.retransmit_s is not None else None
        )
        self._handshake_messages = 0
        self._messages = TokenBucket(limits.messages_per_s, limits.messages_burst, now)
        self._frames = TokenBucket(limits.audio_frames_per_s, limits.audio_frames_burst, now)
        self._malformed = TokenBucket(limits.malformed_per_s, limits.malformed_burst, now)
        self._send_handshake(self._handshake.open(), now)

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._state

    @property
    def established(self) -> Established | None:
        """What the handshake agreed on; None before."""
        return self._opened.established if self._opened is not None else None

    @property
    def _open(self) -> _Open:
        assert self._opened is not None, "the session is not established"
        return self._opened

    @property
    def rtt_s(self) -> float | None:
        """Latest round-trip time in seconds, of audio or of a ping; None before the first."""
        of_audio = self._echoes.rtt_s if self._echoes is not None else None
        return of_audio if of_audio is not None else self._round_trip.rtt_s

    def unanswered_s(self, now: float) -> float:
        """Seconds since the oldest ping that has no answer yet; 0 when all are answered.

        It grows as soon as the link stalls, when no new round trip can be measured.
        """
        return self._round_trip.unanswered_s(now)

    def silent_s(self, now: float) -> float:
        """Seconds since something genuine came from the peer."""
        return max(0.0, now - self._last_heard)

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` wants to be called next; None when closed."""
        if self._state is State.CLOSED:
            return None
        if self._state is State.ESTABLISHED:
            times = [self._next_ping, self._last_heard + self._limits.idle_s]
            if self._echoes is not None and (alone := self._echoes.deadline) is not None:
                times.append(alone)
            if self._report is not None:
                times.append(self._report[1] + self._limits.report_alone_s)
            return min(times)
        end = self._started + self._limits.handshake_s
        again = self._retransmission.deadline if self._retransmission is not None else None
        return end if again is None else min(end, again)

    def data_to_send(self) -> list[bytes]:
        """Messages to send, in order, each whole; empties the list."""
        data = list(self._outgoing)
        self._outgoing.clear()
        return data

    def receive_data(self, data: bytes | str, now: float) -> list[Event]:
        """One whole message has come; a websocket's text message (``str``) is malformed."""
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
            if now >= self._started + seconds:
                text = f"the handshake took longer than {seconds:g} seconds"
                return self._reject(Reason.TIMEOUT, text, now)
            if self._retransmission is not None:
                self._outgoing += self._retransmission.due(now)
            return []
        taken_over = self._check_taken_over(now)
        if taken_over:
            return taken_over
        seconds = self._limits.idle_s
        if now >= self._last_heard + seconds:
            text = f"nothing was heard for {seconds:g} seconds"
            return self._end(Bye(Reason.TIMEOUT, text), now)
        if self._echoes is not None and (echo := self._echoes.to_go_alone(now)) is not None:
            self._send(echo)
        if self._report is not None and now >= self._report[1] + self._limits.report_alone_s:
            self._send(self._report[0])
            self._report = None
        if now >= self._next_ping:
            heard_at = self._echoes.heard_at if self._echoes is not None else None
            if heard_at is None or now - heard_at >= self._limits.ping_s:
                self._send(self._round_trip.ping(now))
                heard_at = now
            self._next_ping = heard_at + self._limits.ping_s
        return []

    def send_audio(self, frames: AudioFrames, now: float, *, copies: bool = False) -> bool:
        """Queue frames for sending; False, and nothing queued, unless established.

        Args:
            frames: consecutive ones.
            now: seconds, from any monotonic origin.
            copies: whether to repeat the message before at the lowest rate.

        Raises InputError when the frames do not fit the model, or come in another order than
        that of their numbers.
        """
        if self._state is not State.ESTABLISHED or not self._has_room():
            return False
        body = self._open.writer.write(frames, rider=self._rider(now), copies=copies)
        if self._echoes is not None:
            self._echoes.sent(frames.sequence, now)
        self._queue(self._open.sealing.seal_audio(frames.sequence, body.to_bytes()))
        self.counters.sent_frames += body.toc.frames
        self.counters.sent_payload_bytes += len(body.packet) - 1
        self.counters.sent_nominal_bits += _nominal_bits(self._open.established.sending, body.toc)
        return True

    def send(self, message: ReceiverReport | Mute | Text) -> bool:
        """Queue a message; False, and nothing queued, unless established."""
        return self._state is State.ESTABLISHED and self._send(message)

    def send_report(self, report: ReceiverReport, now: float) -> None:
        """Let a report ride on the next audio; alone when there is none for a second."""
        if self._state is State.ESTABLISHED:
            since = self._report[1] if self._report is not None else now
            self._report = report, since

    def seal(self, message: PathProbe) -> bytes:
        """A control message to be sent over another path by the owner; only once established."""
        return self._open.sealing.seal_control(encode(message))

    def _rider(self, now: float) -> bytes:
        echo = self._echoes.to_ride(now) if self._echoes is not None else None
        if echo is not None:
            return encode(echo)
        if self._report is None:
            return b""
        report, self._report = self._report[0], None
        return encode(report)

    def close(self, now: float, text: str = "the call has ended") -> list[Event]:
        """Say bye and end the call for good."""
        if self._state is State.CLOSED:
            return []
        if self._state is not State.ESTABLISHED:
            return self._reject(Reason.ENDED, text, now)
        return self._end(Bye(Reason.ENDED, text), now)

    def connection_lost(self, now: float) -> list[Event]:
        """The connection broke; the call may come back on another one."""
        if self._state is State.CLOSED:
            return []
        return self._closed(Closed(Reason.LOST, "the connection broke", by_peer=False), now)

    def _receive_handshake(self, data: bytes, now: float) -> list[Event]:
        if self._retransmission is not None:
            if is_sealed(data):  # the auth that comes before it was lost
                self.counters.out_of_place += 1
                return []
            if self._answer_again(data):
                return []
        limits = self._limits
        self._handshake_messages += 1
        if self._handshake_messages > limits.handshake_messages:
            text = f"more than {limits.handshake_messages} messages came during the handshake"
            return self._reject(Reason.PROTOCOL, text, now)
        if len(data) > limits.handshake_bytes:
            text = (
                f"a message of {len(data)} bytes came during the handshake, "
                f"expected at most {limits.handshake_bytes}"
            )
            return self._reject(Reason.PROTOCOL, text, now)
        self._time_exchange(len(data), now)
        try:
            message = decode(data)
            if isinstance(message, Unknown):
                self.counters.unknown += 1
                return []
            if isinstance(message, Reject):
                return self._closed(Closed(message.reason, message.text, by_peer=True), now)
            replies, agreed = self._handshake.receive(message, data, now)
        except Rejection as rejection:
            self.has_guessed_wrong = self._state is State.AUTH and rejection.reason is Reason.SECRET
            return self._reject(rejection.reason, str(rejection), now)
        except HandshakeError as error:
            return self._reject(Reason.VERSION, str(error), now)
        except WireError as error:
            self.counters.malformed += 1
            return self._reject(Reason.PROTOCOL, str(error), now)
        self._send_handshake(replies, now, answers=data)
        if agreed is None:
            self._state = State.AUTH
            return []
        self._state = State.ESTABLISHED
        established = replace(agreed.established, exchange=self._exchange)
        self._opened = _Open(
            established,
            agreed.sealing,
            AudioWriter(established.sending),
            AudioReader(established.receiving, established.peer.sequence),
            established.call.connections,
        )
        self._last_heard = now
        self._next_ping = now
        return [established]

    def _receive_established(self, data: bytes, now: float) -> list[Event]:
        if len(data) > self._limits.message_bytes or not self._messages.take(1, now):
            self.counters.rate_limited += 1
            return []
        if self._answer_again(data):
            return []
        # What does not open is not the peer's: it can neither end the call nor keep it alive.
        try:
            opened = self._open.sealing.open(data)
        except SealError as error:
            if error.is_replay:
                self.counters.replayed += 1
            else:
                self.counters.forged += 1
            return []
        self._last_heard = now
        self._open.established.call.hear(now)
        try:
            if opened.stream is Stream.AUDIO:
                return self._on_audio(opened, now)
            return self._on_message(decode(opened.body), now)
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
        if isinstance(message, ReceiverReport | Mute | Text | PathProbe):
            return [message]
        if isinstance(message, Echo):
            echo = self._echoes.heard(message, now) if self._echoes is not None else None
            return [echo] if echo is not None else []
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

    def _on_audio(self, opened: Opened, now: float) -> list[Event]:
        established, reader = self._open.established, self._open.reader
        body = AudioBody.from_bytes(opened.body)
        if not self._frames.take(body.toc.frames, now):
            self.counters.rate_limited += 1
            return []
        frames = reader.read(opened.sequence, body)
        copies = reader.read_copies(frames, body)
        rider = decode(body.rider) if body.rider else None
        if rider is not None and not isinstance(rider, (*_RIDERS, Unknown)):
            raise WireError(f"a {rider.KIND.name.lower()} rides on audio, expected an echo or so")
        verdict = established.call.window.accept(opened.sequence, body.toc.frames)
        if verdict is Verdict.DUPLICATE:
            self.counters.duplicate += 1
            return []
        if verdict is Verdict.OUT_OF_WINDOW:
            self.counters.out_of_window += 1
            return []
        self.counters.received_frames += body.toc.frames
        self.counters.received_payload_bytes += len(body.packet) - 1
        self.counters.received_nominal_bits += _nominal_bits(established.receiving, body.toc)
        if self._echoes is not None:
            self._echoes.received(opened.sequence, now)
        events: list[Event] = [frames] if copies is None else [frames, copies]
        return events + (self._on_message(rider, now) if rider is not None else [])

    def _has_room(self) -> bool:
        if len(self._outgoing) < self._limits.outgoing_messages:
            return True
        self.counters.not_sent += 1
        return False

    def _send(self, message: Message) -> bool:
        # The last word is sent even when the owner has let the queue fill.
        if message.KIND is not Kind.BYE and not self._has_room():
            return False
        self._queue(self._open.sealing.seal_control(encode(message)))
        return True

    def _send_handshake(
        self, messages: list[Message], now: float, answers: bytes | None = None
    ) -> None:
        data = [encode(message) for message in messages]
        if data:
            self._asked = sum(map(len, data)), now
        for one in data:
            self._queue(one)
        if self._retransmission is not None:
            # The client asks, the server answers.
            awaits_answer = self._role is Role.CLIENT
            self._retransmission.sent(data, now, answers=answers, awaits_answer=awaits_answer)

    def _time_exchange(self, received_bytes: int, now: float) -> None:
        if self._asked is not None and self._exchange is None:
            sent_bytes, sent_at = self._asked
            self._exchange = Exchange(sent_bytes + received_bytes, now - sent_at)
        self._asked = None

    def _answer_again(self, data: bytes) -> bool:
        """Whether ``data`` is a repetition on a path that loses messages; it is answered again."""
        if self._retransmission is None:
            return False
        again = self._retransmission.answer_to(data)
        if again is None:
            return False
        for one in again:
            self._queue(one)
        return True

    def _queue(self, data: bytes) -> None:
        self._outgoing.append(data)
        self.counters.sent += 1
        self.counters.sent_bytes += len(data)

    def _check_taken_over(self, now: float) -> list[Event]:
        if not self._is_taken_over():
            return []
        text = "a newer connection carries this call on"
        return self._end(Bye(Reason.TAKEN_OVER, text), now)

    def _is_taken_over(self) -> bool:
        opened = self._opened
        return opened is not None and opened.established.call.connections != opened.connection

    def _reject(self, reason: Reason, text: str, now: float) -> list[Event]:
        message = Reject(reason, text)
        self._queue(encode(message))
        return self._closed(Closed(reason, message.text, by_peer=False), now)

    def _end(self, message: Bye, now: float) -> list[Event]:
        self._send(message)
        return self._closed(Closed(message.reason, message.text, by_peer=False), now)

    def _closed(self, event: Closed, now: float) -> list[Event]:
        self._state = State.CLOSED
        established = self.established
        if self._registry is not None and established is not None and not self._is_taken_over():
            may_return = event.reason in (Reason.LOST, Reason.TIMEOUT)
            self._registry.leave(established.call, now, ended=not may_return)
        return [event]


def _nominal_bits(direction: Direction, toc: Toc) -> float:
    return direction.model.config.ladder[toc.rate].bits_per_frame * toc.frames

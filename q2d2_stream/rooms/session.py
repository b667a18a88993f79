"""One member's connection to a room, without sockets or clocks: bytes and times in, events and
bytes out, as :class:`q2d2_stream.protocol.Session`."""

from __future__ import annotations

from collections import deque
from enum import Enum

from q2d2_stream.errors import HandshakeError, SealError, WireError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.packet import Toc
from q2d2_stream.protocol.audio import AudioWriter
from q2d2_stream.protocol.counters import Counters
from q2d2_stream.protocol.endpoint import Direction, Endpoint, LocalModel
from q2d2_stream.protocol.limits import Limits, TokenBucket
from q2d2_stream.protocol.messages import Echo, Mute, Text
from q2d2_stream.protocol.messages import Pong as PeerPong
from q2d2_stream.protocol.messages import decode as decode_control
from q2d2_stream.protocol.round_trip import RoundTrip
from q2d2_stream.protocol.sealing import Sealer
from q2d2_stream.rooms.code_host import CodeEvent, CodeHost
from q2d2_stream.rooms.code_messages import CodeConfirm, CodeGuess, CodeMessage, CodeNumber
from q2d2_stream.rooms.events import (
    Admitted,
    MemberAudio,
    MemberJoined,
    MemberLeft,
    MemberMuted,
    MemberNamed,
    MemberRecording,
    MemberText,
    ReceiversLag,
    ReceiversLose,
    RoomClosed,
    RoomEvent,
)
from q2d2_stream.rooms.events import Moved as MovedEvent
from q2d2_stream.rooms.intro import INTRO_KIND, Intro
from q2d2_stream.rooms.keys import RoomKeys, member_id
from q2d2_stream.rooms.link import RoomLink
from q2d2_stream.rooms.member import Member
from q2d2_stream.rooms.messages import (
    MAX_MEMBERS,
    Audio,
    Challenge,
    Control,
    Join,
    Joined,
    Lagging,
    Left,
    Moved,
    Ping,
    Pong,
    Refused,
    RelayMessage,
    RoomKind,
    Sent,
    Welcome,
    decode,
    encode,
    is_audio,
)
from q2d2_stream.rooms.path_messages import Lossy, PathAsk, PathOffer
from q2d2_stream.rooms.recording import RECORDING_KIND, Recording

__all__ = ["RoomSession", "RoomState"]

# Somebody who comes in is introduced to at once; many who come at the same time, together.
_INTRO_PAUSE_S = 0.2
# Who comes and goes all the time is not worth a flood of introductions.
_INTRO_SLOW_S = 2.0
_INTROS_PER_S, _INTROS_BURST = 0.5, 8.0
_ECHO_S = 0.1
_ECHO_MARK = 1 << 62  # in a ping: the rest is the sequence number of the audio before it


class RoomState(Enum):
    """Where a session stands; it only moves forward."""

    CHALLENGE = "waiting for the relay"
    JOINING = "asking to be let in"
    IN_ROOM = "in the room"
    CLOSED = "closed"


class RoomSession:
    """The state machine of one member on one connection.

    Args:
        keys: of the room.
        endpoint: what this side can encode and decode; its first model is the one it sends with.
        name: how the others shall call this side; may be empty.
        now: seconds, from any monotonic origin.
        sequence: number of the first frame that will be sent.
        limits: times and sizes.
        nonce: 16 bytes in place of random ones, for tests.

    No method raises anything for what comes from the relay or the other members.
    """

    def __init__(
        self,
        keys: RoomKeys,
        endpoint: Endpoint,
        name: str,
        now: float,
        *,
        sequence: int = 0,
        limits: Limits | None = None,
        nonce: bytes | None = None,
    ) -> None:
        self.counters = Counters()
        self.members: dict[int, Member] = {}
        self._keys, self._endpoint, self._name = keys, endpoint, name
        self._limits = limits or Limits()
        self._nonce = RoomKeys.new_nonce() if nonce is None else nonce
        self._sealer = Sealer(keys.member_keys(self._nonce), sequence)
        self._next_sequence = sequence
        self._writer = AudioWriter(self.direction)
        self._state = RoomState.CHALLENGE
        self._muted = self._recording = False
        self._started = self._last_heard = self._next_ping = now
        self._intro_at: float | None = None
        self._last_intro = float("-inf")
        self._intros = TokenBucket(_INTROS_PER_S, _INTROS_BURST, now)
        self._outgoing: deque[bytes] = deque()
        self._round_trip = RoundTrip()
        self._next_echo = now
        self._code = CodeHost()
        self._asks_path = self._has_path = False
        self.rtt_min_s: float | None = None

    @property
    def state(self) -> RoomState:
        """Where the session stands."""
        return self._state

    @property
    def member(self) -> int:
        """This side's own number."""
        return member_id(self._nonce)

    @property
    def rtt_s(self) -> float | None:
        """Latest round trip to the relay and back, in seconds."""
        return self._round_trip.rtt_s

    def unanswered_s(self, now: float) -> float:
        """Age of the oldest ping without an answer."""
        return self._round_trip.unanswered_s(now)

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` wants to be called next; None when closed."""
        if self._state is RoomState.CLOSED:
            return None
        if self._state is not RoomState.IN_ROOM:
            return self._started + self._limits.handshake_s
        times = [self._next_ping, self._last_heard + self._limits.idle_s]
        times.append(self._code.deadline)
        return min([*times, self._intro_at] if self._intro_at is not None else times)

    def data_to_send(self) -> list[bytes]:
        """Messages to send, in order; empties the list."""
        data = list(self._outgoing)
        self._outgoing.clear()
        return data

    def receive_data(self, data: bytes | str, now: float) -> list[RoomEvent]:
        """One whole message has come from the relay."""
        if self._state is RoomState.CLOSED:
            return []
        self.counters.received += 1
        self.counters.received_bytes += len(data)
        try:
            if isinstance(data, str) or len(data) > self._limits.message_bytes:
                raise WireError(f"a message of {len(data)} bytes or characters came")
            message = decode(bytes(data))
            self._last_heard = now
            if isinstance(message, Audio):
                return self._on_audio(message, now)
            if isinstance(message, Control):
                return self._on_control(message, now)
            return self._on_relay(message, now)
        except SealError as error:
            # In doubt a relay says things both ways.
            is_copy = error.is_replay and self._has_path and _is_audio(data)
            self.counters.duplicate += is_copy
            self.counters.replayed += error.is_replay and not is_copy
            self.counters.forged += not error.is_replay
        except HandshakeError as error:
            return self._closed(RoomClosed(None, str(error)))
        except WireError:
            self.counters.malformed += 1
        return []

    def tick(self, now: float) -> list[RoomEvent]:
        """Time has passed: deadlines are checked, pings and introductions made."""
        if self._state is RoomState.CLOSED:
            return []
        limits = self._limits
        if self._state is not RoomState.IN_ROOM:
            if now < self._started + limits.handshake_s:
                return []
            text = f"the relay did not let this side in within {limits.handshake_s:g} seconds"
            return self._closed(RoomClosed(None, text))
        if now >= self._last_heard + limits.idle_s:
            text = f"nothing was heard of the relay for {limits.idle_s:g} seconds"
            return self._closed(RoomClosed(None, text))
        if now >= self._next_ping:
            self._next_ping = now + limits.ping_s
            self._send(encode(Ping(self._round_trip.ping(now).time_us)))
        if self._intro_at is not None and now >= self._intro_at:
            self._introduce(now)
        return self._say(self._code.tick(now))

    def send_audio(
        self,
        frames: AudioFrames,
        now: float,
        *,
        voiced: bool = True,
        copies: bool = False,
        echo: bool = True,
    ) -> bool:
        """Queue frames for everybody; False, and nothing queued, unless in the room.

        Args:
            frames: of the first model of this side's endpoint, their numbers ascending.
            now: seconds.
            voiced: whether they hold voice: the relay forwards only some who talk at once.
            copies: whether to repeat the message before at the lowest rate.
            echo: whether to have the relay say, from time to time, that it has them.

        Raises InputError when the frames do not fit the model, or do not ascend.
        """
        if self._state is not RoomState.IN_ROOM:
            return False
        body = self._writer.write(frames, copies=copies)
        sealed = self._sealer.seal_audio(frames.sequence, body.to_bytes())
        self._next_sequence = frames.sequence + len(frames.indices) & 0xFFFFFFFF
        if not self._send(Sent(RoomKind.VOICE if voiced else RoomKind.AUDIO, sealed).to_relay()):
            return False
        counters = self.counters
        counters.sent_frames += body.toc.frames
        counters.sent_payload_bytes += len(body.packet) - 1
        counters.sent_nominal_bits += _nominal_bits(self._endpoint.models[0], body.toc)
        if echo and now >= self._next_echo:
            self.ask_for_echo(frames.sequence, now)
        return True

    def send(self, message: Mute | Text | Recording) -> bool:
        """Queue a message for everybody; False, and nothing queued, unless in the room."""
        if isinstance(message, Mute):
            self._muted = message.muted
        elif isinstance(message, Recording):
            self._recording = message.on
        return self._state is RoomState.IN_ROOM and self._send_control(
            bytes([message.KIND]) + message.to_body()
        )

    def show_code(self, link: RoomLink) -> bool:
        """Ask the relay for a code that leads to ``link``, in place of one there may be; False
        unless in the room. :class:`CodeShown` says when it is there."""
        return self._state is RoomState.IN_ROOM and self._send(encode(self._code.show(link)))

    def ask_path(self) -> bool:
        """Ask the relay for a way by UDP, which a :class:`PathOffer` answers; False unless in the
        room."""
        self._asks_path = self._state is RoomState.IN_ROOM and self._send(encode(PathAsk()))
        return self._asks_path

    def ask_for_echo(self, sequence: int, now: float) -> None:
        """Let the relay say that it has the frames from ``sequence`` on, if they came by websocket:
        by that the sender measures its link."""
        if self._state is RoomState.IN_ROOM:
            self._next_echo = now + _ECHO_S
            self._send(encode(Ping(_ECHO_MARK | sequence)))

    def close(self) -> list[RoomEvent]:
        """Leave for good; the relay tells the others when the connection ends."""
        if self._state is RoomState.CLOSED:
            return []
        return self._closed(RoomClosed(None, "this side left the room", left=True))

    def connection_lost(self) -> list[RoomEvent]:
        """The connection to the relay broke."""
        if self._state is RoomState.CLOSED:
            return []
        return self._closed(RoomClosed(None, "the connection to the relay broke"))

    # -- what the relay says ----------------------------------------------------------------------

    def _on_relay(self, message: object, now: float) -> list[RoomEvent]:
        if isinstance(message, Challenge) and self._state is RoomState.CHALLENGE:
            self._state = RoomState.JOINING
            signature = self._keys.sign_admission(message.challenge, self._nonce)
            keys = self._keys
            self._send(encode(Join(keys.room_id, keys.public_key, signature, self._nonce)))
            return []
        if isinstance(message, Welcome) and self._state is RoomState.JOINING:
            self._state = RoomState.IN_ROOM
            self._next_ping = now
            others = [nonce for nonce in message.nonces if nonce != self._nonce]
            for nonce in others:
                self._add(nonce, now)
            self._introduce(now)
            return [Admitted(tuple(self.members)), *map(MemberJoined, self.members)]
        if isinstance(message, Refused):
            return self._closed(RoomClosed(message.reason, message.text))
        if self._state is not RoomState.IN_ROOM:
            self.counters.out_of_place += 1
            return []
        if isinstance(message, Joined):
            return self._on_joined(message, now)
        if isinstance(message, Left):
            if self.members.pop(message.member, None) is None:
                return []
            self._writer = AudioWriter(self.direction)
            return [MemberLeft(message.member)]
        if isinstance(message, Pong) and message.time_us & _ECHO_MARK:
            return [Echo(message.time_us & 0xFFFFFFFF, 0.0)]
        if isinstance(message, Pong):
            if not self._round_trip.pong(PeerPong(message.time_us, 0), now):
                self.counters.out_of_place += 1
            elif self.rtt_s is not None:
                self.rtt_min_s = min(self.rtt_s, self.rtt_min_s or self.rtt_s)
            return []
        if isinstance(message, Moved):
            return [MovedEvent()]
        if isinstance(message, Lagging):
            return [ReceiversLag(message.percent / 100)]
        if isinstance(message, Lossy):
            return [ReceiversLose(message.percent / 100)]
        if isinstance(message, PathOffer) and self._asks_path:
            self._asks_path, self._has_path = False, message.port > 0
            return [message]
        if isinstance(message, CodeNumber | CodeGuess | CodeConfirm):
            return self._say(self._code.receive(message, now))
        if isinstance(message, RelayMessage):
            self.counters.out_of_place += 1
        else:
            self.counters.unknown += 1
        return []

    def _on_joined(self, message: Joined, now: float) -> list[RoomEvent]:
        if message.nonce == self._nonce or message.member in self.members:
            return []
        if not self._add(message.nonce, now):
            self.counters.rate_limited += 1
            return []
        if self._intro_at is None:
            pause_s = _INTRO_PAUSE_S if self._intros.take(1, now) else _INTRO_SLOW_S
            self._intro_at = max(now, self._last_intro + pause_s)
        return [MemberJoined(message.member), *self.tick(now)]

    def _say(self, said: tuple[list[CodeMessage], list[CodeEvent]]) -> list[RoomEvent]:
        messages, events = said
        for message in messages:
            self._send(encode(message))
        return [*events]

    def _add(self, nonce: bytes, now: float) -> bool:
        if len(self.members) >= MAX_MEMBERS:
            return False
        keys = self._keys.member_keys(nonce)
        self.members[member_id(nonce)] = Member(keys, self._endpoint, now)
        return True

    # -- what the members say ---------------------------------------------------------------------

    def _on_audio(self, message: Audio, now: float) -> list[RoomEvent]:
        member = self.members.get(message.member)
        voice = member.voice if member is not None else None
        if voice is None:  # its introduction may still be under way
            self.counters.out_of_place += 1
            return []
        read = voice.read(message.sealed, now)
        if read is None:
            self.counters.duplicate += 1
            return []
        frames, copies, body = read
        self.counters.received_frames += body.toc.frames
        self.counters.received_payload_bytes += len(body.packet) - 1
        self.counters.received_nominal_bits += _nominal_bits(voice.model, body.toc)
        heard: list[RoomEvent] = [MemberAudio(message.member, frames)]
        return heard if copies is None else [*heard, MemberAudio(message.member, copies)]

    def _on_control(self, message: Control, now: float) -> list[RoomEvent]:
        number, member = message.member, self.members.get(message.member)
        if member is None:
            self.counters.out_of_place += 1
            return []
        body = member.open_control(message.counter, message.sealed).body
        if body[:1] == bytes([INTRO_KIND]):
            intro = Intro.from_body(body[1:])
            is_new = member.intro is not None and member.intro.name != intro.name
            if is_new and not member.notes.take(1, now):
                self.counters.rate_limited += 1
                return []
            member.introduce(intro)
            assert member.intro is not None
            self._writer = AudioWriter(self.direction)
            return [MemberNamed(number, member.intro.name, member.model)]
        if body[:1] == bytes([RECORDING_KIND]):
            recording = Recording.from_body(body[1:]).on
            if recording == member.recording:  # it is said again whenever somebody comes
                return []
            member.recording = recording
            return [MemberRecording(number, recording)]
        inner = decode_control(body)
        if isinstance(inner, Mute | Text) and not member.notes.take(1, now):
            self.counters.rate_limited += 1
            return []
        if isinstance(inner, Mute):
            member.muted = inner.muted
            return [MemberMuted(number, inner.muted)]
        if isinstance(inner, Text):
            return [MemberText(number, inner.text)]
        self.counters.unknown += 1
        return []

    # -- what this side says ----------------------------------------------------------------------

    def _introduce(self, now: float) -> None:
        self._intro_at, self._last_intro = None, now
        models = tuple(model.offer for model in self._endpoint.models)
        intro = Intro(self._name, models, self._next_sequence)
        self._send_control(bytes([INTRO_KIND]) + intro.to_body())
        if self._muted:
            self.send(Mute(True))
        if self._recording:
            self.send(Recording(True))
        self._writer = AudioWriter(self.direction)  # tells the time of its frames again

    @property
    def direction(self) -> Direction:
        """How this side sends: coded only where all who were introduced have the same tables."""
        model = self._endpoint.models[0]
        rates, coder = set(model.rates), model.coder
        for member in self.members.values():
            offers = member.intro.models if member.intro is not None else ()
            offer = next((o for o in offers if o.model_hash == model.model_hash), None)
            if offer is None:
                continue
            rates &= set(offer.rates)
            if coder is not None and offer.tables != coder.checksum:
                coder = None
        return Direction(model, tuple(sorted(rates or model.rates)), coder)

    def _send_control(self, body: bytes) -> bool:
        counter = self._sealer.next_control
        return self._send(Sent.control(counter, self._sealer.seal_control(body)).to_relay())

    def _send(self, data: bytes) -> bool:
        if len(self._outgoing) >= self._limits.outgoing_messages:
            self.counters.not_sent += 1
            return False
        self._outgoing.append(data)
        self.counters.sent += 1
        self.counters.sent_bytes += len(data)
        return True

    def _closed(self, event: RoomClosed) -> list[RoomEvent]:
        self._state = RoomState.CLOSED
        return [event]


def _is_audio(data: bytes | str) -> bool:
    return isinstance(data, bytes) and is_audio(data)


def _nominal_bits(model: LocalModel, toc: Toc) -> float:
    return toc.frames * model.config.ladder[toc.rate].bits_per_frame

"""One member's stay in a room: sound, codec, and the relays that come and go, joined."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence

from q2d2_stream.audio import Sink, Source, VoiceProcessor
from q2d2_stream.call.notices import PeerNotices
from q2d2_stream.call.options import CallOptions
from q2d2_stream.call.relay_client import RelayClient
from q2d2_stream.call.room_connection import RoomConnection
from q2d2_stream.call.room_receiver import RoomReceiver
from q2d2_stream.call.sound_call import SoundCall
from q2d2_stream.call.stats import CallStats, MemberStats
from q2d2_stream.engine import Codec
from q2d2_stream.files.recorder import Recorder
from q2d2_stream.protocol import Call, Closed, Echo, Endpoint, Reason, Text
from q2d2_stream.protocol.limits import TokenBucket
from q2d2_stream.rooms import (
    CodeGranted,
    CodeShown,
    CodeSpent,
    CodeWrong,
    MemberAudio,
    MemberJoined,
    MemberLeft,
    MemberMuted,
    MemberNamed,
    MemberRecording,
    MemberText,
    Moved,
    PathLoss,
    ReceiversLag,
    ReceiversLose,
    Recording,
    RoomClosed,
    RoomEvent,
    RoomLink,
)
from q2d2_stream.rooms.messages import RoomReason
from q2d2_stream.transport.base import Wrap

__all__ = ["RoomCall"]

_VOICED_DB = -48.0  # of the microphone: louder is taken for voice where no detector runs
_UNNAMED = "somebody"  # until an introduction has come
_COMINGS_PER_S, _COMINGS_BURST = 1.0, 64.0  # told of who comes and goes
_FULL = (RoomReason.FULL, RoomReason.LIMIT)


class RoomCall(SoundCall[RoomConnection, RoomClosed]):
    """Holds a place in a room, until somebody here hangs up. As :class:`CallSession`.

    Args:
        codec: of what is sent, or several: the first is used, the others decode.
        link: to the room.
        source: what this side says; not started.
        sink: where the others are heard; not started.
        options: the user's wishes.
        name: how the others shall call this side; may be empty.
        processor: cleans the microphone, and is closed at the end; or None.
        recorder: keeps what is said, which all who are there are told; or None.
        notify: called with a sentence when something happens that a user should know.
        on_note: called with a note and the name of who wrote it; None: ``notify`` is.
        begun_s: since when the user has been waiting for the first sound.
        frames_per_message: the fewest frames per message.
        wait_s: how long to try before the first connection.
        return_s: how long to try after a connection broke.
        ssl_context: for ``https://`` relays; None for the system's authorities.
        wrap: puts something around every transport, such as a simulated network.
        udp: whether audio may go by UDP, where relay and network let it.
        udp_only: it goes by UDP or not at all.

    Raises what :class:`q2d2_stream.call.sender.Sender` does.
    """

    def __init__(
        self,
        codec: Codec | Sequence[Codec],
        link: RoomLink,
        source: Source,
        sink: Sink,
        options: CallOptions | None = None,
        *,
        name: str = "",
        processor: VoiceProcessor | None = None,
        recorder: Recorder | None = None,
        notify: Callable[[str], None] | None = None,
        on_note: Callable[[str], None] | None = None,
        begun_s: float | None = None,
        frames_per_message: int = 3,
        wait_s: float = 0.0,
        return_s: float = 60.0,
        ssl_context: ssl.SSLContext | None = None,
        wrap: Wrap | None = None,
        udp: bool = True,
        udp_only: bool = False,
    ) -> None:
        super().__init__(codec, source, sink, options, processor, recorder, notify, begun_s)
        self._receiver: RoomReceiver = RoomReceiver(
            sink, self._thread, self._options, processor, recorder
        )
        self._recorder = recorder
        self._comings = TokenBucket(_COMINGS_PER_S, _COMINGS_BURST, time.monotonic())
        self._notices = PeerNotices(self._notify, time.monotonic(), on_note)
        self._link = link
        self._shows_code = False
        self._client = RelayClient(
            link,
            Endpoint.of(self._codecs, frames_per_message=frames_per_message, dtx=self._options.dtx),
            name,
            self._is_voiced,
            ssl_context=ssl_context,
            wrap=wrap,
            udp=udp,
            udp_only=udp_only,
        )
        self._wait_s, self._return_s = wait_s, return_s
        self._call = Call()
        self._names: dict[int, str] = {}
        self._muted: set[int] = set()
        self._recording: set[int] = set()
        self._gains: dict[str, float] = {}  # by name: who comes back has another number
        self._moved = asyncio.Event()

    @property
    def fingerprint(self) -> str:
        """Eight digits that are the same for all who hold the same link."""
        return self._client.keys.fingerprint

    @property
    def members(self) -> dict[int, str]:
        """The others by number, and what they call themselves."""
        return dict(self._names)

    @property
    def talking(self) -> frozenset[int]:
        """Numbers of those who were heard just now."""
        return self._receiver.talking()

    def set_gain(self, member: int, gain: float) -> None:
        """How loud a member is here: 0 for not at all, 1 as it comes. It holds for who comes back
        under the same name, too."""
        self._receiver.set_gain(member, gain)
        if (name := self._names.get(member)) is not None:
            self._gains[name] = gain

    def gain(self, member: int) -> float:
        """How loud a member is here."""
        return self._gains.get(self._names.get(member, ""), 1.0)

    def send_text(self, text: str) -> bool:
        """Send a note of at most 1000 bytes to everybody; False when not in the room."""
        return self._connection is not None and self._connection.send(Text(text))

    def show_code(self) -> None:
        """Show a short code by which others come in, as soon as this side is in the room, and a new
        one after every connection that broke, until it is spent."""
        self._shows_code = True
        if self._connection is not None:
            self._connection.show_code(self._link)

    def stats(self) -> CallStats:
        """What is known now; as the peer stand the names of all others, those who talk first."""
        all_muted = bool(self._names) and self._muted >= set(self._names)
        members = self._members()
        who = ", ".join(map(_described, sorted(members, key=lambda m: (not m.talking, m.name))))
        return self._stats(who, peer_muted=all_muted, members=members)

    def _members(self) -> tuple[MemberStats, ...]:
        talking = self.talking
        return tuple(
            MemberStats(
                number,
                name,
                talking=number in talking,
                muted=number in self._muted,
                recording=number in self._recording,
                gain=self.gain(number),
            )
            for number, name in self._names.items()
        )

    def _is_voiced(self) -> bool:
        return self._sender.meter.rms_db > _VOICED_DB

    async def _open(self) -> RoomConnection | RoomClosed:
        return await self._client.open(self._call, self._wait_s)

    async def _reopen(self, end: RoomClosed) -> RoomConnection | RoomClosed:
        if not self._moved.is_set():
            self._notify(f"{end.text}: trying again for {self._return_s:g} s")
        self._moved.clear()
        self._forget_members()
        return await self._client.open(self._call, self._return_s)

    def _may_return(self, end: RoomClosed) -> bool:
        return not self._hang_up.is_set() and end.may_retry

    def _is_heard_out(self, end: RoomClosed) -> bool:
        return True

    def _hung_up(self) -> RoomClosed:
        return RoomClosed(None, "this side left the room", left=True)

    def _closed(self, end: RoomClosed) -> Closed:
        """As a call ends, so that commands say it with the same exit status."""
        reason = Reason.LOST
        if end.left:
            reason = Reason.ENDED
        elif end.reason in _FULL:
            reason = Reason.BUSY
        elif end.reason is RoomReason.PROOF:
            reason = Reason.SECRET
        elif end.reason is RoomReason.VERSION:
            reason = Reason.VERSION
        return Closed(reason, end.text, by_peer=end.reason is not None)

    async def _until_over(self, connection: RoomConnection) -> RoomClosed:
        """Until the connection is closed, or the relay asks to go elsewhere."""
        moved = asyncio.create_task(self._moved.wait())
        try:
            await asyncio.wait((connection.closed, moved), return_when=asyncio.FIRST_COMPLETED)
        finally:
            moved.cancel()
        if connection.closed.done():
            return connection.closed.result()
        self._client.leave_relay()
        return RoomClosed(None, "the relay is about to stop")

    def _attach(self, connection: RoomConnection) -> str:
        self._sender.attach(connection, self._call)
        connection.attach(self._on_event)
        if self._recorder is not None:
            connection.send(Recording(True))
        if self._shows_code:
            connection.show_code(self._link)
        others = len(connection.admitted.result().others)
        people = {0: "nobody else is there", 1: "one other is there"}.get(
            others, f"{others} others are there"
        )
        what = "back in the room" if self.established.is_set() else "in the room"
        return f"{what} {self.fingerprint}, encrypted end to end: {people}"

    def _on_event(self, event: RoomEvent, now: float) -> None:
        if isinstance(event, MemberAudio):
            codec = self._codec_of(event.member)
            if codec is not None:
                self._receiver.put(event.member, codec, event.frames, now)
        elif isinstance(event, Echo):
            self._sender.on_echo(event, now)
        elif isinstance(event, MemberJoined):
            self._names.setdefault(event.member, _UNNAMED)
        elif isinstance(event, MemberNamed):
            self._on_name(event, now)
        elif isinstance(event, MemberLeft):
            name = self._names.pop(event.member, None)
            self._forget(event.member)
            if name is not None and self._comings.take(1, now):
                self._notify(f"{name} has left")
        elif isinstance(event, MemberMuted):
            (self._muted.add if event.muted else self._muted.discard)(event.member)
        elif isinstance(event, MemberRecording):
            self._on_recording(event, now)
        elif isinstance(event, MemberText):
            self._notices.note(f"{self._names.get(event.member, 'somebody')}: {event.text}", now)
        elif isinstance(event, ReceiversLag):
            self._sender.on_lag(event.share, now)
        elif isinstance(event, ReceiversLose):
            self._sender.on_receivers_loss(event.share, now)
        elif isinstance(event, PathLoss):
            self._sender.on_loss(event.share)
        elif isinstance(event, CodeShown | CodeGranted | CodeWrong | CodeSpent):
            self._on_code(event, now)
        elif isinstance(event, Moved):
            self._moved.set()

    def _on_code(self, event: CodeShown | CodeGranted | CodeWrong | CodeSpent, now: float) -> None:
        if isinstance(event, CodeShown):
            self._notify(f"the code to read aloud, for ten minutes: {event.code}")
        elif isinstance(event, CodeSpent):
            self._shows_code = False
            self._notify(event.text)
        elif isinstance(event, CodeWrong):
            self._notify(f"somebody guessed the code wrong: {event.left} more end it")
        else:
            self._notices.say("somebody comes by the code", now)

    def _on_name(self, event: MemberNamed, now: float) -> None:
        name = event.name or f"guest {event.member % 1000:03d}"
        if self._names.get(event.member) == name:
            return
        self._names[event.member] = name
        if (gain := self._gains.get(name)) is not None:
            self._receiver.set_gain(event.member, gain)
        if self._recorder is not None:
            self._recorder.name(event.member, name)
        if self._comings.take(1, now):
            self._notify(
                f"{name} is in the room"
                if event.model is not None
                else f"{name} is in the room, but cannot be heard: another model is in use there"
            )
        if event.member in self._recording:
            self._say_recording(event.member, True, now)

    def _on_recording(self, event: MemberRecording, now: float) -> None:
        (self._recording.add if event.recording else self._recording.discard)(event.member)
        if self._names.get(event.member, _UNNAMED) != _UNNAMED:  # else the name brings it
            self._say_recording(event.member, event.recording, now)

    def _say_recording(self, member: int, recording: bool, now: float) -> None:
        what = "records what is said here" if recording else "records no more"
        self._notices.say(f"{self._names[member]} {what}", now)

    def _codec_of(self, member: int) -> Codec | None:
        connection = self._connection
        known = connection.session.members.get(member) if connection is not None else None
        if known is None or known.model is None:
            return None
        wanted = known.model.model_hash
        return next((codec for codec in self._codecs if codec.model_hash == wanted), None)

    def _forget_members(self) -> None:
        """They have other numbers on the next connection."""
        for member in self._names:
            self._forget(member)
        self._names.clear()

    def _forget(self, member: int) -> None:
        self._muted.discard(member)
        self._recording.discard(member)
        self._receiver.remove(member)
        if self._recorder is not None:
            self._recorder.forget(member)


def _described(member: MemberStats) -> str:
    facts = {
        "talks": member.talking,
        "records": member.recording,
        "muted": member.muted,
        "silenced here": member.gain == 0.0,
    }
    said = ", ".join(fact for fact, is_so in facts.items() if is_so)
    return f"{member.name} ({said})" if said else member.name

"""A call in numbers: one snapshot for the display, the report, JSON and Prometheus."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from q2d2_stream.audio import StreamStats
from q2d2_stream.playout import PlayoutStats
from q2d2_stream.protocol import Counters, ReceiverReport

__all__ = ["CallState", "CallStats", "DirectionStats", "MemberStats"]


class CallState(StrEnum):
    """How a call stands."""

    WAITING = "waiting"
    TALKING = "talking"
    SILENT = "silent"  # connected, but nothing is heard of the peer
    RECONNECTING = "reconnecting"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class DirectionStats:
    """Bit rates of one direction.

    Attributes:
        codec_kbps, wire_kbps: over the last five seconds; the wire counts all headers.
        mean_codec_kbps, mean_wire_kbps: since the connections were made; the codec's is of the
            bytes that its indices took, entropy coded or packed.
        mean_nominal_kbps: what the same frames come to at the codec's nominal bits per frame.
        wire_bytes: since the call began.
    """

    codec_kbps: float
    wire_kbps: float
    mean_codec_kbps: float
    mean_wire_kbps: float
    mean_nominal_kbps: float
    wire_bytes: int


@dataclass(frozen=True, slots=True)
class MemberStats:
    """One of the others in a room.

    Attributes:
        number: theirs, until their connection or this side's is a new one.
        name: what they call themselves.
        talking: whether they were heard just now.
        muted: whether their microphone is off.
        recording: whether they keep what is said.
        gain: how loud they are here: 0 for not at all, 1 as they come.
    """

    number: int
    name: str
    talking: bool
    muted: bool
    recording: bool
    gain: float


@dataclass(frozen=True, slots=True)
class CallStats:
    """What a session knows of its call.

    Attributes:
        state: see :class:`CallState`.
        seconds: since the call was established.
        first_sound_ms: until the first received frame was given to the sound device or file, from
            the start of the program that called, or from the connection to the one that was
            called; None before.
        peer: the peer's address, empty before the call.
        connections: connections that have carried the call.
        path: what carries the audio that is sent: "websocket", "udp", "serial"; empty before.
        path_failures: times that datagrams got through no longer.
        rate_kbps: the codec's rate being sent.
        frames_per_message: 1 to 16; 0 before the call.
        max_kbps: hard cap of what is sent over the wire, None without one.
        steps_down: steps that the sender has gone down because of the link.
        sent, received: bit rates.
        rtt_ms, rtt_min_ms: round trip, None before the first.
        unsent_frames: frames waiting to be sent.
        dropped_frames: frames never sent because the link was too slow or broken.
        inbox_dropped: received messages dropped because the playout did not keep up.
        muted, peer_muted: whose microphone is off.
        notices_dropped: notes and mutes of the peer that came faster than one can read.
        near_rms_db, near_peak_db, far_rms_db, far_peak_db: levels in dBFS.
        playout: of the receiving side.
        peer_report: what the peer hears of us, None before its first report.
        counters: of messages, over all connections.
        source, sink: of the sound devices.
        loop_lag_p99_ms, loop_lag_max_ms: how late the event loop was.
        codec_share: how much of the last five seconds the codec's thread was busy; about 1 is too
            slow for this machine.
        cpu_share: processor time of the process over elapsed time; 1 is one core.
        members: the others in a room, in the order in which they came; empty in a call of two.
    """

    state: CallState
    seconds: float
    first_sound_ms: float | None
    peer: str
    connections: int
    path: str
    path_failures: int
    rate_kbps: float
    frames_per_message: int
    max_kbps: float | None
    steps_down: int
    sent: DirectionStats
    received: DirectionStats
    rtt_ms: float | None
    rtt_min_ms: float | None
    unsent_frames: int
    dropped_frames: int
    inbox_dropped: int
    muted: bool
    peer_muted: bool
    notices_dropped: int
    near_rms_db: float
    near_peak_db: float
    far_rms_db: float
    far_peak_db: float
    playout: PlayoutStats
    peer_report: ReceiverReport | None
    counters: Counters
    source: StreamStats
    sink: StreamStats
    loop_lag_p99_ms: float
    loop_lag_max_ms: float
    codec_share: float
    cpu_share: float
    members: tuple[MemberStats, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries and numbers, for JSON."""
        values = asdict(self)
        for name in ("delay_p50", "delay_p95"):
            parts = getattr(self.playout, name)
            values["playout"][name]["total_ms"] = parts.total_ms
        return values

"""What a user can choose about a call."""

from __future__ import annotations

from dataclasses import dataclass, field

from q2d2_stream.playout import PlayoutOptions

__all__ = ["CallOptions"]


@dataclass(frozen=True)
class CallOptions:
    """One side's wishes.

    Attributes:
        rate: index into the codec's rates; the highest that is sent.
        dtx: leave silence unsent; needs the package webrtcvad-wheels.
        push_to_talk: send nothing at all while the microphone is muted, not even that it is; for
            lines on which only one side can be heard at a time.
        max_kbps: hard cap of what goes over the wire, all headers counted; None: no cap.
        playout: of the receiving side.
        hangup_at_end: hang up when the source has ended and the last of it is sent. Otherwise
            the call goes on until somebody hangs up.
        linger_s: how long after that.
        report_s: seconds between reports to the peer.
    """

    rate: int = 2
    dtx: bool = False
    push_to_talk: bool = False
    max_kbps: float | None = None
    playout: PlayoutOptions = field(default_factory=PlayoutOptions)
    hangup_at_end: bool = False
    linger_s: float = 0.0
    report_s: float = 2.0

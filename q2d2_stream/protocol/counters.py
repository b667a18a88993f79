"""What a session counts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counters"]


@dataclass
class Counters:
    """What came, what went and what was dropped, in messages unless the name says otherwise."""

    received: int = 0
    received_bytes: int = 0
    received_frames: int = 0
    sent: int = 0
    sent_bytes: int = 0
    sent_frames: int = 0
    malformed: int = 0
    unknown: int = 0
    out_of_place: int = 0
    duplicate: int = 0
    out_of_window: int = 0
    rate_limited: int = 0
    not_sent: int = 0

"""What a session counts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counters"]


@dataclass
class Counters:
    """What came, what went and what was dropped, in messages unless the name says otherwise.

    ``payload_bytes`` are the indices in them, entropy coded or packed; ``nominal_bits`` what their
    frames come to at the model's bits per frame. ``forged`` messages did not open, ``replayed``
    ones came before.
    """

    received: int = 0
    received_bytes: int = 0
    received_frames: int = 0
    received_payload_bytes: int = 0
    received_nominal_bits: float = 0.0
    sent: int = 0
    sent_bytes: int = 0
    sent_frames: int = 0
    sent_payload_bytes: int = 0
    sent_nominal_bits: float = 0.0
    forged: int = 0
    replayed: int = 0
    malformed: int = 0
    unknown: int = 0
    out_of_place: int = 0
    duplicate: int = 0
    out_of_window: int = 0
    rate_limited: int = 0
    not_sent: int = 0

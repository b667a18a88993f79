"""What can be chosen about the playout."""

from __future__ import annotations

from dataclasses import dataclass

from q2d2_stream.errors import InputError

__all__ = ["PlayoutOptions"]


@dataclass(frozen=True)
class PlayoutOptions:
    """Options of :class:`q2d2_stream.playout.Playout`.

    For a call whose output must equal the offline codec's bit for bit on a machine of any load,
    set ``minimum_delay_ms`` and ``maximum_delay_ms`` to one generous value and ``stretch`` to
    False: then nothing but a late or lost frame can change a sample.

    Attributes:
        minimum_delay_ms: least delay against jitter; packetisation comes on top.
        maximum_delay_ms: largest delay against jitter; what is later is skipped over.
        start_delay_ms: delay until the jitter is known.
        stretch: whether the delay may change by time-stretching inside a talk spurt.
        capacity_frames: most frames that wait; 256 are 3.4 s.
        fade_after_ms: length of a concealment before it begins to fade to comfort noise.
        fade_ms: length of that fade.
        skip_ms: an excess of delay above this is skipped over, one below it is stretched away.
        seed: of the comfort noise.

    Raises:
        InputError: for values out of order or out of range.
    """

    minimum_delay_ms: float = 20.0
    maximum_delay_ms: float = 500.0
    start_delay_ms: float = 30.0
    stretch: bool = True
    capacity_frames: int = 256
    fade_after_ms: float = 120.0
    fade_ms: float = 40.0
    skip_ms: float = 150.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.minimum_delay_ms <= self.maximum_delay_ms <= 2000:
            raise InputError(
                f"the playout delay is {self.minimum_delay_ms:g} to {self.maximum_delay_ms:g} ms, "
                "expected a minimum and a maximum between 0 and 2000, in this order"
            )
        if self.capacity_frames < 16:
            raise InputError(f"capacity_frames is {self.capacity_frames}, expected at least 16")
        if self.fade_after_ms < 0 or self.fade_ms <= 0 or self.skip_ms <= 0:
            raise InputError("fade_after_ms must not be negative, fade_ms and skip_ms positive")

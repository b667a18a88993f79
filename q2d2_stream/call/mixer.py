"""Several voices to one loudspeaker: a jitter buffer and a decoder each, summed and limited."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from q2d2_stream.audio import Pcm
from q2d2_stream.frames import AudioFrames
from q2d2_stream.playout import Decoder, DelayParts, Playout, PlayoutOptions, PlayoutStats

__all__ = ["Limiter", "Mixer"]

_VOICES = 8  # decoders at once: twice what a relay forwards, for talkers who take turns
_IDLE_S = 5.0  # after which a voice's decoder may be given to another
_TALKS_S = 0.4
_TALKS_POWER = 1e-5  # -50 dB of full scale
# What a playout holds behind its buffer: the decoder's tail, a piece of a frame.
_AFTER_FRAMES = 3
_CEILING = 0.97
_RELEASE = 0.02  # of the way back to full gain in each frame: half of it in half a second


class Limiter:
    """Keeps a sum of voices below full scale: down at once, back slowly."""

    def __init__(self) -> None:
        self._gain = 1.0

    def push(self, pcm: Pcm) -> Pcm:
        """``pcm`` no louder than full scale."""
        peak = float(np.abs(pcm).max(initial=0.0))
        wanted = min(1.0, _CEILING / peak) if peak > 0.0 else 1.0
        before = self._gain
        self._gain = min(wanted, before + _RELEASE * (1.0 - before))
        if before == self._gain == 1.0:
            return pcm
        # A gain that falls must be down at the first sample already, or that one clips.
        start = min(before, self._gain)
        limited: Pcm = pcm * np.linspace(start, self._gain, len(pcm), dtype=np.float32)
        return limited


@dataclass
class _Voice:
    member: int
    playout: Playout
    heard_at: float
    gain: float = 1.0
    talked_at: float = -math.inf
    after: int = 0  # pulls since its buffer ran empty


class Mixer:
    """What the members of a room say, as one sound. Without a clock: ``now`` in seconds.

    A voice gets its decoder when it is first heard. When too many were heard, the one that has been
    silent for longest makes room.

    Args:
        decoder: makes a decoder for a member, by number.
        options: of every voice's playout.
        tap: given every voice as it is pulled, before its gain; or None.

    Attributes:
        refused: frames of voices beyond those that there is room for.
    """

    def __init__(
        self,
        decoder: Callable[[int], Decoder],
        options: PlayoutOptions,
        tap: Callable[[int, Pcm], None] | None = None,
    ) -> None:
        self.refused = 0
        self._decoder, self._options, self._tap = decoder, options, tap
        self._voices: dict[int, _Voice] = {}
        self._leaving: list[_Voice] = []
        self._gains: dict[int, float] = {}
        self._limiter = Limiter()
        self._past: PlayoutStats | None = None

    def put(self, member: int, frames: AudioFrames, now: float) -> None:
        """Frames of a member have come."""
        voice = self._voices.get(member)
        if voice is None:
            if len(self._voices) >= _VOICES and not self._make_room(now):
                self.refused += len(frames.indices)
                return
            playout = Playout(self._decoder(member), self._options)
            voice = _Voice(member, playout, now, self._gains.get(member, 1.0))
            self._voices[member] = voice
        voice.heard_at = now
        voice.playout.put(frames, now)

    def pull(self, now: float, samples: int) -> Pcm:
        """The next ``samples`` of sound, float32."""
        mixed = np.zeros(samples, np.float32)
        for voice in (*self._voices.values(), *self._leaving):
            pcm = voice.playout.pull(now, samples)
            if self._tap is not None:
                self._tap(voice.member, pcm)
            if float(pcm @ pcm) > _TALKS_POWER * samples:
                voice.talked_at = now
            if voice.gain:
                mixed += pcm if voice.gain == 1.0 else voice.gain * pcm
        for voice in list(self._leaving):
            voice.after = voice.after + 1 if voice.playout.is_empty else 0
            if voice.after > _AFTER_FRAMES:
                self._forget(voice)
        return self._limiter.push(mixed)

    def remove(self, member: int) -> None:
        """A member has gone: what has come of it is heard to its end, and stays counted."""
        self._gains.pop(member, None)
        voice = self._voices.pop(member, None)
        if voice is not None:
            self._leaving.append(voice)
            if len(self._leaving) > _VOICES:
                self._forget(self._leaving[0])

    def set_gain(self, member: int, gain: float) -> None:
        """How loud a member is: 0 for not at all, 1 as it comes."""
        self._gains[member] = gain
        if member in self._voices:
            self._voices[member].gain = gain

    def talking(self, now: float) -> frozenset[int]:
        """Whose sound was louder than a quiet room just now."""
        voices = list(self._voices.items())  # another thread may ask
        return frozenset(m for m, voice in voices if now - voice.talked_at < _TALKS_S)

    @property
    def has_played(self) -> bool:
        """Whether anybody was heard."""
        voices = (*self._voices.values(), *self._leaving)
        return self._past is not None or any(voice.playout.played for voice in voices)

    def stats(
        self, *, network_ms: float = 0.0, device_ms: float = 0.0, processing_ms: float = 0.0
    ) -> PlayoutStats:
        """All voices together: counts are sums, delays those of the voice that is latest.

        The delays are as of :meth:`q2d2_stream.playout.Playout.stats`.
        """
        total = self._past
        for voice in (*self._voices.values(), *self._leaving):
            here = voice.playout.stats(
                network_ms=network_ms, device_ms=device_ms, processing_ms=processing_ms
            )
            total = _sum(total, here)
        if total is None:
            return Playout(_NoDecoder(), self._options).stats()
        return total

    def _forget(self, voice: _Voice) -> None:
        self._leaving.remove(voice)
        self._past = _sum(self._past, voice.playout.stats())

    def _make_room(self, now: float) -> bool:
        oldest = min(self._voices, key=lambda each: self._voices[each].heard_at)
        if now - self._voices[oldest].heard_at < _IDLE_S:
            return False
        self.remove(oldest)
        return True


class _NoDecoder:
    """For the numbers of a room in which nobody has said anything."""

    delay_samples = 0

    def push(self, indices: object) -> Pcm:
        """Silence."""
        return np.zeros(0, np.float32)

    def seek(self, number: int) -> None:
        """There is no frame."""

    def reset(self) -> None:
        """Nothing to forget."""


# Of these the worst voice counts; all other numbers are added up.
_WORST = ("target_delay_ms", "actual_delay_ms", "jitter_ms")


def _sum(first: PlayoutStats | None, second: PlayoutStats) -> PlayoutStats:
    if first is None:
        return second
    values: dict[str, object] = {}
    for each in fields(PlayoutStats):
        a, b = getattr(first, each.name), getattr(second, each.name)
        if isinstance(a, DelayParts):
            values[each.name] = a if a.total_ms >= b.total_ms else b
        elif each.name in _WORST:
            values[each.name] = max(a, b)
        elif each.name == "drift_ppm":
            values[each.name] = b
        elif each.name == "lead_in_samples":
            known = [x for x in (a, b) if x is not None]
            values[each.name] = min(known) if known else None
        else:
            values[each.name] = a + b
    return replace(first, **values)  # type: ignore[arg-type]

"""A whole call in simulated time, much faster than real time: for tests and for looking at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import FRAME_SAMPLES, SAMPLE_RATE
from q2d2_stream.frames import AudioFrames
from q2d2_stream.netsim.link import LinkCounts, LinkSpec, SimulatedLink
from q2d2_stream.playout.options import PlayoutOptions
from q2d2_stream.playout.playout import Decoder, Playout
from q2d2_stream.playout.stats import PlayoutStats

__all__ = ["SimulatedCall", "simulate_call"]

_FRAME_S = FRAME_SAMPLES / SAMPLE_RATE
_BITS_PER_FRAME = 39.2  # 6 pairs; only the rate limit looks at the size


@dataclass(frozen=True)
class SimulatedCall:
    """What came out of :func:`simulate_call`.

    Attributes:
        pcm: float32, what the speaker played; empty unless it was kept.
        times_s: shape ``(pulls,)``, when the speaker pulled; the columns below go with it.
        target_ms, actual_ms: target delay, and that of the frame played last.
        concealed: concealed frames so far.
        arrivals: shape ``(messages, 2)``: time in seconds, and milliseconds from the moment the
            message's last frame was complete to its arrival.
        stats: at the end.
        link: what became of the messages.
    """

    pcm: NDArray[np.float32]
    times_s: NDArray[np.float64]
    target_ms: NDArray[np.float64]
    actual_ms: NDArray[np.float64]
    concealed: NDArray[np.int64]
    arrivals: NDArray[np.float64]
    stats: PlayoutStats
    link: LinkCounts


def simulate_call(
    indices: NDArray[np.uint8],
    decoder: Decoder,
    link: LinkSpec,
    *,
    options: PlayoutOptions | None = None,
    frames_per_message: int = 3,
    drift_ppm: float = 0.0,
    speaker_drift_ppm: float = 0.0,
    block_samples: int = FRAME_SAMPLES,
    spurts: Iterable[tuple[int, int]] | None = None,
    tail_s: float = 1.0,
    keep_pcm: bool = True,
) -> SimulatedCall:
    """Runs a call from the sender's frames to the receiver's speaker.

    Args:
        indices: uint8, shape ``(frames, pairs)``, the sender's frames, silent ones included.
        decoder: turns them into sound, freshly reset.
        link: the network.
        options: of the playout.
        frames_per_message: 1 to 8.
        drift_ppm: by how much the sender's sound clock is fast.
        speaker_drift_ppm: by how much the receiver's is.
        block_samples: samples that the speaker pulls at once.
        spurts: ``(first, last + 1)`` frames of each talk spurt, ascending; the others are not
            sent. None sends everything, as one spurt that ends with the last frame.
        tail_s: how long the speaker goes on after the last frame.
        keep_pcm: whether to return the sound; an hour of it is 350 MB.
    """
    playout = Playout(decoder, options)
    network = SimulatedLink(link)
    messages = _messages(len(indices), frames_per_message, spurts)
    frame_s = _FRAME_S / (1.0 + 1e-6 * drift_ppm)
    block_s = block_samples / (SAMPLE_RATE * (1.0 + 1e-6 * speaker_drift_ppm))
    end_s = len(indices) * frame_s + tail_s
    pulls = int(end_s / block_s)
    series = np.zeros((pulls, 3))
    pieces, arrivals = [], []
    sent = 0
    for pull in range(pulls):
        now = pull * block_s
        while sent < len(messages) and (ready := messages[sent][1] * frame_s) <= now:
            first, stop, _, _, _ = messages[sent]
            size = int(np.ceil(_BITS_PER_FRAME * (stop - first) / 8)) + 9
            network.send(sent.to_bytes(4, "big").ljust(size, b"\0"), ready)
            sent += 1
        # Each message is handed over at its own arrival, as a socket does, not at the next pull.
        while (arrival := network.next_arrival()) is not None and arrival <= now:
            for message in network.receive(arrival):
                first, stop, seq, starts, ends = messages[int.from_bytes(message[:4], "big")]
                frames = AudioFrames(seq, first, indices[first:stop], start=starts, end=ends)
                playout.put(frames, arrival)
                arrivals.append((arrival, 1e3 * (arrival - stop * frame_s)))
        pcm = playout.pull(now, block_samples)
        if keep_pcm:
            pieces.append(pcm)
        series[pull] = playout.progress()
    return SimulatedCall(
        pcm=np.concatenate(pieces) if pieces else np.zeros(0, np.float32),
        times_s=np.arange(pulls, dtype=np.float64) * block_s,
        target_ms=series[:, 0],
        actual_ms=series[:, 1],
        concealed=series[:, 2].astype(np.int64),
        arrivals=np.array(arrivals).reshape(-1, 2),
        stats=playout.stats(network_ms=link.delay_ms),
        link=network.counts,
    )


def _messages(
    frames: int, per_message: int, spurts: Iterable[tuple[int, int]] | None
) -> list[tuple[int, int, int, bool, bool]]:
    """First frame, last frame + 1, sequence number, start and end flag of every message."""
    messages = []
    seq = 0
    for begin, stop in [(0, frames)] if spurts is None else spurts:
        for first in range(begin, stop, per_message):
            last = min(first + per_message, stop)
            messages.append((first, last, seq, first == begin, last == stop))
            seq += last - first
    return messages

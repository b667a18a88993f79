"""What entropy coding saves on speech: the table of docs/topics/performance.md.

    python -m research.experiments.coded_rate --data CLIPS

Every block and message stands alone, as in files and calls; where coding would not make it
shorter it is packed. Bytes are counted whole.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.entropy.indices import IndexCoder
from q2d2_stream.packet import PacketCoder
from q2d2_stream.packing import packed_bytes
from research.eval.clips import load_clips

__all__ = ["Cost", "main", "run_cost"]

_RUNS = {1: "1 (message)", 3: "3 (message)", 6: "6 (message)", 75: "75 (block of a file)"}


class Cost(NamedTuple):
    """Bits a frame, mean over the speech."""

    packed: float
    coded: float


def run_cost(
    codec: Codec, coder: IndexCoder, speech: Sequence[NDArray[np.uint8]], rate: int, frames: int
) -> Cost:
    """What numbers ``(frames, width)`` of several clips, as of the highest rate, cost at ``rate``
    when cut into runs of ``frames``. Packed refinement is of its fixed form."""
    level = codec.config.ladder[rate]
    width = None if level.refined else level.pairs
    packed = coded = total = 0
    for indices in speech:
        for start in range(0, len(indices), frames):
            run = np.ascontiguousarray(indices[start : start + frames, :width])
            packed += packed_bytes(codec.config, rate, len(run))
            coded += len(PacketCoder(codec.config, coder).encode_payload(run).data)
            total += len(run)
    return Cost(8 * packed / total, 8 * coded / total)


def main(argv: list[str] | None = None) -> int:
    """Print the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="coded_rate", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of speech clips")
    parser.add_argument("--limit", type=int, help="clips at most")
    args = parser.parse_args(argv)
    codec = load_codec()
    if codec.coder is None:
        parser.error("the installed model has no entropy tables; make them with export.entropy")
    hop, rates = codec.config.hop, codec.config.ladder
    encoder, speech = codec.encoder(codec.config.ladder[-1]), []
    for clip in load_clips(args.data, args.limit):
        encoder.reset()
        whole = clip.pcm[: len(clip.pcm) // hop * hop]
        speech.append(encoder.push(np.ascontiguousarray(whole)))
    print("| frames | " + " | ".join(f"{rate.name} kbps" for rate in rates) + " |")
    print("|---" * (len(rates) + 1) + "|")
    for frames, label in _RUNS.items():
        costs = [run_cost(codec, codec.coder, speech, rate, frames) for rate in range(len(rates))]
        cells = [f"{c.packed:.1f} -> {c.coded:.1f}, {c.coded / c.packed - 1:.0%}" for c in costs]
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)
    # the last row is that of files
    kbps = [f"{c.coded * codec.config.frame_rate / 1000:.2f}" for c in costs]
    print("| files, kbps of indices | " + " | ".join(kbps) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

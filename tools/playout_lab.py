"""Draw what the playout does on given links: arrival, target and actual delay over time.

python tools/playout_lab.py -o lab.png "delay=50" "delay=50,jitter=100" "delay=80,stall=2@10"
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.errors import Q2D2Error
from q2d2_stream.netsim import SimulatedCall, parse_link, simulate_call


class ToneDecoder:
    """A stand-in for the codec: a decaying 125 Hz buzz with pauses, so that stretching works."""

    delay_samples = 320

    def __init__(self) -> None:
        self._frames = 0
        period = 0.3 * np.exp(-np.arange(192) / 40).astype(np.float32)
        self._voice = np.resize(period, 192 * 5 + 320)
        self._hiss = 1e-3 * np.random.default_rng(0).standard_normal(320).astype(np.float32)

    def seek(self, number: int) -> None:
        """Every frame is like the others."""

    def reset(self) -> None:
        """Nothing to forget."""

    def push(self, indices: NDArray[np.uint8] | None) -> NDArray[np.float32]:
        """One frame: 2 s of voice, then 0.5 s of hiss, and so on."""
        self._frames += 1
        if self._frames % 188 > 150:
            return self._hiss
        start = self._frames * 320 % 192
        frame: NDArray[np.float32] = self._voice[start : start + 320] + self._hiss
        return frame


def draw(calls: list[tuple[str, SimulatedCall]], path: str) -> None:
    """Writes one panel per call to ``path``."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(calls), 1, figsize=(12, 3.2 * len(calls)), squeeze=False, layout="constrained"
    )
    for axis, (title, call) in zip(axes[:, 0], calls, strict=True):
        stats = call.stats
        if len(call.arrivals):
            axis.plot(
                call.arrivals[:, 0],
                call.arrivals[:, 1] - call.arrivals[:, 1].min(),
                ".",
                color="0.7",
                markersize=2,
                label="arrival",
            )
        axis.plot(call.times_s, call.target_ms, label="target")
        axis.plot(call.times_s, call.actual_ms, label="actual")
        lossy = np.flatnonzero(np.diff(call.concealed, prepend=0))
        axis.plot(call.times_s[lossy], np.zeros(len(lossy)), "r|", label="concealed")
        axis.set_ylim(-10, 1.3 * max(np.quantile(call.target_ms, 0.99), 100))
        axis.set_ylabel("delay, ms")
        axis.set_title(
            f"{title}   played {stats.played}, concealed {stats.concealed}, lost {stats.lost}, "
            f"late {stats.late}, skipped {stats.skipped}, underruns {stats.underruns}, "
            f"stretched -{stats.accelerated_ms:.0f} +{stats.expanded_ms:.0f} ms, "
            f"drift {stats.drift_ppm:.0f} ppm",
            fontsize=9,
        )
        axis.legend(loc="upper right", fontsize=8)
    axes[-1, 0].set_xlabel("time, s")
    figure.savefig(path, dpi=80)


def main() -> int:
    """Runs every link given and draws them below each other."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("link", nargs="+", help="as for --simulate, e.g. delay=80,jitter=40")
    parser.add_argument(
        "-o", "--output", default="playout.png", help="picture (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=30, help="length of a call")
    parser.add_argument("--frames", type=int, default=3, help="frames per message")
    parser.add_argument("--drift", type=float, default=0, help="sender's clock, ppm fast")
    parser.add_argument("--block", type=int, default=320, help="samples per pull")
    parser.add_argument("--pause", type=float, default=0, help="unsent pause after every 2 s, s")
    options = parser.parse_args()
    frames = int(options.seconds * 75)
    spurts = None
    if options.pause:
        step = 150 + int(options.pause * 75)
        spurts = [(first, min(first + 150, frames)) for first in range(0, frames, step)]
    calls = []
    try:
        for text in options.link:
            call = simulate_call(
                np.zeros((frames, 6), np.uint8),
                ToneDecoder(),
                parse_link(text),
                frames_per_message=options.frames,
                drift_ppm=options.drift,
                block_samples=options.block,
                spurts=spurts,
                keep_pcm=False,
            )
            calls.append((text, call))
    except Q2D2Error as error:
        print(error, file=sys.stderr)
        return 1
    draw(calls, options.output)
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())

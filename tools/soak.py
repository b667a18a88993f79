"""Long calls: memory stays flat, drift is corrected, delay stays where it was.

python tools/soak.py                                  30 simulated minutes, then 10 real ones
python tools/soak.py --simulated 2 --real 1           a shorter one

The simulated call runs the playout and the real decoder on a clock of its own, with a sender
whose sound clock is 200 ppm fast, jitter, loss and stalls. The real one holds a call over a
websocket on 127.0.0.1 between two parties of this process. Exits with 1 when something grows.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import numpy as np
import soundfile

from q2d2_stream.audio import NullSink
from q2d2_stream.call import CallClient, CallServer, CallSession, parse_address
from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.files.file_source import FileSource
from q2d2_stream.netsim import LinkSpec, simulate_call
from q2d2_stream.netsim.link import Stall
from q2d2_stream.protocol import Endpoint

SPEECH = Path(__file__).parent.parent / "apps" / "speech" / "kathleen_en_0.flac"
DRIFT_PPM = 200.0
# What a float in a list or a longer counter may cost; a leak of one object per frame costs more.
GROWTH_MIB = 4.0
_SAMPLE_S = 5.0


def rss_mib() -> float:
    """Memory of this process that is in use, in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def growth_mib(samples: list[float]) -> float:
    """How much the last quarter's median is above the second quarter's."""
    quarter = max(1, len(samples) // 4)
    return float(np.median(samples[-quarter:]) - np.median(samples[quarter : 2 * quarter]))


def simulated(codec: Codec, minutes: float) -> list[str]:
    """A call in simulated time; what was wrong with it."""
    pcm, _ = soundfile.read(SPEECH, dtype="float32")
    clip = codec.encoder(1.5).push(pcm[: len(pcm) // 320 * 320])
    frames = round(minutes * 60 * codec.config.frame_rate)
    indices = np.resize(clip, (frames, clip.shape[1]))
    stalls = tuple(Stall(2.0, start) for start in np.arange(50.0, 60 * minutes, 300.0))
    link = LinkSpec(delay_ms=60, jitter_ms=40, loss=0.01, burst=2, stalls=stalls, seed=1)
    done = simulate_call(indices, codec.decoder(), link, drift_ppm=DRIFT_PPM, keep_pcm=False)
    stats = done.stats
    minute = done.times_s // 60
    delays = [float(np.median(done.actual_ms[minute == m])) for m in np.unique(minute)]
    print(
        f"simulated {minutes:g} min: drift {stats.drift_ppm:+.0f} ppm of {DRIFT_PPM:+.0f}, delay "
        f"per minute {min(delays):.0f} to {max(delays):.0f} ms, {stats.played} played, "
        f"{stats.concealed} concealed, {stats.underruns} underruns, {stats.skipped} skipped, "
        f"{stats.stalls} stalls, stretched by -{stats.accelerated_ms:.0f} and "
        f"+{stats.expanded_ms:.0f} ms"
    )
    wrong = []
    if abs(stats.drift_ppm - DRIFT_PPM) > 30:
        wrong.append("the drift was not found")
    if max(delays) > 300:
        wrong.append("the delay did not stay bounded")
    return wrong


async def real(codec: Codec, minutes: float) -> list[str]:
    """A call in real time; what was wrong with it."""
    end = Endpoint.of(codec)
    listener = CallServer(parse_address("127.0.0.1:0"), end)
    await listener.start()
    dialer = CallClient(parse_address(f"127.0.0.1:{listener.port}"), end)
    parties = [
        CallSession(codec, line, FileSource(SPEECH, loop=True), NullSink())
        for line in (listener, dialer)
    ]
    tasks = [asyncio.create_task(side.run()) for side in parties]
    memory = []
    for _ in range(max(8, round(minutes * 60 / _SAMPLE_S))):
        await asyncio.sleep(_SAMPLE_S)
        memory.append(rss_mib())
    parties[1].hang_up()
    await asyncio.gather(*tasks)
    await listener.close()
    for name, side in zip(("listener", "caller"), parties, strict=True):
        stats = side.stats()
        playout = stats.playout
        print(
            f"real {stats.seconds / 60:.1f} min, {name}: {stats.sent.mean_wire_kbps:.1f} kbps on "
            f"the wire, delay {playout.delay_p50.total_ms:.0f} ms (p50), "
            f"{playout.delay_p95.total_ms:.0f} ms (p95), {playout.played} played, "
            f"{playout.concealed} concealed, {stats.dropped_frames} dropped, event loop late by "
            f"{stats.loop_lag_p99_ms:.1f} ms (p99), {100 * stats.cpu_share:.0f} % of a core for "
            "both"
        )
    print(
        f"memory {memory[0]:.1f} MiB, at the end {memory[-1]:.1f}, growth {growth_mib(memory):+.1f}"
    )
    wrong = []
    if growth_mib(memory) > GROWTH_MIB:
        wrong.append("memory grew")
    if any(side.stats().connections != 1 for side in parties):
        wrong.append("the connection broke")
    return wrong


def main() -> int:
    """Run both calls."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--simulated", type=float, default=30.0, metavar="MINUTES")
    parser.add_argument("--real", type=float, default=10.0, metavar="MINUTES")
    args = parser.parse_args()
    codec = load_codec()
    wrong = simulated(codec, args.simulated) + asyncio.run(real(codec, args.real))
    for sentence in wrong:
        print(f"FAILED: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""``q2d2 bench``: what a frame costs on this machine, stage by stage, on one thread.

With ``--all`` every engine and precision, side by side.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.cli.facts import model_facts, print_facts
from q2d2_stream.cli.numbers import seconds
from q2d2_stream.cli.options import add_models_argument, add_rate_argument, codec_of

if TYPE_CHECKING:
    from q2d2_stream.config import Rate
    from q2d2_stream.engine import Codec

__all__ = ["DESCRIPTION", "STAGES", "add_arguments", "measure", "run", "synthetic_sound"]

DESCRIPTION = "Measure what a frame costs on this machine, stage by stage, on one thread."
STAGES = ("encoder", "lattice", "refinement", "packet", "unpacket", "decoder", "concealment")
_TO_SEND, _TO_RECEIVE = STAGES[:4], STAGES[4:6]
_WARM_UP_FRAMES = 50
_PACKET_FRAMES = 3  # coded together, as in a call
_LOST_EVERY = 10  # this share of the frames is concealed, so that concealment is measured too

T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--wav", help="a sound to measure with (default: a synthetic one)")
    parser.add_argument(
        "--seconds", type=seconds, default=20.0, help="how much sound (default: 20)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--all", action="store_true", help="compare every engine and precision, and Opus"
    )
    add_rate_argument(parser)
    add_models_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Load the model, run the frames one by one, print medians and 99th percentiles."""
    if args.all:
        from q2d2_stream.cli.bench_engines import run_all

        return run_all(args)
    start = time.perf_counter()
    codec = codec_of(args)
    codec.encoder()  # either graph is read when it is first asked for
    codec.decoder()
    load_ms = 1000 * (time.perf_counter() - start)
    config = codec.config
    frames = max(1, round(args.seconds * config.frame_rate))
    pcm = _sound(args.wav, config.sample_rate, frames * config.hop)
    rate = config.find_rate(args.rate)
    times = measure(codec, rate, pcm.reshape(-1, config.hop))

    figures = {stage: _figure(us) for stage, us in times.items()}
    mean_us = sum(float(np.mean(us)) for stage, us in times.items() if stage != "concealment")
    factor = mean_us / (1000 * config.frame_ms)
    memory_mb = _peak_rss_mb()
    if args.json:
        result = {
            "model": codec.model_id,
            "engine": codec.engine,
            "precision": codec.precision,
            "rate": rate.name,
            "frames": len(pcm) // config.hop,
            "stages": figures,
            "encode": _figure(_sum(times, _TO_SEND)),
            "decode": _figure(_sum(times, _TO_RECEIVE)),
            "frame": _figure(_sum(times, _TO_SEND + _TO_RECEIVE)),
            "real_time_factor": factor,
            "load_ms": load_ms,
            "peak_rss_mb": memory_mb,
        }
        print(json.dumps(result))
        return 0
    print_facts(
        model_facts(codec)
        | {
            "engine": f"{codec.engine} {codec.precision}",
            "load time": f"{load_ms:.0f} ms, runtime included",
            "peak memory": "unknown" if memory_mb is None else f"{memory_mb:.0f} MB resident",
            "real-time factor": f"{factor:.4f} ({1 / factor:.0f} times real time, one thread)",
        }
    )
    print(f"\nper frame of {config.frame_ms:.1f} ms   median us    p99 us")
    both = {"to send": _TO_SEND, "to receive": _TO_RECEIVE}
    sums = {name: _figure(_sum(times, stages)) for name, stages in both.items()}
    for stage, us in (figures | sums).items():
        print(f"{stage:<21}{us['median_us']:>11.1f}{us['p99_us']:>10.1f}")
    return 0


def measure(
    codec: Codec, rate: Rate, frames: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Microseconds that every stage of :data:`STAGES` took for every frame.

    Frames go in packets of three, as in a call; a packet's time counts a third for each.

    Args:
        codec: the codec.
        rate: one of its rates.
        frames: pcm, shape ``(n, hop)``; the first 50 are run before measuring, too.
    """
    encoder, decoder = codec.encoder(rate), codec.decoder()
    times: dict[str, list[float]] = {stage: [] for stage in STAGES}

    def timed(stage: str, function: Callable[[], T], frames: int = 1) -> T:
        start = time.perf_counter_ns()
        result = function()
        share = 1e-3 * (time.perf_counter_ns() - start) / frames
        times[stage] += [share] * frames
        return result

    def send(first: int, message: NDArray[np.float32]) -> None:
        indices = []
        for frame in message:
            latent = timed("encoder", lambda frame=frame: encoder.latents(frame))  # type: ignore[misc]
            pairs = timed("lattice", lambda latent=latent: encoder.quantize(latent))  # type: ignore[misc]
            if rate.refined:  # the sender decodes, too
                pairs = timed("refinement", lambda f=frame, p=pairs: encoder.refine(f, p))  # type: ignore[misc]
            indices.append(pairs)
        sent = np.concatenate(indices)
        packet = timed("packet", lambda: codec.packets.encode(sent), len(sent))
        received = timed("unpacket", lambda: codec.packets.decode(packet), len(sent))
        for number, row in enumerate(received, first):
            if number % _LOST_EVERY == _LOST_EVERY - 1:
                timed("concealment", lambda: decoder.push(None))
            else:
                timed("decoder", lambda row=row: decoder.push(row))  # type: ignore[misc]

    def run_all(pcm: NDArray[np.float32]) -> None:
        for first in range(0, len(pcm), _PACKET_FRAMES):
            send(first, pcm[first : first + _PACKET_FRAMES])

    run_all(frames[:_WARM_UP_FRAMES])
    for values in times.values():
        values.clear()
    run_all(frames)
    return {stage: np.array(values) for stage, values in times.items() if values}


def _figure(us: NDArray[np.float64]) -> dict[str, float]:
    """What is told of many times."""
    return {"median_us": float(np.median(us)), "p99_us": float(np.percentile(us, 99))}


def _sum(times: dict[str, NDArray[np.float64]], stages: tuple[str, ...]) -> NDArray[np.float64]:
    """Microseconds that some stages together took of every frame, lost ones left out."""
    lost = np.arange(len(times["encoder"])) % _LOST_EVERY == _LOST_EVERY - 1
    taken = [times[stage] for stage in stages if stage in times]
    return np.asarray(sum(us if len(us) < len(lost) else us[~lost] for us in taken))


def _sound(path: str | None, sample_rate: int, samples: int) -> NDArray[np.float32]:
    """The sound in the file, repeated to the wanted length, or a buzz with pauses."""
    if path is None:
        return synthetic_sound(sample_rate, samples)
    from q2d2_stream.files.reader import open_sound

    blocks, held = [np.zeros(0, np.float32)], 0
    with open_sound(path, sample_rate) as sound:
        for block in sound:
            blocks.append(block)
            held += len(block)
            if held >= samples:
                break
    return np.resize(np.concatenate(blocks), samples)


def synthetic_sound(sample_rate: int, samples: int) -> NDArray[np.float32]:
    """A buzz of wandering pitch, with pauses, in a little noise."""
    t = np.arange(samples) / sample_rate
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / sample_rate
    voice = sum(np.sin(k * pitch) / k for k in range(1, 20)) * (np.sin(2 * np.pi * t) > -0.5)
    noise = np.random.default_rng(0).normal(0, 0.01, samples)
    return np.asarray(0.1 * voice + noise, dtype=np.float32)


def _peak_rss_mb() -> float | None:
    """Peak resident memory of this process, or None where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3  # bytes there, KiB elsewhere

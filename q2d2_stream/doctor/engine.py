"""How long every engine takes for a frame on this machine, and which one to use."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from q2d2_stream.doctor.finding import Finding, Verdict

__all__ = ["choose_engine", "measure_engine"]

_FRAMES = 300
_WARM_UP_FRAMES = 30
# A call has other work: sound, network, playout. At half the frame's time for the slowest frame
# in a hundred, the rest fits on the same core.
_GREEN_SHARE = 0.5
_RED_SHARE = 0.9
_NOTABLY_FASTER = 0.8


def measure_engine(
    engine: str, precision: str, models: str | None = None, frames: int = _FRAMES
) -> list[Finding]:
    """Encode ``frames`` frames to packets and decode them, one by one, on one thread."""
    from q2d2_stream.engine import load_codec

    start = time.perf_counter()
    codec = load_codec(Path(models) if models else None, engine=engine, precision=precision)
    encoder, decoder = codec.encoder(codec.config.ladder[-1]), codec.decoder()
    load_ms = 1000 * (time.perf_counter() - start)
    hop, config = codec.config.hop, codec.config
    rng = np.random.default_rng(0)
    pcm = (0.1 * rng.standard_normal((frames + _WARM_UP_FRAMES, hop))).astype(np.float32)
    times_ms = np.empty(len(pcm))
    cpu_s = time.process_time()
    for n, frame in enumerate(pcm):
        start = time.perf_counter()
        decoder.decode(encoder.encode(frame))
        times_ms[n] = 1000 * (time.perf_counter() - start)
    cpu_ms = 1000 * (time.process_time() - cpu_s) / len(pcm)
    times_ms = times_ms[_WARM_UP_FRAMES:]
    median_ms, p99_ms = float(np.median(times_ms)), float(np.percentile(times_ms, 99))
    share = p99_ms / config.frame_ms
    verdict, advice = Verdict.GREEN, ""
    if share > _RED_SHARE:
        verdict, advice = Verdict.RED, "too slow for a call: try another engine or machine"
    elif share > _GREEN_SHARE:
        verdict, advice = Verdict.YELLOW, "little is left for the rest of a call"
    if verdict is not Verdict.GREEN and cpu_ms < _GREEN_SHARE * config.frame_ms:
        advice = "fast enough by itself, but other programs take the processor: stop them"
    facts = {
        "engine": engine,
        "precision": precision,
        "model": codec.model_id,
        "median_ms": median_ms,
        "p99_ms": p99_ms,
        "cpu_ms": cpu_ms,
        "budget_ms": config.frame_ms,
        "share_p99": share,
        "load_ms": load_ms,
    }
    text = (
        f"{median_ms:.2f} ms per frame (99 %: {p99_ms:.2f}), {100 * share:.0f} % of "
        f"{config.frame_ms:.1f} ms, loaded in {load_ms:.0f} ms"
    )
    return [Finding(f"engine {engine} {precision}", verdict, text, advice, facts)]


def choose_engine(measured: list[Finding]) -> Finding:
    """Which engine a call should use.

    Args:
        measured: findings of :func:`measure_engine`, in the order in which ``auto`` prefers them;
            those of engines that failed have no figures.
    """
    usable = [finding.facts for finding in measured if "median_ms" in finding.facts]
    if not usable:
        return Finding(
            "choice",
            Verdict.RED,
            "no engine runs here",
            "run: pip install --force-reinstall q2d2-stream onnxruntime",
        )
    best = min(usable, key=lambda facts: float(facts["median_ms"]))
    options = f"--engine {best['engine']} --precision {best['precision']}"
    auto = usable[0]
    facts = {"engine": best["engine"], "precision": best["precision"]}
    if best["median_ms"] < _NOTABLY_FASTER * auto["median_ms"]:
        text = f"{best['engine']} {best['precision']} is notably faster than what auto takes"
        return Finding("choice", Verdict.YELLOW, text, f"use {options}", facts)
    text = f"auto takes {auto['engine']} {auto['precision']}, the fastest or close to it"
    facts = {"engine": auto["engine"], "precision": auto["precision"]}
    return Finding("choice", Verdict.GREEN, text, "", facts)

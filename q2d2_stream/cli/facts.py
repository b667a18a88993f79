"""What there is to say about a model, as lines for ``q2d2 info`` and ``q2d2 bench``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from q2d2_stream.config import CodecConfig
    from q2d2_stream.engine import Codec

__all__ = ["model_facts", "print_facts"]


def model_facts(codec: Codec) -> dict[str, str]:
    """The model's identity, size, cost per second, bitrates and latency."""
    config, info = codec.config, codec.info
    encoder, decoder = int(info["parameters_encoder"]), int(info["parameters_decoder"])
    macs_encoder = int(info["macs_per_frame_encoder"]) * config.frame_rate / 1e6
    macs_decoder = int(info["macs_per_frame_decoder"]) * config.frame_rate / 1e6
    rates = [
        f"--rate {rate.name}: {rate.kbps:.2f}"
        + (f" (coded {rate.coded_kbps:.2f})" if rate.coded_kbps is not None else "")
        for rate in codec.rates
    ]
    facts = {
        "model": f"{codec.model_id} ({codec.model_hash.hex()})",
        "training": str(info["training"]),
        "sound": f"{config.sample_rate} Hz mono, frames of {config.frame_ms:.1f} ms",
        "latency": f"{config.latency_ms:.1f} ms (one frame and {config.lookahead} samples)",
        "lattice": f"{config.lattice}, {config.pairs} pairs of {_points(config)} points",
        "bitrates": f"{', '.join(rates)} kbps",
        "parameters": _sum(encoder / 1e6, decoder / 1e6, "M"),
        "multiply-adds": _sum(macs_encoder, macs_decoder, "M/s"),
    }
    if config.refined_rate is not None:
        facts["refinement"] = _refinement(config, macs_encoder, macs_decoder)
    return facts


def _refinement(config: CodecConfig, macs_encoder: float, macs_decoder: float) -> str:
    """What the rate with refinement costs, as its sender decodes, too."""
    from q2d2_stream.refinement import ErrorMeter, Refiner

    rate = config.ladder[-1]
    ends = ErrorMeter(config.sample_rate, config.hop), Refiner(config.sample_rate, config.hop)
    meter, refiner = (end.macs_per_frame * config.frame_rate / 1e6 for end in ends)
    latency_ms = 1000 * (config.hop + rate.lookahead) / config.sample_rate
    return (
        f"--rate {rate.name}: latency {latency_ms:.1f} ms, "
        f"{macs_encoder + macs_decoder + meter:.2f} M/s to send, "
        f"{macs_decoder + refiner:.2f} M/s to hear"
    )


def _sum(encoder: float, decoder: float, unit: str) -> str:
    return f"{encoder + decoder:.2f} {unit} (encoder {encoder:.2f}, decoder {decoder:.2f})"


def _points(config: CodecConfig) -> str:
    return " or ".join(str(n) for n in sorted(set(config.codebook_sizes), reverse=True))


def print_facts(facts: dict[str, str]) -> None:
    """Print one aligned line to each fact on stdout."""
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")

"""Vectors of the codec for the browser client, which must reproduce them.

python -m tests.labs.codec_vectors     invents new questions and writes tests/web/vectors/

A vector holds a question and its answer. Whether a file is current is checked by answering its
questions again, so that nothing depends on how numbers were drawn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from q2d2_stream.config import FRAME_SAMPLES, REFINEMENT_SYMBOLS, SAMPLE_RATE, CodecConfig
from q2d2_stream.entropy import IndexCoder, Tables
from q2d2_stream.errors import FormatError
from q2d2_stream.lattice import KINDS, Lattice
from q2d2_stream.packet import PacketCoder
from q2d2_stream.quantizer import LAGS, NoiseShaper
from q2d2_stream.refinement import (
    BANDS,
    STEPS,
    SYMBOL_ZERO,
    SYMBOLS,
    ErrorMeter,
    RefinementCode,
    Refiner,
)
from q2d2_stream.refinement.noise import noise_state
from tests.labs.entropy import CONFIGS, REFINED, coder, random_indices, smooth_indices
from tests.labs.paths import ROOT

__all__ = ["ANSWERS", "FOLDER"]

FOLDER = ROOT / "tests" / "web" / "vectors"

Vector = dict[str, Any]

_LEVELS = {"rhombic": (9, 9, 7, 7, 5, 3), "hexagonal": (8, 7, 5, 6), "rectangular": (4, 9, 16, 16)}
# The last one fits the graphs of a model with four rates: the browser's engine is tried with it.
_CONFIGS = (*CONFIGS.values(), REFINED, CodecConfig(rates=(3, 4, 6), refined=True))


def ask_config() -> Iterator[Vector]:
    """Configurations of every kind."""
    for each in _CONFIGS:
        yield {"json": each.to_json()}


def answer_config(vector: Vector) -> Vector:
    """What follows from a configuration."""
    config = CodecConfig.from_json(vector["json"])
    return {
        "codebook_sizes": config.codebook_sizes,
        "default_rate": config.default_rate.name,
        "ladder": [
            {
                "name": rate.name,
                "pairs": rate.pairs,
                "codebook_sizes": rate.codebook_sizes,
                "kbps": rate.kbps,
                "lookahead": rate.lookahead,
                "refined": rate.refined,
                "packed_bytes": [rate.packed_bytes(n) for n in (0, 1, 3, 16, 75)],
                "most_bytes": rate.most_bytes(3),
            }
            for rate in config.ladder
        ],
    }


def ask_lattice() -> Iterator[Vector]:
    """Every kind of grid: points near and far, and those half-way between others."""
    rng = np.random.default_rng(1)
    for kind in KINDS:
        levels = _LEVELS[kind]
        spread = rng.uniform(-1.6, 1.6, (60, len(levels))) * Lattice(kind, levels).scale
        halves = rng.integers(-12, 12, (60, len(levels))) / 4
        latents = np.concatenate([spread, halves, np.full((1, len(levels)), 1e9)])
        yield {"kind": kind, "levels": levels, "latents": latents.tolist()}


def answer_lattice(vector: Vector) -> Vector:
    """Sizes, and what is nearest to each latent."""
    grids = Lattice(vector["kind"], vector["levels"])
    nearest = grids.nearest(vector["latents"])
    return {
        "codes": grids.codes,
        "scale": grids.scale.tolist(),
        "norm": grids.norm.tolist(),
        "nearest": nearest.tolist(),
        "points": grids.point(nearest).tolist(),
        "normalised": grids.normalised(nearest).tolist(),
    }


def ask_quantizer() -> Iterator[Vector]:
    """Latents that wander, with and without feedback."""
    rng = np.random.default_rng(2)
    for kind in KINDS:
        levels = _LEVELS[kind]
        walk = np.cumsum(rng.normal(0.0, 0.3, (150, len(levels))), axis=0)
        latents = (Lattice(kind, levels).scale * np.tanh(walk)).astype(np.float32).tolist()
        for feedback in (None, rng.uniform(-0.2, 0.5, (LAGS, len(levels))).tolist()):
            yield {"kind": kind, "levels": levels, "feedback": feedback, "latents": latents}


def answer_quantizer(vector: Vector) -> Vector:
    """Their indices."""
    shaper = NoiseShaper(Lattice(vector["kind"], vector["levels"]), vector["feedback"])
    latents = np.array(vector["latents"], np.float32)
    return {"indices": [shaper.quantize(latent).tolist() for latent in latents]}


def ask_packets() -> Iterator[Vector]:
    """Frames that wander slowly, which are coded, and frames without order, which are packed."""
    rng = np.random.default_rng(3)
    for config in _CONFIGS:
        slow = smooth_indices(config, 200)
        tables = coder(config).tables.to_bytes().hex()
        rows = []
        for rate in config.ladder:
            base = min(rate.index, len(config.rates) - 1)
            for frames in (1, 2, 3, 16):
                at = int(rng.integers(len(slow) - frames))
                both = slow[at : at + frames, : rate.pairs], random_indices(config, base, frames)
                rows += [(_refined(each, rng) if rate.refined else each).tolist() for each in both]
        # Most short runs of bytes are no packet; coded ones of one or two bytes often are.
        garbage = [rng.bytes(int(rng.choice([1, 2, 3, 4, 5, 8, 12]))).hex() for _ in range(80)]
        yield {"config": config.to_json(), "tables": tables, "rows": rows, "garbage": garbage}


def _refined(pairs: Any, rng: np.random.Generator) -> Any:
    told = rng.normal(SYMBOL_ZERO, 2.0, (len(pairs), REFINEMENT_SYMBOLS)).clip(0, SYMBOLS - 1)
    told[:, 0] = rng.integers(len(STEPS), size=len(pairs))
    return np.concatenate([pairs, told.astype(np.uint8)], axis=1)


def answer_packets(vector: Vector) -> Vector:
    """Packets with tables and, where that is possible, without."""
    config = CodecConfig.from_json(vector["config"])
    tables = Tables.from_bytes(bytes.fromhex(vector["tables"]), config)
    coded, plain = PacketCoder(config, IndexCoder(config, tables)), PacketCoder(config)
    rows = [np.array(each, np.uint8) for each in vector["rows"]]
    return {
        "checksum": tables.checksum,
        "coded": [coded.encode(each).hex() for each in rows],
        "packed": [
            None if config.width_to_rate(each.shape[1]).refined else plain.encode(each).hex()
            for each in rows
        ],
        "garbage_rows": [_decoded(coded, bytes.fromhex(each)) for each in vector["garbage"]],
        "typical_bytes": [
            IndexCoder(config, tables).typical_bytes(rate.index, 3) for rate in config.ladder
        ],
    }


def ask_refinement() -> Iterator[Vector]:
    """Statistics, errors that are nowhere near a threshold, and two sounds that differ."""
    rng = np.random.default_rng(5)
    basis = np.linalg.qr(rng.normal(size=(BANDS, BANDS)))[0].astype(np.float32)
    mean = rng.normal(0.0, 0.2, BANDS).astype(np.float32)
    unit = np.linspace(1.5, 0.5, 18, dtype=np.float32)
    for sharpening in (0.0, 0.125):
        code = RefinementCode.from_json(
            RefinementCode(mean, basis, 0.7, unit, sharpening).to_json()
        )
        errors = rng.normal(0.0, 0.8, (200, BANDS)).astype(np.float32)
        firm = [error for error in errors if _is_firm(code, error)][:12]
        original = rng.normal(0.0, 0.1, 8 * FRAME_SAMPLES)
        decoded = np.convolve(original, [0.6, 0.3, 0.1], "same") * np.linspace(
            0.5, 1.5, 8 * FRAME_SAMPLES
        )
        yield {
            "code": code.to_json(),
            "errors": np.array(firm).tolist(),
            "original": original.round(4).reshape(8, -1).tolist(),
            "decoded": decoded.round(4).reshape(8, -1).tolist(),
            "what_comes": ["error", "error", "lost", "lost", "lost", "lost", "none", "error"],
        }


_PRICES = np.outer(1 + np.arange(BANDS) / BANDS, 1.5 * np.abs(np.arange(SYMBOLS) - SYMBOL_ZERO))
"""What symbols take, as the TypeScript test has it."""


def _is_firm(code: RefinementCode, error: Any) -> bool:
    """Whether rounding in float32 cannot change what is sent of an error, in either form."""
    near = error + np.random.default_rng(0).normal(0.0, 1e-5, (30, BANDS)).astype(np.float32)
    coded = all(
        len(np.unique(code.symbols(near, step, bits), axis=0)) == 1
        for step in range(4)
        for bits in (None, _PRICES)
    )
    return coded and len(np.unique(code.indices(near), axis=0)) == 1


def answer_refinement(vector: Vector) -> Vector:
    """What is sent of the errors, and what both ends of the loop make of the sounds."""
    code = RefinementCode.from_json(vector["code"])
    errors = np.array(vector["errors"], np.float32)
    symbols = [code.symbols(error, n % len(STEPS)) for n, error in enumerate(errors)]
    indices = code.indices(errors)
    original, decoded = (np.array(vector[k], np.float32) for k in ("original", "decoded"))
    meter = ErrorMeter(SAMPLE_RATE, FRAME_SAMPLES)
    measured, state = [], meter.initial_state()
    for wanted, got in zip(original, decoded, strict=True):
        error, state = meter.step(wanted, got, state)
        measured.append(error.tolist())
    refiner = Refiner(SAMPLE_RATE, FRAME_SAMPLES, code.sharpening)
    refined, heard = [], refiner.initial_state()
    for n, what in enumerate(vector["what_comes"]):
        came = errors[n] if what == "error" else None
        pcm, heard = refiner.step(decoded[n], came, heard, what == "lost")
        refined.append(pcm.tolist())
    return {
        "symbols": [each.tolist() for each in symbols],
        "cheapest": [
            code.symbols(error, n % len(STEPS), _PRICES).tolist() for n, error in enumerate(errors)
        ],
        "told": [code.symbols_to_error(s, n % len(STEPS)).tolist() for n, s in enumerate(symbols)],
        "indices": indices.tolist(),
        "told_by_indices": code.indices_to_error(indices).tolist(),
        "measured": measured,
        "refined": refined,
        "fall": refiner.fall.tolist(),
        "noise": [noise_state(frames, 9).tolist()[0] for frames in (0, 1, 2, 4095, 4096, 100_000)],
    }


def _decoded(packets: PacketCoder, packet: bytes) -> list[list[int]] | None:
    try:
        rows: list[list[int]] = packets.decode(packet).tolist()
    except FormatError:
        return None
    return rows


ANSWERS: dict[str, Callable[[Vector], Vector]] = {
    "config": answer_config,
    "lattice": answer_lattice,
    "packets": answer_packets,
    "quantizer": answer_quantizer,
    "refinement": answer_refinement,
}
"""Every file's name without its ending, and what answers its questions."""

_QUESTIONS: dict[str, Callable[[], Iterator[Vector]]] = {
    "config": ask_config,
    "lattice": ask_lattice,
    "packets": ask_packets,
    "quantizer": ask_quantizer,
    "refinement": ask_refinement,
}


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, ask in _QUESTIONS.items():
        vectors = [{**question, **ANSWERS[name](question)} for question in ask()]
        lines = ",\n".join(json.dumps(vector) for vector in vectors)
        (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()

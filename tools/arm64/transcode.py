"""Encode and decode a clip at every rate with every engine that is here; save what came out.

Run once on each architecture; compare.py then compares the two files.

    python tools/arm64/transcode.py apps/speech/kathleen_en_0.flac OUT.npz [--models FOLDER]
"""

from __future__ import annotations

import argparse
import logging

import numpy as np
import soundfile

from q2d2_stream.engine import load_codec
from q2d2_stream.errors import MissingExtra, ModelError

_SECONDS = 3.0


def main() -> None:
    """Write latents, indices and sound, named by engine, precision and rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip")
    parser.add_argument("out")
    parser.add_argument("--models", help="folder of models, the shipped ones if not given")
    parser.add_argument("--seconds", type=float, default=_SECONDS)
    args = parser.parse_args()
    pcm, sample_rate = soundfile.read(args.clip, dtype="float32")
    results: dict[str, np.ndarray] = {}
    wishes = [("onnx", "fp32"), ("onnx", "int8"), ("tflite", "fp32"), ("tflite", "int8")]
    for engine, precision in wishes:
        try:
            codec = load_codec(args.models, engine=engine, precision=precision)
        except (MissingExtra, ModelError) as error:
            logging.warning("%s %s left out: %s", engine, precision, error)
            continue
        config = codec.config
        assert sample_rate == config.sample_rate
        frames = round(args.seconds * config.frame_rate)
        latents = codec.encoder().latents(pcm[: frames * config.hop])
        name = f"{engine}.{precision}"
        results[f"{name}.latents"] = latents
        for rate, pairs in enumerate(config.rates):
            indices = codec.lattice.nearest(latents[:, : 2 * pairs])
            results[f"{name}.indices.{rate}"] = indices
            results[f"{name}.pcm.{rate}"] = codec.decoder().push(indices)
        print(f"{name}: {frames} frames at {len(config.rates)} rates", flush=True)
    np.savez(args.out, allow_pickle=False, **results)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()

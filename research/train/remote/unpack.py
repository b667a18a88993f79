"""Decode a part that pack.py made into the corpus of a running training; needs numpy, soundfile."""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

HOP = 320


def decode(part: Path, corpus: Path, stretch: dict[str, Any]) -> bool:
    """One stretch; whether it is as long as it was."""
    pieces = [soundfile.read(part / name, dtype="float32")[0] for name in stretch["files"]]
    pcm = np.concatenate(pieces)[stretch["skip"] :][: stretch["frames"] * HOP]
    folder = corpus / stretch["key"]
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "pcm.npy", (np.clip(pcm, -1.0, 1.0) * 32767.0).astype(np.int16))
    with np.load(part / "f0.npz") as tracks:
        np.save(folder / "f0.npy", tracks[stretch["key"]].astype(np.float32))
    (folder / "facts.new").write_text(json.dumps(stretch))
    (folder / "facts.new").rename(folder / "facts.json")  # last: it marks a whole entry
    return len(pcm) == int(stretch["frames"]) * HOP


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--processes", type=int, default=8)
    args = parser.parse_args()
    begun = time.monotonic()
    stretches = json.loads((args.part / "stretches.json").read_text())
    stretches.sort(key=lambda stretch: -stretch["frames"])
    with Pool(args.processes) as pool:
        whole = pool.map(partial(decode, args.part, args.corpus), stretches, chunksize=1)
    took = time.monotonic() - begun
    print(f"{args.part}: {sum(whole)} of {len(whole)} stretches whole, {took:.1f} s", flush=True)


if __name__ == "__main__":
    main()

"""Compare what transcode.py made on two architectures: indices equal, sound within 1e-4.

    python tools/arm64/compare.py X86.npz ARM64.npz

fp32 has to agree as said. int8 multiplies integers exactly, but rounds its activations to 8 bits,
where a difference of one in the last bit of a float may become a whole step: its figures are shown
and not judged.
"""

from __future__ import annotations

import sys

import numpy as np

_TOLERANCE = 1e-4


def main() -> int:
    """Print one line to each result; 1 when one of fp32 is out of tolerance."""
    here, there = (np.load(path) for path in sys.argv[1:3])
    if set(here) != set(there):
        print(f"only on one side: {sorted(set(here) ^ set(there))}")
        return 1
    failed = False
    for name in here:
        if ".indices." in name:
            differing = int(np.count_nonzero(here[name] != there[name]))
            wrong, text = differing > 0, f"{differing} of {here[name].size} differ"
        else:
            worst = float(np.abs(here[name] - there[name]).max())
            # Latents are in grid units, where 1 is the distance of two points.
            wrong, text = worst > _TOLERANCE, f"largest difference {worst:.2e}"
        wrong &= ".fp32." in name
        failed |= wrong
        print(f"{name:<24} {text}{'  <-- FAILED' if wrong else ''}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

"""A call between an arm64 process and an x86 one, over a websocket, from file to file.

    python tools/arm64/call.py build/arm64/bookworm [--slower 60] [--engine onnx]

The emulator needs more than a second for a second of speech, so both sides run on a slow clock
(slow_call.py). What each side heard is compared with what the x86 codec makes of the same file
without a call: where the bytes of one architecture mean something else to the other, or a frame
is lost, they differ.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from q2d2_stream.audio.pcm import pcm_to_int16
from q2d2_stream.engine import load_codec

_HERE = Path(__file__).parent
_SPEECH = _HERE.parent.parent / "apps" / "speech"
_SECONDS = 2.0
_RATE = 2
# In units of 16 bits: the two architectures' sound differs by 1.3e-5 at most (compare.py), which
# is less than one, and then both are rounded.
_TOLERANCE = 2
# The whole of it is held back longer than the slow side is ever late.
_OPTIONS = ("--fixed-delay", "1000", "--rate", "3", "--precision", "fp32")


def say(name: str, folder: Path) -> np.ndarray:
    """Write the beginning of a clip as wav; returns what was written, in whole frames."""
    pcm, sample_rate = soundfile.read(_SPEECH / f"{name}.flac", dtype="int16")
    hop = sample_rate // 75
    pcm = pcm[: int(_SECONDS * 75) * hop]
    soundfile.write(folder / f"{name}.wav", pcm, sample_rate)
    return np.asarray(pcm, np.float32) / 32768


def hold_call(userland: Path, folder: Path, slower: str, engine: str) -> None:
    """x86 listens, arm64 calls and hangs up when it has said everything."""
    environment = {**os.environ, "Q2D2_SECRET": "correct horse battery"}
    tool = [str(_HERE / "slow_call.py"), slower]
    options = ["--engine", engine, *_OPTIONS]
    command = [sys.executable, *tool, "--listen", "127.0.0.1:0", *options]
    command += ["--input", str(folder / "kathleen_en_0.wav")]
    command += ["--output", str(folder / "at_x86.wav"), "--stats-json", str(folder / "at_x86.json")]
    x86 = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert x86.stderr is not None
        line = x86.stderr.readline()
        if not line.startswith("listening"):
            sys.exit(line + x86.stderr.read())
        arm64 = [str(_HERE / "in_userland.sh"), str(userland), *tool]
        arm64 += ["--peer", f"127.0.0.1:{line.split()[-1]}", *options]
        arm64 += ["--input", str(folder / "kathleen_en_1.wav")]
        arm64 += ["--output", str(folder / "at_arm64.wav")]
        arm64 += ["--stats-json", str(folder / "at_arm64.json")]
        subprocess.run(arm64, check=True, env=environment)
        x86.wait(timeout=600)
    finally:
        x86.kill()


def difference(heard: Path, expected: np.ndarray) -> tuple[int, int]:
    """Largest difference in units of 16 bits, and over how many samples.

    Before the first frame there is digital silence, which the codec itself never gives; after the
    last one that came before the end of the call, what conceals the others.
    """
    pcm = soundfile.read(heard, dtype="int16")[0].astype(int)
    stats = json.loads(heard.with_suffix(".json").read_text().splitlines()[-1])
    played = stats["playout"]["played"] * (len(expected) // int(_SECONDS * 75))
    wanted = np.frombuffer(pcm_to_int16(expected), "<i2").astype(int)
    first = np.flatnonzero(pcm)
    if not len(first):
        return 32768, 0
    pcm = pcm[max(0, first[0] - np.flatnonzero(wanted)[0]) :]
    count = min(len(pcm), len(wanted), played)
    return int(np.abs(pcm[:count] - wanted[:count]).max()), count


def main() -> int:
    """Print one line to each direction; 1 when one is out of tolerance."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("userland", type=Path, help="made by build_userland.sh")
    parser.add_argument("--slower", default="60", help="seconds that a second lasts (default: 60)")
    parser.add_argument("--engine", default="onnx", help="of both sides (default: onnx)")
    args = parser.parse_args()
    codec = load_codec(None, args.engine, "fp32")
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        said = {clip: say(clip, folder) for clip in ("kathleen_en_0", "kathleen_en_1")}
        hold_call(args.userland, folder, args.slower, args.engine)
        for clip, heard in (("kathleen_en_1", "at_x86"), ("kathleen_en_0", "at_arm64")):
            indices = codec.encoder(codec.config.ladder[_RATE]).push(said[clip])
            expected = codec.decoder().push(indices)
            worst, count = difference(folder / f"{heard}.wav", expected)
            wrong = worst > _TOLERANCE or count < len(said[clip]) // 2
            failed |= wrong
            print(
                f"{heard}: {count} of {len(expected)} samples heard, largest difference {worst} "
                f"of 32768{'  <-- FAILED' if wrong else ''}"
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

"""Two people on the phone, on one machine: `make demo`.

Two processes of q2d2-call, a real websocket on 127.0.0.1 between them, bundled speech both ways.
Writes what each side heard, a picture of the spectrograms, and both reports to demo_out/.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from q2d2_stream.audio.resample import StreamResampler, to_mono
from q2d2_stream.errors import MissingExtra
from research.eval.spectrogram import save_spectrograms

SPEECH = Path(__file__).parent / "speech"
SAID = {"alice": SPEECH / "kathleen_en_0.flac", "bob": SPEECH / "s2i_en_3.flac"}
RATE = 24_000


def start(name: str, out: Path, *arguments: str, secret: str) -> subprocess.Popen[str]:
    """Start one side's q2d2-call; its lines and report go to a file."""
    command = [sys.executable, "-m", "q2d2_stream", "call", *arguments]
    command += ["--input", str(SAID[name]), "--output", str(out / f"{name}_heard.wav")]
    command += ["--stats-json", str(out / f"{name}.jsonl")]
    return subprocess.Popen(
        command,
        stdout=(out / f"{name}_report.txt").open("w"),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "Q2D2_SECRET": secret},
    )


def hold_call(out: Path, rate: str, simulate: str) -> None:
    """Alice listens, Bob calls her and hangs up when he has said everything."""
    secret = secrets.token_urlsafe()
    options = ["--rate", rate, "--simulate", simulate]
    alice = start("alice", out, "--listen", "127.0.0.1:0", *options, secret=secret)
    try:
        assert alice.stderr is not None
        line = alice.stderr.readline()
        if not line.startswith("listening"):
            sys.exit(line + alice.stderr.read())
        peer = f"127.0.0.1:{line.split()[-1]}"
        bob = start("bob", out, "--peer", peer, *options, secret=secret)
        for name, side in (("bob", bob), ("alice", alice)):
            _, errors = side.communicate(timeout=120)
            if side.returncode:
                sys.exit(f"{name} failed: {errors}")
    finally:
        alice.kill()


def facts(out: Path, name: str) -> str:
    """What one side measured, in a line."""
    stats: dict[str, Any] = json.loads((out / f"{name}.jsonl").read_text().splitlines()[-1])
    received, playout = stats["received"], stats["playout"]
    return (
        f"{name} heard {received['mean_codec_kbps']:.2f} kbps of codec, "
        f"{received['mean_wire_kbps']:.1f} kbps on the wire; mouth to ear "
        f"{playout['delay_p50']['total_ms']:.0f} ms (p50), "
        f"{playout['delay_p95']['total_ms']:.0f} ms (p95); {playout['played']} frames played, "
        f"{playout['concealed']} concealed"
    )


def load(path: Path) -> NDArray[np.float32]:
    """A sound file as 24 kHz mono."""
    pcm, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return StreamResampler(rate, RATE, "file").push(to_mono(pcm), last=True)


def draw(out: Path) -> None:
    """Spectrograms, what was said above what was heard, for both directions."""
    sounds = {}
    for speaker, listener in (("alice", "bob"), ("bob", "alice")):
        sounds[f"{speaker} said"] = load(SAID[speaker])
        sounds[f"{listener} heard"] = load(out / f"{listener}_heard.wav")
    save_spectrograms(sounds, out / "spectrogram.png", sample_rate=RATE)


def main() -> int:
    """Hold the call and show what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", default="3", help="kbps, one of the rates of q2d2 info")
    parser.add_argument("--simulate", default="", metavar="SPEC", help="as q2d2-call --simulate")
    parser.add_argument("--out", type=Path, default=Path("demo_out"), help="folder to write to")
    args = parser.parse_args()
    args.out.mkdir(exist_ok=True)
    print("a call of about 6 seconds between two processes on 127.0.0.1 ...", flush=True)
    hold_call(args.out, args.rate, args.simulate)
    for name in SAID:
        print(facts(args.out, name))
    try:
        draw(args.out)
    except MissingExtra as error:
        print(f"no picture: {error}")
    print(f"in {args.out}/:", ", ".join(sorted(path.name for path in args.out.iterdir())))
    return 0


if __name__ == "__main__":
    sys.exit(main())

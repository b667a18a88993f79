"""Two people on the phone, on one machine: `make demo`. See demo_out/ afterwards.

Two processes of q2d2 call, a real connection on 127.0.0.1 between them, bundled speech both ways.
"""

import json
import subprocess
import sys
from pathlib import Path

import soundfile

from research.eval.spectrogram import save_spectrograms

SPEECH = Path(__file__).parent / "speech"
SAID = {"alice": SPEECH / "kathleen_en_0.flac", "bob": SPEECH / "s2i_en_3.flac"}
OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "demo_out")


def start(name: str, *peer: str) -> subprocess.Popen[str]:
    """One side's q2d2 call."""
    command = [sys.executable, "-m", "q2d2_stream", "call", *peer, "--secret", "only-for-the-demo"]
    command += ["--input", str(SAID[name]), "--output", str(OUT / f"{name}_heard.wav")]
    command += ["--stats-json", str(OUT / f"{name}.jsonl")]
    with (OUT / f"{name}_report.txt").open("w") as report:
        return subprocess.Popen(command, stdout=report, stderr=subprocess.PIPE, text=True)


def hold_call() -> None:
    """Alice listens; Bob calls her and hangs up when he has said everything."""
    print("a call of about 6 seconds between two processes on 127.0.0.1 ...", flush=True)
    alice = start("alice", "--listen", "127.0.0.1:0")
    assert alice.stderr is not None
    line = alice.stderr.readline()  # "listening on 127.0.0.1 port N"
    bob = start("bob", "--peer", f"127.0.0.1:{line.split()[-1]}")
    for name, side in (("bob", bob), ("alice", alice)):
        _, errors = side.communicate(timeout=120)
        if side.returncode:
            alice.kill()
            sys.exit(f"{name} failed: {errors}")


def main() -> None:
    """Hold the call and show what came of it."""
    OUT.mkdir(exist_ok=True)
    hold_call()
    sounds = {}
    for name, other in (("alice", "bob"), ("bob", "alice")):
        stats = json.loads((OUT / f"{name}.jsonl").read_text().splitlines()[-1])
        heard, delay = stats["received"], stats["playout"]["delay_p50"]["total_ms"]
        print(f"{name} heard {heard['mean_codec_kbps']:.2f} kbps", end=", ")
        print(f"{heard['mean_wire_kbps']:.1f} on the wire, {delay:.0f} ms from mouth to ear")
        sounds[f"{other} said"] = soundfile.read(SAID[other])[0]
        sounds[f"{name} heard"] = soundfile.read(OUT / f"{name}_heard.wav")[0]
    save_spectrograms(sounds, OUT / "spectrogram.png")
    print(f"in {OUT}/:", ", ".join(sorted(path.name for path in OUT.iterdir())))


if __name__ == "__main__":
    main()

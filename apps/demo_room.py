"""Four people in a room, on one machine: `make demo-room`. See demo_room_out/ afterwards."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

from q2d2_stream.files.reader import open_sound
from research.eval.spectrogram import save_spectrograms

ROOT = Path(__file__).parents[1]
OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "demo_room_out")
COMMAND = [sys.executable, "-m", "q2d2_stream"]
SECONDS = 16
SAID = {  # from when on, in seconds: the last two talk at once for a while
    "ann": (1.0, "apps/speech/kathleen_en_0.flac"),
    "bob": (5.2, "apps/speech/s2i_en_3.flac"),
    "cleo": (10.0, "docs/samples/alphanumeric_en_09.original.ogg"),
    "dan": (12.0, "docs/samples/nuwave_vctk_01.original.ogg"),
}


def start(name: str, link: str) -> subprocess.Popen[str]:
    """One person's q2d2 call."""
    begin_s, clip = SAID[name]
    said = np.zeros(24_000 * SECONDS, np.float32)
    with open_sound(str(ROOT / clip), 24_000) as sound:
        pcm = np.concatenate(list(sound))
    said[round(24_000 * begin_s) :][: len(pcm)] = pcm
    soundfile.write(OUT / f"{name}_says.wav", said, 24_000)
    files = {"input": "says.wav", "output": "heard.wav", "stats-json": "stats.jsonl"}
    options = [f"--{option}={OUT / name}_{end}" for option, end in files.items()]
    with (OUT / f"{name}_report.txt").open("w") as report:
        command = [*COMMAND, "call", link, "--name", name, *options]
        return subprocess.Popen(command, stdout=report, stderr=report, text=True)


def main() -> None:
    """Hold the room and show what came of it."""
    OUT.mkdir(exist_ok=True)
    command = [*COMMAND, "relay", "--listen", "127.0.0.1:0"]
    running = [relay := subprocess.Popen(command, stderr=subprocess.PIPE, text=True)]
    assert relay.stderr is not None
    try:
        url = f"http://127.0.0.1:{relay.stderr.readline().split()[-1]}"  # "relaying on ... port N"
        make = [*COMMAND, "call", "--new-room", url, "--print-link"]
        link = subprocess.check_output(make, text=True).strip()
        print(f"four people in a room on 127.0.0.1, for {SECONDS} seconds ...", flush=True)
        running += (sides := [start(name, link) for name in SAID])
        failures = [side.wait(120) for side in sides]
        relay.terminate()
        if any(failures) or relay.wait(20):
            sys.exit(f"it failed, see the reports in {OUT}/")
    finally:  # nobody is left behind, whatever went wrong
        for process in running:
            process.kill()
    sounds = {}
    for name in SAID:
        stats = json.loads((OUT / f"{name}_stats.jsonl").read_text().splitlines()[-1])
        wire, delay = stats["received"]["mean_wire_kbps"], stats["playout"]["delay_p50"]["total_ms"]
        print(f"{name} heard three others in {wire:.0f} kbps, {delay:.0f} ms from mouth to ear")
        for end in ("says", "heard"):
            sounds[f"{name} {end}"] = soundfile.read(OUT / f"{name}_{end}.wav")[0]
    save_spectrograms(sounds, OUT / "spectrogram.png", row_inches=(12.0, 1.6))
    print(f"in {OUT}/:", ", ".join(sorted(path.name for path in OUT.iterdir())))


if __name__ == "__main__":
    main()

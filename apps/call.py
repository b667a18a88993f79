"""A call from Python: call somebody, say what is in a file, and keep what they say.

python apps/call.py host:9000 speech.wav heard.wav --secret "correct horse battery"
"""

from __future__ import annotations

import argparse
import asyncio

import numpy as np
import soundfile

import q2d2_stream
from q2d2_stream.files.reader import open_sound

SAMPLE_RATE = 24_000


async def call(address: str, secret: str | None, said: np.ndarray) -> np.ndarray:
    async with q2d2_stream.connect(address, secret=secret, notify=print) as line:
        speaking = asyncio.create_task(line.send(said))
        heard: list[np.ndarray] = []
        async for pcm in line:  # until they hang up, or we have spoken and listened a second more
            heard.append(pcm)
            if len(heard) * len(pcm) > len(said) + SAMPLE_RATE:
                break
        await speaking
        stats = line.stats()
        print(f"{stats.sent.mean_wire_kbps:.1f} kbps sent, {stats.playout.concealed} concealed")
        return np.concatenate(heard)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="host:port")
    parser.add_argument("said", help="the sound file to say")
    parser.add_argument("heard", help="the wav file to write")
    parser.add_argument("--secret", help="what both sides know")
    args = parser.parse_args(argv)
    with open_sound(args.said, SAMPLE_RATE) as sound:
        said = np.concatenate(list(sound))
    heard = asyncio.run(call(args.address, args.secret, said))
    soundfile.write(args.heard, heard, SAMPLE_RATE)


if __name__ == "__main__":
    main()

"""Bytes in, bytes out: code a sound packet by packet, lose some of them, and decode the rest.

python apps/bytes.py speech.wav heard.wav --rate 1.5 --loss 0.1
"""

from __future__ import annotations

import argparse
import random

import numpy as np
import soundfile

import q2d2_stream
from q2d2_stream.files.reader import open_sound


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="a sound file")
    parser.add_argument("target", help="the wav file to write")
    parser.add_argument("--rate", default="3", help="kilobits per second")
    parser.add_argument("--frames", type=int, default=3, help="of 13.3 ms in a packet, 1 to 16")
    parser.add_argument("--loss", type=float, default=0.0, help="share of packets to lose")
    args = parser.parse_args(argv)

    codec = q2d2_stream.load_codec()
    encoder, decoder = codec.encoder(bitrate=args.rate), codec.decoder()
    sample_rate = codec.config.sample_rate
    samples = args.frames * encoder.frame_samples
    with open_sound(args.source, sample_rate) as sound:
        pcm = np.concatenate(list(sound))
    pcm = np.pad(pcm, (0, -len(pcm) % samples))  # whole packets

    chance, size, heard = random.Random(0), 0, []
    for piece in pcm.reshape(-1, samples):
        packet = encoder.encode(piece)
        size += len(packet)
        is_lost = chance.random() < args.loss
        heard.append(decoder.decode(None if is_lost else packet))
    soundfile.write(args.target, np.concatenate(heard), sample_rate)
    seconds = len(pcm) / sample_rate
    print(f"{seconds:.1f} s of sound in {size} bytes: {8e-3 * size / seconds:.2f} kbps")


if __name__ == "__main__":
    main()

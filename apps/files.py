"""Files: a sound to a .q2d2 file and back, and what both say about themselves.

python apps/files.py speech.wav speech.q2d2 heard.wav --rate 3
"""

from __future__ import annotations

import argparse

import q2d2_stream


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="a sound file of any kind")
    parser.add_argument("coded", help="the .q2d2 file to write")
    parser.add_argument("target", help="the sound file to write: wav, flac or ogg")
    parser.add_argument("--rate", default="3", help="kilobits per second")
    args = parser.parse_args(argv)

    codec = q2d2_stream.load_codec()  # once, for both directions
    coded = q2d2_stream.encode_file(args.source, args.coded, bitrate=args.rate, codec=codec)
    print(f"{coded.seconds:.2f} s of sound in {coded.bytes} bytes")
    decoded = q2d2_stream.decode_file(args.coded, args.target, codec=codec)
    for sentence in (*coded.warnings, *decoded.warnings):
        print(f"warning: {sentence}")


if __name__ == "__main__":
    main()

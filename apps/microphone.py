"""A live microphone: hear yourself as the codec sends you, frame by frame. Use headphones.

python apps/microphone.py --rate 1.5
python apps/microphone.py --input USB --output Headset
"""

from __future__ import annotations

import argparse
import asyncio

import q2d2_stream
from q2d2_stream.call.sound import make_sink, make_source


async def listen(rate: str, microphone: str | None, loudspeaker: str | None) -> None:
    codec = q2d2_stream.load_codec()
    encoder, decoder = codec.encoder(bitrate=rate), codec.decoder()
    async with make_source(microphone) as source, make_sink(loudspeaker) as sink:
        print(f"from {source.name} to {sink.name}; Ctrl-C ends it")
        while (pcm := await source.read()) is not None:  # one frame, 13.3 ms
            packet = encoder.encode(pcm)
            sink.write(decoder.decode(packet))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", default="3", help="kilobits per second")
    parser.add_argument("--input", help="a device's index or part of its name, or a sound file")
    parser.add_argument("--output", help="a device's index or part of its name, or a wav file")
    args = parser.parse_args(argv)
    try:
        asyncio.run(listen(args.rate, args.input, args.output))
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()

"""A robot that answers: it takes calls, one after the other, and repeats what it hears.

python apps/robot.py 0.0.0.0:9000 --secret "correct horse battery"
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress

import numpy as np

import q2d2_stream
from q2d2_stream.call import LiveCall

LOUD = 0.01  # root mean square of a piece that is speech
PAUSE_S = 0.6


async def talk(call: LiveCall) -> None:
    """Listen until there is a pause, then say it again, until the caller hangs up."""
    sentence: list[np.ndarray] = []
    quiet = 0
    async for pcm in call:
        if np.sqrt(np.mean(pcm * pcm)) > LOUD:
            quiet = 0
        elif sentence:
            quiet += len(pcm)
        if sentence or not quiet:
            sentence.append(pcm)
        if quiet > PAUSE_S * 24_000:
            await call.send(np.concatenate(sentence))  # a program could ask a language model here
            sentence.clear()
            quiet = 0


async def answer(address: str, secret: str | None, auth: bool, calls: int) -> None:
    async with q2d2_stream.serve(address, secret=secret, auth=auth) as line:
        print(f"listening on port {line.port}", flush=True)
        async for call in line:
            with suppress(q2d2_stream.CallError):  # they hung up while it spoke
                await talk(call)
            calls -= 1
            if not calls:
                return


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="host:port to listen on")
    parser.add_argument("--secret", help="what callers must know")
    parser.add_argument("--no-auth", action="store_true", help="let anybody call")
    parser.add_argument("--calls", type=int, default=0, help="end after so many (default: never)")
    args = parser.parse_args(argv)
    asyncio.run(answer(args.address, args.secret, not args.no_auth, args.calls))


if __name__ == "__main__":
    main()

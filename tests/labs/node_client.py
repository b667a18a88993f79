"""The browser client without a browser: its protocol in node, over real websockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from q2d2_stream.engine.codec import MODELS
from tests.labs.call import codec, until
from tests.labs.npm import WEB, npm

__all__ = ["NodeClient", "node_client"]


@cache
def _program() -> Path:
    """``web/tests/interop/client.ts`` as one file for node."""
    file = Path(mkdtemp()) / "client.cjs"
    source = str(WEB / "tests" / "interop" / "client.ts")
    options = ["--bundle", "--platform=node", "--format=cjs", f"--outfile={file}"]
    done = npm("exec", "--no", "--", "esbuild", source, *options)
    assert done.returncode == 0, done.stdout
    return file


class NodeClient:
    """A caller or member that says again what it hears.

    Attributes:
        events: what it told, as in ``web/src/call/events.ts``; audio is only counted.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.events: list[dict[str, Any]] = []
        self._process = process

    def of(self, kind: str) -> list[dict[str, Any]]:
        """All events of a type."""
        return [event for event in self.events if event["type"] == kind]

    async def wait_for(self, kind: str, count: int = 1, **fields: Any) -> dict[str, Any]:
        """The event of a type and with some fields, once there are ``count`` of them."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.of(kind) if fields.items() <= event.items()]

        await until(
            lambda: len(found()) >= count or self._process.returncode is not None,
            f"{count} x {kind} {fields} of node",
        )
        assert len(found()) >= count, f"no {kind} {fields}, but {self.events[-5:]}"
        return found()[count - 1]

    def tell(self, what: str, **fields: Any) -> None:
        """Give a command: "text", "mute", "rate", "stats", "report" or "hang up"."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **fields}).encode() + b"\n")

    async def stats(self) -> dict[str, Any]:
        """What it knows now."""
        count = len(self.of("stats")) + 1
        self.tell("stats")
        return await self.wait_for("stats", count)

    async def read(self) -> None:
        """Take in what it tells."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.events.append(json.loads(line))
        await self._process.wait()


@asynccontextmanager
async def node_client(**settings: Any) -> AsyncIterator[NodeClient]:
    """One that is connecting.

    Args:
        settings: ``url`` and ``secret`` of a listener, or ``link`` and ``name`` of a room;
            ``waitS``, ``returnS``: how patient it is.
    """
    model = codec()
    about = {
        "config": model.config.to_json(),
        "modelId": model.model_id,
        "modelHash": model.model_hash.hex(),
        "tables": str(MODELS / "indices.tables"),
        "rate": 2,
        "waitS": 60,
        "returnS": 60,
    }
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.to_thread(_program)
    process = await asyncio.create_subprocess_exec(
        "node", str(program), json.dumps(about | settings), stdin=pipe, stdout=pipe
    )
    client = NodeClient(process)
    reading = asyncio.create_task(client.read())
    try:
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await reading

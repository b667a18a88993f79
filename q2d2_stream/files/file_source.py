"""A sound file, or a pipe, in place of a microphone."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from q2d2_stream.audio.fifo import Fifo
from q2d2_stream.audio.pacing import Pacer
from q2d2_stream.audio.stream import FRAME_SAMPLES, SAMPLE_RATE, Pcm, Source, StreamStats
from q2d2_stream.errors import InputError, Q2D2Error
from q2d2_stream.files.output import is_special
from q2d2_stream.files.reader import SoundReader, open_binary, open_sound, source_name

__all__ = ["FileSource"]

_AHEAD_BLOCKS = 4  # a second of sound
_PATIENCE_S = 0.2  # until the thread looks whether anybody still wants what it has read


class FileSource(Source):
    """A sound of any format, rate and number of channels, as 24 kHz mono frames.

    A thread reads it: disks, pipes and people who type are slow. A named pipe that nobody writes
    to yet is waited for in :meth:`read`, not in :meth:`start`.

    Args:
        path: the file; "-" for standard input.
        realtime: one frame per 13.33 ms rather than as fast as they are read.
        loop: start again at the end, without a seam.
        notify: called in the event loop with a sentence about what is wrong with the file.
    """

    def __init__(
        self,
        path: str | Path,
        realtime: bool = True,
        loop: bool = False,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self.stats = StreamStats()
        self._path = os.fspath(path)
        self._loop = loop
        self._notify = notify or (lambda sentence: None)
        self._pacer = Pacer(FRAME_SAMPLES / SAMPLE_RATE if realtime else 0.0)
        self._fifo = Fifo()
        self._blocks: queue.Queue[Pcm | Exception | None] = queue.Queue(_AHEAD_BLOCKS)
        self._has_more = asyncio.Event()
        self._is_over = False
        self._stop = threading.Event()

    @property
    def name(self) -> str:
        """The file's name."""
        return source_name(self._path)

    @property
    def latency_ms(self) -> float:
        """Always 0."""
        return 0.0

    async def start(self) -> None:
        """Open the file. Raises InputError when it is missing, empty or not a sound file."""
        if self._path == "-":
            with open_binary("-"):
                pass  # whether there is a standard input
        elif not os.path.exists(self._path):
            raise InputError(f"{self._path} does not exist, expected a sound file")
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()
        threading.Thread(
            target=self._read, args=(loop, opened), name=f"read {self.name}", daemon=True
        ).start()
        if self._path != "-" and not is_special(self._path):
            await opened

    async def read(self) -> Pcm | None:
        """The next frame, shape ``(320,)``, the last one filled up with zeros; then None.

        Raises InputError or OSError when the file cannot be read on.
        """
        while not self._is_over and len(self._fifo) < FRAME_SAMPLES:
            try:
                block = self._blocks.get_nowait()
            except queue.Empty:
                self._has_more.clear()
                if self._blocks.empty():
                    await self._has_more.wait()
                continue
            if isinstance(block, np.ndarray):
                self._fifo.push(block)
                continue
            self._is_over = True
            if block is not None:
                raise block
        frame = self._fifo.pop(FRAME_SAMPLES)
        if frame is None:
            if not len(self._fifo):
                return None
            self._fifo.push(np.zeros(FRAME_SAMPLES - len(self._fifo), np.float32))
            return await self.read()
        await self._pacer.tick()
        self.stats.frames += 1
        return frame

    async def close(self) -> None:
        """Close the file; `read` returns None from here on."""
        self._stop.set()
        self._is_over = True
        self._has_more.set()
        self._fifo = Fifo()

    def _read(self, loop: asyncio.AbstractEventLoop, opened: asyncio.Future[None]) -> None:
        def put(item: Pcm | Exception | None) -> None:
            while not self._stop.is_set():
                with suppress(queue.Full):
                    self._blocks.put(item, timeout=_PATIENCE_S)
                    loop.call_soon_threadsafe(self._has_more.set)
                    return

        def tell(future: asyncio.Future[None], error: Exception | None) -> None:
            if not future.done():
                future.set_exception(error) if error is not None else future.set_result(None)

        # The loop may be closed at any moment; then nobody wants to know.
        with suppress(RuntimeError):
            end: Exception | None = None
            try:
                with open_sound(self._path, SAMPLE_RATE) as sound:
                    if sound.seconds == 0:
                        raise InputError(f"{self.name} holds no samples")
                    told = sound.check()
                    for sentence in told:
                        loop.call_soon_threadsafe(self._notify, sentence)
                    loop.call_soon_threadsafe(tell, opened, None)
                    self._forward(sound, put)
                    for sentence in sound.warnings:
                        if sentence not in told:
                            loop.call_soon_threadsafe(self._notify, sentence)
            except (Q2D2Error, OSError) as error:
                end = error
                loop.call_soon_threadsafe(tell, opened, error)
            put(end)

    def _forward(self, sound: SoundReader, put: Callable[[Pcm], None]) -> None:
        for pcm in sound.read(loop=self._loop):
            if self._stop.is_set():
                return
            if len(pcm):
                put(pcm)

"""Sound that a program gives and takes: nothing is lost but what is counted."""

from __future__ import annotations

import asyncio

import numpy as np

from q2d2_stream.audio import ProgramSink, ProgramSource


def test_a_source_says_what_was_put_and_then_silence() -> None:
    async def main() -> None:
        source = ProgramSource()
        pcm = np.arange(1, 801, dtype=np.float32)
        assert await source.put(pcm[:100])
        assert await source.put(pcm[100:])
        said = [await source.read() for _ in range(4)]
        assert all(frame is not None for frame in said)
        together = np.concatenate([frame for frame in said if frame is not None])
        np.testing.assert_array_equal(together, np.pad(pcm, (0, 480)))
        await source.drain()
        await source.put(pcm[:10])
        source.finish()
        last = await source.read()
        assert last is not None
        np.testing.assert_array_equal(last, np.pad(pcm[:10], (0, 310)))
        assert await source.read() is None
        assert source.stats.frames == 5

    asyncio.run(main())


def test_a_full_source_waits_until_there_is_room() -> None:
    async def main() -> None:
        source = ProgramSource(buffer_s=0.1)
        putting = asyncio.create_task(source.put(np.zeros(4800, np.float32)))
        for _ in range(15):
            assert await source.read() is not None
        assert await putting
        blocked = asyncio.create_task(source.put(np.zeros(4800, np.float32)))
        await asyncio.sleep(0)
        assert source.latency_ms <= 100
        await source.close()
        assert not await blocked
        assert not await source.put(np.zeros(1, np.float32))
        assert await source.read() is None

    asyncio.run(main())


def test_a_sink_keeps_the_newest_and_counts_the_rest() -> None:
    async def main() -> None:
        sink = ProgramSink(buffer_s=0.04)  # three frames
        for n in range(5):
            sink.write(np.full(320, n, np.float32))
        assert sink.stats.dropped_samples == 640
        waiting = [await sink.get() for _ in range(3)]
        assert [frame[0] for frame in waiting if frame is not None] == [2, 3, 4]
        late = asyncio.create_task(sink.get())
        await asyncio.sleep(0)
        sink.write(np.full(320, 9, np.float32))
        frame = await late
        assert frame is not None
        assert frame[0] == 9
        sink.write(np.zeros(320, np.float32))
        await sink.close()
        assert await sink.get() is not None  # what was heard before the end
        assert await sink.get() is None

    asyncio.run(main())

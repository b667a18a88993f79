"""What is put before a user's eyes: silence of the peer, and notes at a pace that can be read."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.call.notices import PeerNotices
from q2d2_stream.call.stats import CallState
from tests.labs.call import SECRET, TcpProxy, dial, listen, make_session, run, until


def test_silence_is_said_within_three_seconds_and_its_end_too() -> None:
    notes: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with listen(SECRET) as listener, TcpProxy(listener.port) as proxy:
            callee = make_session(listener)
            caller = make_session(dial(proxy.port, SECRET), notes=notes)
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await until(lambda: caller.stats().playout.played > 10, "the call")
            begin = loop.time()
            stall = asyncio.create_task(proxy.stall(6.0))
            await until(lambda: caller.stats().state is CallState.SILENT, "the notice")
            assert loop.time() - begin < 3.5
            await stall
            await until(lambda: caller.stats().state is CallState.TALKING, "the end of it")
            caller.hang_up()
            await asyncio.gather(*tasks)

    run(main())
    assert sum("nothing heard from" in note and "held for 60 s" in note for note in notes) == 1
    assert sum("is heard again" in note for note in notes) == 1


def test_no_more_is_shown_than_a_person_can_read() -> None:
    shown: list[str] = []
    notices = PeerNotices(shown.append, 0.0)
    for number in range(60_000):
        notices.note("x" * 1000, number / 1000)
    assert len(shown) <= 2 + 60 * 20 / 1000
    assert notices.dropped == 60_000 - len(shown)
    shown.clear()
    for number in range(60_000):
        notices.note("hi", 100 + number / 1000)
    assert len(shown) <= 5 + 60


def test_a_note_now_and_then_is_always_shown() -> None:
    shown: list[str] = []
    notices = PeerNotices(shown.append, 0.0)
    for number in range(100):
        notices.note("a sentence of some length", 3.0 * number)
    assert len(shown) == 100


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 0.5)), max_size=200))
def test_the_last_word_on_the_mute_is_shown_in_the_end(switches: list[tuple[bool, float]]) -> None:
    shown: list[str] = []
    notices, now = PeerNotices(shown.append, 0.0), 0.0
    for muted, later in switches:
        now += later
        notices.mute(muted, now)
    for _ in range(20):
        now += 0.5
        notices.tick(now)
    last = switches[-1][0] if switches else False
    assert notices.muted == last
    assert (shown[-1:] == ["the other side has muted"]) == last
    assert len(shown) <= 5 + now + 1

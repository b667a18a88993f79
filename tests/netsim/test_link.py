"""The simulated link does what its specification says, repeatably."""

from __future__ import annotations

import numpy as np
import pytest

from q2d2_stream.errors import InputError
from q2d2_stream.netsim.link import LinkSpec, SimulatedLink, Stall, parse_link


def run(spec: LinkSpec, messages: int = 2000, every_s: float = 0.04) -> dict[int, float]:
    """Arrival time of every message that arrives, in order of arrival."""
    link = SimulatedLink(spec)
    arrivals: dict[int, float] = {}
    for number in range(messages):
        link.send(number.to_bytes(4, "big"), number * every_s)
    while (time := link.next_arrival()) is not None:
        for message in link.receive(time):
            arrivals[int.from_bytes(message, "big")] = time
    counts = link.counts
    assert counts.sent == messages == counts.delivered + counts.lost + counts.dropped
    assert counts.delivered == len(arrivals)
    return arrivals


def test_perfect_link_delivers_at_once() -> None:
    link = SimulatedLink(LinkSpec())
    link.send(b"a", 1.0)
    assert link.receive(0.99) == []
    assert link.receive(1.0) == [b"a"]


def test_delay_and_jitter_stay_in_their_range_and_in_order() -> None:
    arrivals = run(LinkSpec(delay_ms=80, jitter_ms=100, queue_messages=5000))
    late = np.array([time - 0.04 * number for number, time in arrivals.items()])
    assert list(arrivals) == sorted(arrivals)
    assert late.min() >= 0.08
    assert late.max() <= 0.18 + 1e-9
    assert late.max() - late.min() > 0.09


def test_reordering() -> None:
    spec = LinkSpec(jitter_ms=100, reorder=0.5, queue_messages=5000)
    assert list(run(spec)) != sorted(run(spec))


@pytest.mark.parametrize(("loss", "burst"), [(0.02, 1.0), (0.1, 3.0), (0.3, 5.0)])
def test_loss_rate_and_burst(loss: float, burst: float) -> None:
    messages = 40_000
    arrivals = run(LinkSpec(loss=loss, burst=burst, queue_messages=messages), messages)
    lost = np.array([number not in arrivals for number in range(messages)])
    runs = np.sum(lost[1:] & ~lost[:-1])
    assert lost.mean() == pytest.approx(loss, rel=0.15)
    assert lost.sum() / runs == pytest.approx(burst, rel=0.15)


def test_stall_holds_everything_up() -> None:
    arrivals = run(LinkSpec(stalls=(Stall(2.0, 1.0),)), 100)
    times = np.array(list(arrivals.values()))
    assert not np.any((times >= 1.0) & (times < 3.0))
    assert np.sum(times == 3.0) > 40


def test_rate_limit_and_bounded_queue() -> None:
    spec = LinkSpec(rate_bps=8000, overhead_bytes=46, queue_messages=30)
    arrivals = run(spec, 1000, 0.01)
    gaps = np.diff(list(arrivals.values()))
    assert np.allclose(gaps, 0.05)
    link = SimulatedLink(spec)
    for _ in range(1000):
        link.send(b"abcd", 0.0)
    assert link.counts.dropped == 970


def test_same_seed_same_link() -> None:
    spec = parse_link("delay=20,jitter=40,loss=0.1,burst=2,reorder=0.1,seed=3")
    assert run(spec) == run(spec)
    assert run(spec) != run(parse_link("delay=20,jitter=40,loss=0.1,burst=2,reorder=0.1,seed=4"))


def test_parse() -> None:
    text = "delay=80, jitter=40,loss=0.05,burst=3,stall=2@10+1@30,rate=8000,queue=9,seed=1"
    assert parse_link(text) == LinkSpec(
        delay_ms=80,
        jitter_ms=40,
        loss=0.05,
        burst=3,
        stalls=(Stall(2, 10), Stall(1, 30)),
        rate_bps=8000,
        queue_messages=9,
        seed=1,
    )
    assert parse_link("") == LinkSpec()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dealy=3", "'dealy=3'"),
        ("delay", "delay is ''"),
        ("delay=x", "delay is 'x'"),
        ("delay=nan", "delay is nan"),
        ("jitter=-1", "jitter is -1"),
        ("loss=1", "loss is 1"),
        ("burst=0", "burst is 0"),
        ("stall=2", "seconds@second"),
        ("stall=2@-1", "at -1 s"),
        ("rate=0", "rate is 0"),
        ("rate=nan", "rate is nan"),
        ("seed=1.5", "seed is '1.5'"),
        ("seed=-1", "seed is -1"),
        ("queue=0", "queue is 0"),
        ("loss=0.1,loss=0.2", "twice"),
    ],
)
def test_wrong_specs_are_refused_in_one_sentence(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_link(text)
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)

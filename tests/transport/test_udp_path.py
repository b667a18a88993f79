"""When UDP carries the audio, and when it stops to."""

from __future__ import annotations

from q2d2_stream.transport.udp_path import PathState, UdpPath


def answer_all(path: UdpPath, start: float, seconds: float, rtt_s: float = 0.05) -> float:
    """Runs the path in steps of 10 ms, every probe answered after ``rtt_s``; the time after."""
    now, due = start, []
    while now < start + seconds:
        number = path.probe(now)
        if number is not None:
            due.append((now + rtt_s, number))
        for at, number in [one for one in due if one[0] <= now]:
            path.answered(number, now)
            due.remove((at, number))
        now += 0.01
    return now


def probes(path: UdpPath, start: float, seconds: float) -> int:
    """Probes made in ``seconds``, none answered."""
    return sum(path.probe(start + step / 100) is not None for step in range(round(100 * seconds)))


def test_the_first_answer_switches_and_keep_alives_hold_it() -> None:
    path = UdpPath(0.0)
    assert path.needs_websocket
    assert not path.carries_audio
    now = answer_all(path, 0.0, 0.1)
    assert path.state is PathState.UP
    assert not path.needs_websocket
    now = answer_all(path, now, 60)
    assert path.state is PathState.UP
    assert path.failures == 0


def test_without_answers_probing_becomes_seldom_and_never_ends() -> None:
    path = UdpPath(0.0)
    assert 4 <= probes(path, 0.0, 3) <= 6
    assert probes(path, 3.0, 60) in (12, 13)
    assert path.state is PathState.PROBING


def test_doubt_sends_by_both_and_answers_end_it() -> None:
    path = UdpPath(0.0)
    now = answer_all(path, 0.0, 0.5)
    assert path.doubt(now)
    assert not path.doubt(now), "no news the second time"
    assert path.carries_audio
    assert path.needs_websocket
    answer_all(path, now, 0.5)
    assert path.state is PathState.UP


def test_doubt_on_a_thin_link_leaves_audio_to_the_websocket() -> None:
    path = UdpPath(0.0)
    now = answer_all(path, 0.0, 0.5)
    assert path.doubt(now, is_thin=True)
    assert not path.carries_audio
    assert path.needs_websocket
    assert probes(path, now, 0.95) <= 4
    answer_all(path, now + 0.95, 1.0)
    assert path.carries_audio
    assert not path.needs_websocket


def test_a_dead_path_is_given_up_and_must_then_be_answered_twice() -> None:
    path = UdpPath(0.0)
    now = answer_all(path, 0.0, 0.5)
    path.doubt(now)
    assert probes(path, now, 1.2) >= 8
    assert path.state is PathState.PROBING
    assert path.failures == 1
    now += 1.2
    number = None
    while number is None:
        now += 0.01
        number = path.probe(now)
    assert path.answered(number, now)
    assert not path.carries_audio
    answer_all(path, now, 0.5)
    assert path.carries_audio


def test_a_path_that_dies_in_silence_is_noticed_by_its_keep_alives() -> None:
    path = UdpPath(0.0)
    now = answer_all(path, 0.0, 0.5)
    probes(path, now, 6)
    assert path.state is PathState.PROBING


def test_answers_to_no_probe_do_nothing() -> None:
    path = UdpPath(0.0)
    assert not path.answered(0, 0.0)
    number = path.probe(0.0)
    assert number is not None
    assert path.answered(number, 0.1)
    assert not path.answered(number, 0.2)

"""What a sender decides, for the browser client, which must decide the same.

python -m tests.labs.sending_vectors     writes tests/web/vectors/sending.json
"""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np

from q2d2_stream.protocol import Call, Role
from q2d2_stream.sending import (
    Dtx,
    DtxOptions,
    RateController,
    SendPlan,
    SendQueue,
    SendState,
    WebSocketLink,
    WireMeter,
)
from tests.labs.codec_vectors import FOLDER
from tests.labs.protocol import CONFIG
from tests.labs.reliable_link import FRAME_S, ReliableCall, Talker
from tests.labs.scripts import Vector, plain

__all__ = ["FILE", "make"]

FILE = FOLDER / "sending.json"
_LINKS: dict[str, dict[str, Any]] = {
    "good": {"seconds": 3},
    "thin": {"seconds": 14, "bps": 12_000, "start_bps": 10_000},
    "stalled": {"seconds": 6, "stalls": ((2, 4),)},
    "jitter": {"seconds": 5, "delay_s": 0.1, "jitter_s": 0.08, "window_messages": 60},
    "capped": {"seconds": 3, "max_bps": 16_000},
}


class _Recorded(RateController):
    """Keeps what it is told and what it decides, frame by frame."""

    frames: list[list[Any]]

    def update(self, state: SendState, now: float) -> SendPlan:
        """As the controller's."""
        plan = super().update(state, now)
        told = [state.unsent_frames, state.buffered_bytes, state.sent_bits, state.received_messages]
        decided = [plan.frames_per_message, plan.rate, plan.drop_frames]
        flags = [int(plan.may_send), int(plan.is_stalled)]
        self.frames.append([told, decided + flags, [], []])
        return plan

    def sent(self, sequence: int, message_bytes: int, now: float) -> None:
        """As the controller's."""
        self.frames[-1][2].append([sequence, message_bytes])
        super().sent(sequence, message_bytes, now)

    def echo(self, sequence: int, held_s: float, now: float) -> None:
        """As the controller's."""
        if self.frames:
            self.frames[-1][3].append([sequence, held_s])
        super().echo(sequence, held_s, now)


def _rate_control(name: str) -> Vector:
    options = dict(_LINKS[name])
    seconds = options.pop("seconds")
    call = ReliableCall.over(**options)
    control = _record(call.a)
    call.run(seconds)
    limits = {key: options.get(key) for key in ("max_bps", "start_bps")}
    return {"link": name, "frame_s": FRAME_S, "frames": control.frames, **limits}


def _record(talker: Talker) -> _Recorded:
    control = talker.control
    control.__class__ = _Recorded
    assert isinstance(control, _Recorded)
    control.frames = []
    return control


def _dtx(seed: int) -> Vector:
    """Voices that come and go, through a queue that is emptied now and then."""
    dice = random.Random(seed)
    options = DtxOptions(dice.randint(0, 9), dice.randint(1, 12), dice.randint(2, 20))
    dtx, call = Dtx(options, timestamp=2**32 - 50), Call(next_sequence=2**32 - 30)
    queue = SendQueue(call, max_frames=dice.choice([8, 12, 38]))
    voiced, steps = False, []
    for n in range(200):
        if dice.random() < 0.1:
            voiced = not voiced
        width = 3 if dice.random() < 0.2 else 4
        row = np.array([n % 40] * width, np.uint8)
        frames = dtx.push(row, voiced)
        for frame in frames:
            queue.push(frame)
        drop = dice.choice([0, 0, 0, 0, 1, 5])
        queue.drop_oldest(drop)
        wanted = dice.randint(1, 6)
        taken = queue.take(wanted) if dice.random() < 0.6 else None
        steps.append(
            {
                "row": row.tolist(),
                "voiced": voiced,
                "drop": drop,
                "wanted": wanted if taken is not None else 0,
                "frames": [plain(_spurt(frame)) for frame in frames],
                "taken": plain(taken) if taken is not None else None,
                "left": [len(queue), queue.dropped],
            }
        )
    return {"options": plain(vars(options)), "max_frames": queue._max_frames, "steps": steps}


def _spurt(frame: Any) -> Vector:
    return {name: getattr(frame, name) for name in ("timestamp", "indices", "start", "end", "dtx")}


def _meter(secure: bool) -> Vector:
    link = WebSocketLink(Role.CLIENT, tls=secure)
    meter, dice, steps = WireMeter(link, 3.25), random.Random(9), []
    now = 3.25
    for _ in range(60):
        now += dice.random() / 2
        size = dice.choice([5, 20, 60, 125, 126, 2000])
        meter.count(size, now)
        meter.count_payload(size // 2, 0.0, now)
        steps.append([now, size, *meter.kbps(now), meter.wire_bytes])
    costs = [
        [size, link.wire_bits(size), link.reversed.wire_bits(size)] for size in (0, 125, 126, 2048)
    ]
    shares = [[rate, link.acknowledgement_share(rate)] for rate in (0, 4.6875, 25, 75)]
    return {"secure": secure, "steps": steps, "costs": costs, "shares": shares}


def make() -> Vector:
    """All vectors."""
    return {
        "config": CONFIG.to_json(),
        "rate_control": [_rate_control(name) for name in _LINKS],
        "dtx": [_dtx(seed) for seed in range(3)],
        "meter": [_meter(secure) for secure in (False, True)],
    }


def main() -> None:
    """Write the file."""
    lines = ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in make().items())
    FILE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

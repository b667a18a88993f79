"""The language model of tokens: what it may know, and what it goes on with."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is tested where the extra [train] is")

import torch

from research.experiments.tokens import (
    Settings,
    TokenModel,
    bits_per_frame,
    continued,
    delayed,
    draw,
    from_first_word,
    table,
    train,
)

pytestmark = pytest.mark.train

SIZES = (4, 5, 6)
TINY = Settings(steps=60, batch=8, frames=12, dim=16, lr=2e-2)


def test_each_pair_is_one_step_later_than_the_one_before() -> None:
    late = delayed(torch.tensor([[[1, 2, 3], [0, 4, 5]]]), SIZES)
    assert late.tolist() == [[[4, 5, 6], [1, 5, 6], [0, 2, 6], [4, 4, 3], [4, 5, 5]]]


def test_a_pair_is_told_by_earlier_frames_and_the_pairs_before_it_alone() -> None:
    torch.manual_seed(0)
    model = TokenModel(SIZES, 16)
    tokens = torch.stack([torch.randint(n, (1, 8)) for n in SIZES], -1)

    def each(changed: torch.Tensor) -> torch.Tensor:
        late = delayed(changed, SIZES)
        logits, _ = model(late[:, :-1])
        return torch.stack([logits[p][0, p : p + 8, 0] for p in range(3)], -1)

    before = each(tokens)
    other = tokens.clone()
    other[0, 4, 1] = (other[0, 4, 1] + 1) % SIZES[1]
    moved = (each(other) != before).detach()
    assert not moved[:4].any()
    # pair 1 of the next frame was already out when this pair came
    assert moved[4].tolist() == [False, False, True]
    assert moved[5].tolist() == [False, True, True]
    assert moved[6:].all()


def test_what_repeats_costs_next_to_nothing_and_is_continued() -> None:
    period = np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]])
    tokens = np.tile(period, (100, 1))
    model = train(tokens, SIZES, TINY, seed=0)
    whole = bits_per_frame(model, [tokens[:40]])
    assert len(whole) == 3
    assert sum(whole) < 1.0 < np.log2(4)
    said = continued(model, tokens[:20], 12, seed=0, temperature=0.01)
    np.testing.assert_array_equal(said, tokens[:32])


def test_tokens_are_shown_in_the_order_of_their_codecs() -> None:
    records = [
        {"tokens": name, "sent_bits": 20.0, "alone_bits": 18.0, "bits": [5.0, 5.0, 4.0 + seed]}
        for name in ("rhombic", "shipped")
        for seed in (0, 1)
    ]
    records[-1]["tables_bits"] = records[-2]["tables_bits"] = 15.0
    lines = table(records).splitlines()
    assert lines[2] == "| shipped | 20.0 | 18.00 ± 0.00 | 15.00 | 14.50 ± 0.71 | 72% |"
    assert lines[3].startswith("| rhombic | 20.0 |")
    axes = draw(records).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["shipped", "rhombic"]
    assert axes.dataLim.height == 20.0


def test_a_prompt_begins_with_the_first_word() -> None:
    pcm = np.zeros(3200, np.float32)
    pcm[1000:1400] = 0.1  # in the fourth and fifth frame
    begun = from_first_word(pcm)
    assert len(begun) == 3200 - 960
    assert begun[40] == np.float32(0.1)

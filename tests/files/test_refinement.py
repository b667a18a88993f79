"""Files and tokens at the rate with refinement."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.files.codec import FileDecoder, FileEncoder, SoundEncoder
from q2d2_stream.files.tokens import Tokens

HOP = 320


@pytest.fixture(scope="module", params=[True, False], ids=["tables", "no tables"])
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    """The shipped one, or without its entropy tables."""
    if not any(MODELS.glob("encoder.*")):
        pytest.skip("there are no model weights here")
    if request.param:
        return load_codec()
    folder = tmp_path_factory.mktemp("models")
    for role in ("encoder", "decoder"):
        for file in MODELS.glob(f"{role}.*"):
            shutil.copy(file, folder)
    return load_codec(folder)


def decoded(codec: Codec, data: bytes) -> NDArray[np.float32]:
    decoder = FileDecoder(codec)
    pieces = [*decoder.push(data), *decoder.finish()]
    assert not decoder.warnings
    return np.concatenate(pieces)


@pytest.mark.parametrize("samples", [1, 319, 320, 9_001, 30_000])
def test_a_file_is_as_long_as_the_sound_and_in_step_with_it(
    codec: Codec, speech: NDArray[np.float32], samples: int
) -> None:
    pcm = speech[32_000 : 32_000 + samples]
    encoder = FileEncoder(codec, SoundEncoder(codec, "6"))
    body = encoder.push(pcm[:1000]) + encoder.push(pcm[1000:]) + encoder.finish()
    data = encoder.header() + body
    got = decoded(codec, data)
    assert len(got) == samples
    if samples < 30_000:
        return
    # the levels of 20 ms follow the original's best where nothing is shifted
    loud = [np.sqrt(np.square(x.reshape(-1, 240)).mean(1)) for x in (pcm[:29_760], got[:29_760])]
    log = [np.log(each + 1e-3) for each in loud]
    fits = [np.corrcoef(log[0][4:-4], np.roll(log[1], shift)[4:-4])[0, 1] for shift in (-2, 0, 2)]
    assert np.argmax(fits) == 1


def test_a_file_may_begin_at_another_rate(codec: Codec, speech: NDArray[np.float32]) -> None:
    """Its header tells how late the decoder is to be from the start."""
    decoder = codec.decoder(late=True)
    plain = codec.encoder("3").push(speech[: 4 * HOP])
    decoder.push(plain)
    assert decoder.delay_samples == 640


def test_tokens_come_back(codec: Codec, speech: NDArray[np.float32], tmp_path: Path) -> None:
    sound = SoundEncoder(codec, "6")
    frames = [sound.push(speech[:100]), sound.push(speech[100:7_000]), sound.finish()]
    tokens = Tokens(
        np.concatenate(frames), sound.rate.name, sound.samples, codec.model_id, codec.model_hash
    )
    data = tokens.to_bytes(codec.config)
    again = Tokens.from_bytes(data)
    assert again.require(codec.config, codec.model_id, codec.model_hash) == sound.rate
    np.testing.assert_array_equal(again.indices, tokens.indices)
    (tmp_path / "t.npz").write_bytes(data)
    with np.load(tmp_path / "t.npz") as file:
        assert len(file["codebook_sizes"]) == tokens.indices.shape[1]
        assert int(file["lookahead"]) == 640

"""Points that suit the sound better than those the encoder finds: ``q2d2 encode --effort max``.

Analysis by synthesis (Atal and Remde, ICASSP 1982), by gradient descent through the decoder: from
the encoder's latents, a few dozen steps towards less of the losses that the decoder was trained on,
then the points of the lattice, with noise shaping. Nothing changes for who decodes. It takes torch,
about as long as the sound lasts, and the future: a frame's points also speak of what comes next,
which is half of the gain. So it is for files, not for calls.

    sound   |-- committed ------|-- piece: 6 s ----|-- 1 s ahead --|
    points    written              found now          found again with the next piece
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from q2d2_stream.analysis_by_synthesis.reconstruction import (
    ReconstructionLoss,
    source_loss,
    source_losses,
)
from q2d2_stream.engine.stream import check_frames
from q2d2_stream.errors import InputError
from q2d2_stream.model.decoder import DecoderState, Filters
from q2d2_stream.model.discriminator import Discriminator, adversarial_loss
from q2d2_stream.model.net import CodecNet

__all__ = ["AHEAD", "PIECE", "REVISION", "STEPS", "PointSearch"]

PIECE, AHEAD = 450, 75  # frames
STEPS = 40  # for each piece, unless told otherwise
REVISION = 2  # of what is found: raised when equal sound, model and steps give other indices
_STEP = 0.02  # of Adam, before the tanh
_ADVERSARIAL_WEIGHT = (
    0.15  # of the discriminator: more sounds more natural, and less like the speaker
)


class PointSearch:
    """PCM to indices, like a stream encoder's, but each for its effect on what is decoded.

    Equal sound gives equal indices, however it is cut. The noise is drawn anew at every step, so
    nothing is fitted to the one that will be heard.
    """

    def __init__(
        self,
        net: CodecNet,
        rate: int,
        steps: int = STEPS,
        discriminator: Discriminator | None = None,
    ) -> None:
        """
        Args:
            net: with the decoder that will be heard.
            rate: index into ``net.config.codec.ladder``.
            steps: of gradient descent for each piece.
            discriminator: the decoder's, from stage 2. Without it the search takes nearness for
                all, and what it finds sounds less natural.

        Raises InputError for a rate or a number of steps that there is not.
        """
        codec = net.config.codec
        if steps < 1:
            raise InputError(f"the search takes {steps} steps, expected 1 or more")
        if codec.index_to_rate(rate).refined:
            raise InputError(
                f"there is no search at {codec.ladder[rate]}, whose refinement corrects what pairs "
                "leave: choose another rate, or encode without it"
            )
        self.net = net.eval().requires_grad_(False)
        self.steps, self.pairs = steps, codec.index_to_rate(rate).pairs
        self._flags = torch.eye(len(codec.ladder) + 1)[rate]
        self._hop, self._unsent = codec.hop, 2 * (len(codec.codebook_sizes) - self.pairs)
        self._judge, self._discriminator = ReconstructionLoss(codec), discriminator
        self._heard = net.encoder.initial_state()
        self._spoken = net.decoder.initial_state()
        self._waiting = torch.zeros(1, 0)
        self._rng = np.random.default_rng(0)
        self._torch_rng = torch.Generator().manual_seed(0)

    @property
    def width(self) -> int:
        """How many indices a frame has."""
        return self.pairs

    def push(self, pcm: NDArray[np.float32]) -> NDArray[np.uint8]:
        """``(320 * n,)`` samples -> the indices found by now, ``(frames, pairs)``, maybe none.

        Raises InputError for what no stream encoder takes either.
        """
        check_frames(pcm, self._hop)
        self._waiting = torch.cat([self._waiting, torch.from_numpy(pcm)[None]], dim=1)
        found = [np.zeros((0, self.pairs), dtype=np.uint8)]
        while self._waiting.shape[1] >= (PIECE + AHEAD) * self._hop:
            found.append(self._piece(PIECE, PIECE + AHEAD))
        return np.concatenate(found)

    def finish(self) -> NDArray[np.uint8]:
        """The indices of all that is left."""
        frames = self._waiting.shape[1] // self._hop
        if not frames:
            return np.zeros((0, self.pairs), np.uint8)
        missing = max(0, AHEAD - frames)  # the losses want a second
        self._waiting = functional.pad(self._waiting, (0, missing * self._hop))
        found = self._piece(frames, frames + missing)
        self._waiting = self._waiting[:, :0]
        return found

    def _piece(self, commit: int, frames: int) -> NDArray[np.uint8]:
        """Find the points of ``frames`` frames, of which ``commit`` are settled."""
        pcm, settled = self._waiting[:, : frames * self._hop], commit * self._hop
        with torch.no_grad():
            first, self._heard = self.net.encoder(pcm[:, :settled], self._heard)
            later = [self.net.encoder(pcm[:, settled:], self._heard)[0]] if frames > commit else []
            latent = self._descend(torch.cat([first, *later], dim=1), pcm)
            points, indices = self.net.quantizer.shaped(latent[:, :commit])
            filters, blocks = self._filters(points[..., : 2 * self.pairs])
            f0 = self.net.decoder.decoded_f0(filters)
            _, self._spoken = self.net.decoder.synthesize(filters, f0, self._spoken, blocks)
        self._waiting = self._waiting[:, settled:]
        found: NDArray[np.uint8] = indices[0, :, : self.pairs].numpy().astype(np.uint8)
        return found

    def _filters(self, points: Tensor) -> tuple[Filters, tuple[Tensor, ...]]:
        sent = functional.pad(points, (0, self._unsent))
        flags = self._flags.expand(*sent.shape[:2], -1)
        result: tuple[Filters, tuple[Tensor, ...]]
        result = self.net.decoder.filters(sent, flags, self._spoken.blocks)
        return result

    def _other_noise(self) -> DecoderState:
        noise = torch.randint(
            self.net.decoder.noise_phase.MODULUS, self._spoken.noise.shape,
            generator=self._torch_rng,
        )  # fmt: skip
        return self._spoken._replace(noise=noise.to(self._spoken.noise))

    def _unlike(self, got: Tensor, wanted: Tensor) -> Tensor:
        sent = torch.tensor([float(self.pairs)])
        loss: Tensor = self._judge(got, wanted, sent, self._rng)["loss"]
        if self._discriminator is None:
            return loss
        said, _ = self._discriminator(got, wanted, self._rng)
        return loss + _ADVERSARIAL_WEIGHT * adversarial_loss(said)

    @torch.enable_grad()
    def _descend(self, latent: Tensor, pcm: Tensor) -> Tensor:
        """Latents of some frames in grid units, and better ones."""
        decoder, scale = self.net.decoder, self.net.encoder.scale
        free = torch.atanh((latent / scale).clamp(-0.99, 0.99))[..., : 2 * self.pairs]
        free = free.clone().requires_grad_()
        adam = torch.optim.Adam([free], lr=_STEP, betas=(0.9, 0.9))
        reach = (scale / self.net.quantizer.norm)[: 2 * self.pairs]
        f0, voiced = torch.ones(()), torch.ones(())
        for step in range(self.steps):
            adam.param_groups[0]["lr"] = _STEP * (1.0 - step / self.steps)
            filters, _ = self._filters(torch.tanh(free) * reach)
            heard_f0 = decoder.decoded_f0(filters).detach()
            if step == 0:  # pitch and voicing stay what the encoder heard
                f0, voiced = heard_f0, (filters.voicing.detach() > 0.0).float()
            got, _ = decoder.synthesize(filters, heard_f0, self._other_noise(), ())
            source = source_losses(decoder, filters, f0, voiced)
            loss = source_loss(source) + self._unlike(got[:, self._hop :], pcm[:, : -self._hop])
            (free.grad,) = torch.autograd.grad(loss, [free])
            if torch.isfinite(free.grad).all():
                adam.step()
        found = torch.tanh(free.detach()) * scale[: 2 * self.pairs]
        return torch.cat([found, latent[..., 2 * self.pairs :]], dim=-1)

"""Training with a simulated user and the network in the loop, section 4 of InterFormer.

Huang et al., "InterFormer: Real-time Interactive Image Segmentation", ICCV 2023,
arXiv:2304.02942.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from maskwright.data.clicks import (
    INTERFORMER,
    TRAINING_SPREAD,
    draw_more_clicks,
    next_click,
)
from maskwright.data.reference import unknown_map, with_clicks, with_prediction
from maskwright.data.starts import start_from_box
from maskwright.layers.mobilenet import DEVIATION, MEAN
from maskwright.models.interformer.loss import IGNORED, OverlapLosses, click_losses
from maskwright.models.interformer.loss import Losses as FocalLosses
from maskwright.models.interformer.model import InterFormer, Training
from maskwright.ops.draws import image_seeds
from maskwright.structures.box import Box
from maskwright.structures.click import Click
from maskwright.training.recipe import Batch, Losses

SCALE = torch.tensor([255 / value for value in DEVIATION])[:, None, None]
SHIFT = torch.tensor(MEAN)[:, None, None] / 255
LOOSE = (-0.02, 0.08)  # how far out a drawn box lies from the object's own, of its sides


class ClickTraining(nn.Module):
    """A network that is clicked on before it learns.

    Args:
        network: What learns.
        encode_once: Encode an image once for simulation and learning, instead of once for each,
            and keep the statistics of the encoder's norms. The same where nothing in the encoder
            is random; nearly a third of the time.
        box_probability: How often a dialogue begins with a box, not with a click. The paper has
            clicks only.
    """

    def __init__(
        self, network: InterFormer, *, encode_once: bool = False, box_probability: float = 0.0
    ) -> None:
        super().__init__()
        self.network, self.encode_once = network, encode_once
        self.box_probability = box_probability

    def train(self, mode: bool = True) -> "ClickTraining":
        """Set training mode; an encoder that encodes once stays as in inference."""
        super().train(mode)
        if self.encode_once:
            self.network.encoder.eval()
        return self

    def forward(
        self,
        image: Float[Tensor, "batch 3 height width"],
        label: UInt8[Tensor, "batch height width"],
    ) -> Training:
        """Return the logits after some clicks.

        The first click is about in the middle of the object. How many follow is drawn once for
        the batch; each goes about into the middle of the largest error.

        Args:
            image: sRGB in [0, 1]; sides are multiples of 32.
            label: 1 on the object, 0 beside it, 255 where nobody knows.
        """
        x = (image - SHIFT.to(image)) * SCALE.to(image)
        dialogue = SimulatedDialogue(
            label.cpu().numpy(),
            [np.random.default_rng(seed) for seed in image_seeds(len(label))],
            box_probability=self.box_probability,
        )
        more = draw_more_clicks(np.random.default_rng(int(torch.randint(2**62, ()))))
        if self.encode_once:
            maps = self.network.encode(x)
            self._simulate(maps, dialogue, more)
            return self.network.decode_training(maps, dialogue.references().to(x.device))
        if more:
            self._simulate(self._encode_as_in_use(x), dialogue, more)
        return self.network.forward_training(x, dialogue.references().to(x.device))

    @torch.no_grad()
    def _encode_as_in_use(self, x: Tensor) -> list[Tensor]:
        self.network.eval()
        maps = self.network.encode(x)
        torch.clear_autocast_cache()  # else older torch would not learn the weights cast here
        self.train()
        return maps

    @torch.no_grad()
    def _simulate(self, maps: list[Tensor], dialogue: "SimulatedDialogue", count: int) -> None:
        """Let the network, as in use, answer `count` clicks and the user correct it."""
        self.network.eval()
        given = [x.detach() for x in maps]
        for _ in range(count):
            logits = self.network.decode(given, dialogue.references().to(given[0].device))
            dialogue.go_on((logits[:, 1] > logits[:, 0]).cpu().numpy())
        torch.clear_autocast_cache()
        self.train()


class SimulatedDialogue:
    """What the user has clicked in a batch so far.

    Args:
        labels: As in `ClickTraining.forward`.
        rngs: For each of the batch, draws where exactly a click or a box goes.
        box_probability: How often a box comes before the first click.
    """

    def __init__(
        self,
        labels: UInt8[np.ndarray, "batch h w"],
        rngs: Sequence[np.random.Generator],
        *,
        box_probability: float = 0.0,
    ) -> None:
        self.truths = labels == 1
        self.ignored = labels == IGNORED
        self.rngs = rngs
        size = labels.shape[1:]
        self.maps = [unknown_map((size[0], size[1])) for _ in labels]
        self.clicks: list[list[Click]] = [[] for _ in labels]
        nothing = np.zeros(size, np.bool_)

        def start(index: int) -> None:
            if self.truths[index].any() and rngs[index].random() < box_probability:
                self._start_from_box(index)
            else:
                self._click(index, nothing)

        self._for_each(start)

    def references(self) -> UInt8[Tensor, "batch 1 h w"]:
        """Return the reference maps."""
        return torch.from_numpy(np.stack(self.maps))[:, None]

    def go_on(self, predictions: Bool[np.ndarray, "batch h w"]) -> None:
        """Read what was predicted into the maps, and click into the largest error of each."""

        def read_and_click(index: int) -> None:
            self.maps[index] = with_prediction(self.maps[index], predictions[index])
            self._click(index, predictions[index])

        self._for_each(read_and_click)

    def _for_each(self, act: Callable[[int], None]) -> None:
        """Act on all of the batch, on as many threads as torch has: looking for middles is slow."""
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(act, range(len(self.maps))))

    def _start_from_box(self, index: int) -> None:
        """Draw a box around an object; its clicks are all that the first round has."""
        truth = self.truths[index]
        rows, columns = (np.flatnonzero(truth.any(1 - axis)) for axis in (0, 1))
        height, width = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
        left, top, right, bottom = self.rngs[index].uniform(*LOOSE, 4)
        box = Box(
            float(columns[0] - left * width),
            float(rows[0] - top * height),
            float(columns[-1] + 1 + right * width),
            float(rows[-1] + 1 + bottom * height),
        )
        size = (truth.shape[0], truth.shape[1])
        start = start_from_box(box, size)
        self.maps[index] = start.reference(size)
        self.clicks[index].extend(start.clicks)

    def _click(self, index: int, prediction: Bool[np.ndarray, "h w"]) -> None:
        click = next_click(
            prediction,
            self.truths[index],
            clicks=self.clicks[index],
            protocol=INTERFORMER,
            ignored=self.ignored[index],
            spread=TRAINING_SPREAD,
            pick=self.rngs[index].integers,
        )
        if click is not None:
            self.clicks[index].append(click)
            self.maps[index] = with_clicks(self.maps[index], [click])


@dataclass(frozen=True)
class ClickLosses:
    """The losses of a batch.

    Attributes:
        of: What they are made by: the paper's `click_losses`, or `overlap_losses`.
    """

    of: Callable[[Training, Tensor], OverlapLosses | FocalLosses] = click_losses

    def __call__(self, model: nn.Module, batch: Batch) -> Losses:
        """Return the losses by name.

        Args:
            model: A `ClickTraining`, in training.
            batch: Image and label, as `ClickTraining.forward` takes them.
        """
        found: Training = model(batch["image"], batch["label"])
        return self.of(Training(*(x.float() for x in found)), batch["label"])._asdict()


def network_of(model: nn.Module) -> nn.Module:
    """Return the network inside a `ClickTraining`: what is stored at the end of a run."""
    assert isinstance(model, ClickTraining)
    return model.network

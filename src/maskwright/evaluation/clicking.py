"""A click network and the simulated user."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from maskwright.inference.click import Answer, Clicker
from maskwright.inference.features import ImageFeatures
from maskwright.structures.click import Click


class Answering:
    """Answers all clicks so far, as `data.clicks.hold_dialogue` asks.

    Args:
        clicker: The network.
        features: Of the photo.
        threshold: A pixel belongs to the mask if its probability is above this.
    """

    def __init__(
        self, clicker: Clicker, features: ImageFeatures, *, threshold: float = 0.5
    ) -> None:
        self.clicker, self.features, self.threshold = clicker, features, threshold
        self._done: tuple[Click, ...] = ()
        self._last: Answer | None = None

    def __call__(self, clicks: Sequence[Click]) -> Bool[np.ndarray, "h w"]:
        """Return the mask; clicks that were not answered before are answered one by one."""
        clicks = tuple(clicks)
        if clicks[: len(self._done)] != self._done:
            self._done, self._last = (), None
        for click in clicks[len(self._done) :]:
            self._last = self.clicker.answer(self.features, [click], self._last)
        self._done = clicks
        assert self._last is not None
        if self.threshold == 0.5:
            return self._last.mask
        return self._last.probability > self.threshold

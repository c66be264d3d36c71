"""A foreground: the colour of a thing and its alpha, before it lies on any background."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from maskwright.errors import ShapeError


@dataclass(frozen=True)
class Foreground:
    """A thing cut out of its surroundings.

    Attributes:
        colour: Its own RGB, not premultiplied, defined everywhere.
        alpha: Its share of each pixel, in [0, 1].

    Raises:
        ShapeError: If the two differ in size.
    """

    colour: UInt8[np.ndarray, "h w 3"]
    alpha: Float32[np.ndarray, "alpha_h alpha_w"]

    def __post_init__(self) -> None:
        if self.colour.shape[:2] != self.alpha.shape:
            raise ShapeError(
                f"colour and alpha must have one size, got {self.colour.shape[:2]} and "
                f"{self.alpha.shape}; resize one to the other"
            )

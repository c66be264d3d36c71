"""How much is computed at once. No setting but the token cap changes the result."""

from dataclasses import dataclass, fields
from typing import Literal

from maskwright.errors import UsageError

TOKEN_PX = 16


@dataclass(frozen=True)
class Limits:
    """What bounds the memory at inference; None: no bound.

    Attributes:
        max_tokens: Tokens of an image that a global block may attend to, the surest first.
        token_rows: Rows of tokens computed at once in embedding, routers, MLPs and LTRMs.
        window_rows: Rows of windows computed at once.
        tile_px: Side of the squares in which the decoder works; a multiple of 16.
        padding: "exact": tiles end where the image ends, and the result is that of the whole
            image. "official": tiles of 512 pixels that reach into zeros beyond the right and the
            bottom border, as in the official code, whose published scores came about so; alpha
            within 31 pixels of these borders differs.
        skip_known: The decoder passes over tiles without an unknown pixel and returns the trimap.

    Raises:
        UsageError: If a number is not positive, or `tile_px` is not a multiple of 16.
    """

    max_tokens: int | None = None
    token_rows: int | None = None
    window_rows: int | None = None
    tile_px: int | None = None
    padding: Literal["exact", "official"] = "exact"
    skip_known: bool = False

    def __post_init__(self) -> None:
        for field in fields(self)[:4]:
            value = getattr(self, field.name)
            if value is not None and value < 1:
                raise UsageError(f"{field.name} must be at least 1 or None, got {value}")
        if self.tile_px is not None and self.tile_px % TOKEN_PX:
            raise UsageError(
                f"tile_px must be a multiple of {TOKEN_PX}, got {self.tile_px};"
                f" use {-(-self.tile_px // TOKEN_PX) * TOKEN_PX}"
            )

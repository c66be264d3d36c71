"""What a photo costs: memory at the peak of inference and multiply-adds, from sizes alone.

Counted layer by layer from what exists at once; compared to measured peaks by
`benchmarks/matte.py`.
"""

from itertools import pairwise

from maskwright.models.mematte.config import Config
from maskwright.models.mematte.decoder import REACH_PX
from maskwright.models.mematte.encoder import EMBEDDED_ROWS
from maskwright.models.mematte.inputs import BAND_HALO, BAND_ROWS, HINTED, PLAIN
from maskwright.models.mematte.limits import TOKEN_PX, Limits
from maskwright.models.mematte.model import padded_size
from maskwright.models.mematte.tiles import round_up
from maskwright.models.mematte.trunk import FIRST_REACH, LATER_ROWS, REACH

BYTES = 4  # of a number; half precision is counted the same, and then a safe guess
BIAS_BYTES = 3 * 32 * 2**20  # a strip of position biases, its parts and the scores
HINT_BYTES = 6  # of a pixel: colours nearby
HINTING_BYTES = 80  # of a pixel at half the size, while they are made
WINDOW_BYTES = 190 * TOKEN_PX**2  # of a token: its pixels, read and taken through the first layers
TRUNK_BYTES = 11_000  # of a token, in the trunk's later layers
EIGHTHS_BYTES = 2 * 24 * 4 * BYTES  # of a token: the trunk's map at 1/8, and its parts
WORKSPACE_BYTES = 80 * 2**20  # of the libraries that multiply


def peak_bytes(config: Config, size: tuple[int, int], limits: Limits) -> int:
    """Return the memory that `forward` takes beyond its input, alpha included.

    Routers may keep every token that `limits` allows: that is what is counted.

    Args:
        config: The network's sizes.
        size: Height and width of the photo in pixels.
        limits: How much is computed at once.
    """
    rows, columns = _tokens(size)
    tokens = rows * columns * config.channels * BYTES  # one map of tokens
    encoder = tokens + max(
        _embedding(config, (rows, columns), limits),
        _in_windows(config, (rows, columns), limits),
        _globally(config, (rows, columns), limits),
    )
    pixels = size[0] * size[1]
    hints = HINT_BYTES * pixels if config.hints else 0
    hinting = HINTING_BYTES * (BAND_ROWS + 2 * BAND_HALO) * size[1] // 2 if config.hints else 0
    decoder = tokens + pixels * BYTES + _in_tile(config, size, limits)
    return WORKSPACE_BYTES + hints + max(hinting, encoder, decoder)


def multiply_adds(
    config: Config, size: tuple[int, int], *, kept: float = 0.25, decoded: float = 1.0
) -> float:
    """Return the multiply-adds of a photo.

    Args:
        config: The network's sizes.
        size: Height and width of the photo in pixels.
        kept: Share of the tokens that routers send to global attention.
        decoded: Share of the pixels that the decoder works on.
    """
    rows, columns = _tokens(size)
    tokens, c = rows * columns, config.channels
    blocks_global = config.depth - len(config.window_blocks)
    each = tokens * 12 * c * c
    windows = len(config.window_blocks) * tokens * 2 * c * config.window**2
    attended = (kept if config.routed else 1) * tokens
    routed = 2 * attended * attended * c
    bottleneck = tokens * c * c * 3.25
    refined = tokens * c * c * 5.75 if config.routed else 0
    encoder = config.depth * each + windows + blocks_global * (routed + bottleneck + refined)
    return encoder + decoded * size[0] * size[1] * _decoder_per_pixel(config)


def _tokens(size: tuple[int, int]) -> tuple[int, int]:
    height, width = padded_size(*size)
    return height // TOKEN_PX, width // TOKEN_PX


def _embedding(config: Config, size: tuple[int, int], limits: Limits) -> int:
    rows = min(limits.token_rows or size[0], EMBEDDED_ROWS)
    if config.detail != "mobilenet":
        return WINDOW_BYTES * rows * size[1]
    first = WINDOW_BYTES * (rows + 2 * FIRST_REACH) * size[1]
    later = TRUNK_BYTES * (LATER_ROWS * rows + 2 * REACH) * size[1]
    return EIGHTHS_BYTES * size[0] * size[1] + max(first, later)


def _in_windows(config: Config, size: tuple[int, int], limits: Limits) -> int:
    rows, columns = (round_up(length, config.window) for length in size)
    if limits.window_rows is not None:
        rows = min(rows, limits.window_rows * config.window)
    attention = 14 * rows * columns * config.channels * BYTES + BIAS_BYTES
    return max(attention, _in_mlp(config, size, limits))


def _in_mlp(config: Config, size: tuple[int, int], limits: Limits) -> int:
    return 10 * _strip(size, limits) * config.channels * BYTES


def _globally(config: Config, size: tuple[int, int], limits: Limits) -> int:
    tokens, c = size[0] * size[1], config.channels
    strip, kept = _strip(size, limits), tokens
    if config.routed and limits.max_tokens is not None:
        kept = min(tokens, limits.max_tokens)
    refined = tokens * c  # of the LTRM, or what attention has read
    refining = 8 * strip * c
    attending = 10 * kept * c
    reduced = tokens * c + 5 * strip * c  # in the bottleneck: strips, joined
    return BYTES * max(refined + max(refining, attending), 10 * strip * c, reduced)


def _strip(size: tuple[int, int], limits: Limits) -> int:
    return min(size[0], limits.token_rows or size[0]) * size[1]


def _in_tile(config: Config, size: tuple[int, int], limits: Limits) -> int:
    around = 2 * REACH_PX[config.detail] + TOKEN_PX
    sides = (min(side, limits.tile_px or side) + around for side in size)
    pixels = 1
    for side in sides:
        pixels *= side
    inputs = HINTED if config.hints else PLAIN
    *_, before, last = config.fusion_widths
    joined = inputs + before  # the last stage's input, and once more in the order of the filters
    return pixels * (2 * joined + before + 2 * inputs + last) * BYTES


def _decoder_per_pixel(config: Config) -> float:
    details = (HINTED if config.hints else PLAIN, *config.detail_widths)
    widths = (config.channels, *config.fusion_widths)
    per_pixel = sum(
        9 * before * after / 4 ** (level + 1)
        for level, (before, after) in enumerate(pairwise(details))
    )
    for level, (before, after) in zip((3, 2, 1, 0), pairwise(widths), strict=True):
        per_pixel += 9 * (before + details[level]) * after / 4**level
    return per_pixel + 9 * widths[-1] * config.head_width

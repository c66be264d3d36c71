"""A photo with its segments laid over it: colours, outlines and names, to look at."""

import colorsys

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw, ImageFont

from maskwright.errors import ShapeError
from maskwright.formats.label_map import segment_ids
from maskwright.structures.class_list import ClassList, Colour
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

_LEAST_TEXT_PX, _TEXT_SHARE = 11, 1 / 45  # of the shorter side
_LEAST_SHARE = 0.0005  # of the photo; smaller segments get no name
_SEARCHED_PX = 256  # the longer side of the picture in which the middle is looked for
_VARIETY = 0.35  # how far the brightness of two objects of a class may differ


def overlay(
    photo: UInt8[np.ndarray, "h w 3"],
    segmentation: Segmentation,
    *,
    classes: ClassList | None = None,
    opacity: float = 0.5,
    named: bool = True,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the photo with every segment tinted, outlined and named.

    Args:
        photo: sRGB, 8 bit.
        segmentation: Of this photo.
        classes: Colours; made up if None. Objects of one class differ in brightness.
        opacity: Of the tint, in [0, 1].
        named: Whether names and scores are written.

    Raises:
        ShapeError: If photo and segmentation differ in size.
    """
    if photo.shape[:2] != tuple(segmentation.size):
        raise ShapeError(
            f"photo and segmentation must have one size, got {photo.shape[:2]} and"
            f" {tuple(segmentation.size)}; give the photo that was segmented"
        )
    known = classes or ClassList(segmentation.categories)
    table = _colours(segmentation, known)
    labels = segment_ids(segmentation)
    shown = cv2.addWeighted(photo, 1 - opacity, table[labels], opacity, 0)
    shown[labels == 0] = photo[labels == 0]
    edges = _edges(labels)
    shown[edges] = table[labels[edges]]
    return _with_names(shown, segmentation) if named else shown


def _colours(segmentation: Segmentation, classes: ClassList) -> UInt8[np.ndarray, "segments 3"]:
    """Return a colour for each segment; row 0 is for none."""
    table = np.zeros((len(segmentation.segments) + 1, 3), np.uint8)
    seen: dict[int, int] = {}
    for segment in segmentation.segments:
        count = seen.get(segment.category_id, 0)
        seen[segment.category_id] = count + 1
        table[segment.id] = _varied(classes.colours[segment.category_id], count)
    return table


def _varied(colour: Colour, count: int) -> Colour:
    """Return the colour of the object of a class with this number, from 0 on."""
    hue, saturation, brightness = colorsys.rgb_to_hsv(*(part / 255 for part in colour))
    shift = _VARIETY * ((count * 0.618034) % 1)
    brightness = brightness - shift if brightness > 0.5 else brightness + shift
    red, green, blue = (
        round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, brightness)
    )
    return red, green, blue


def _edges(labels: np.ndarray) -> Bool[np.ndarray, "h w"]:
    """Return the pixels of segments beside another one, or none."""
    edges = np.zeros(labels.shape, np.bool_)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges & (labels > 0)


def _with_names(
    shown: UInt8[np.ndarray, "h w 3"], segmentation: Segmentation
) -> UInt8[np.ndarray, "h w 3"]:
    image = Image.fromarray(shown)
    draw = ImageDraw.Draw(image)
    height, width = segmentation.size
    text_px = max(_LEAST_TEXT_PX, round(_TEXT_SHARE * min(height, width)))
    font = ImageFont.load_default(size=text_px)
    for segment in segmentation.segments:
        if segment.area < _LEAST_SHARE * height * width:
            continue
        x, y = _middle(segment)
        score = f" {100 * segment.score:.0f}" if segment.score < 1 else ""
        text = segment.category.split(",")[0] + score
        half = font.getlength(text) / 2  # within the photo, as far as it fits
        draw.text(
            (max(min(x, width - half), half), max(min(y, height - text_px / 2), text_px / 2)),
            text,
            font=font,
            fill=(255, 255, 255),
            anchor="mm",
            stroke_width=max(1, text_px // 8),
            stroke_fill=(0, 0, 0),
        )
    return np.asarray(image).copy()


def _middle(segment: Segment) -> tuple[int, int]:
    """Return the point (x, y) of a segment that is furthest from its edge."""
    x0, y0, x1, y1 = segment.box
    step = max(1, max(x1 - x0, y1 - y0) // _SEARCHED_PX)
    mask = segment.mask()[y0:y1:step, x0:x1:step]
    inside = np.pad(mask, 1).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3)
    y, x = divmod(int(distance.argmax()), inside.shape[1])
    return x0 + max(x - 1, 0) * step, y0 + max(y - 1, 0) * step  # a thin one may have no middle

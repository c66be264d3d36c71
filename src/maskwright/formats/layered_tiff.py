"""TIFF with the layers that Photoshop keeps in its tag 37724, by psdtags; 8 and 16 bit RGB.

Source of the format: Adobe, "Photoshop File Formats Specification" (2019) and "Photoshop TIFF
Technical Notes" (2002). The page itself shows what the layers show together.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psdtags import (
    PsdChannel,
    PsdChannelId,
    PsdCompressionType,
    PsdFormat,
    PsdKey,
    PsdLayer,
    PsdLayerFlag,
    PsdLayerMask,
    PsdLayerMaskFlag,
    PsdLayers,
    PsdRectangle,
    PsdUnknown,
    PsdUserMask,
    TiffImageSourceData,
)
from tifffile import TiffFile

from maskwright.errors import DataError
from maskwright.formats.layered import Layer, placed
from maskwright.image import tiff_write
from maskwright.image.photo import Photo
from maskwright.image.stream import Readable, Writable
from maskwright.structures.cutout import Cutout

IMAGE_SOURCE_DATA = 37724
_KEYS = {1: PsdKey.LAYER, 2: PsdKey.LAYER_16}
_COLOURS = (PsdChannelId.CHANNEL0, PsdChannelId.CHANNEL1, PsdChannelId.CHANNEL2)
_ALPHA, _MASK = PsdChannelId.TRANSPARENCY_MASK, PsdChannelId.USER_LAYER_MASK


def encode(
    stream: Writable,
    layers: Sequence[Layer],
    together: NDArray[Any],
    *,
    like: Photo | Cutout | None,
) -> None:
    """Write a TIFF.

    Args:
        stream: A binary file.
        layers: The lowest first.
        together: What they show, (h, w, 4).
        like: Whose metadata to write.

    Raises:
        OutputError: If the file would be larger than the 4 GiB a TIFF can have.
    """
    exif = like.exif if like is not None else None
    is_big = tiff_write.byte_order(exif) == ">"
    format = PsdFormat.BE32BIT if is_big else PsdFormat.LE32BIT
    key = _KEYS[together.dtype.itemsize]
    content = PsdLayers(
        key=key, layers=[_record(one, format) for one in layers], has_transparency=True
    )
    data = TiffImageSourceData(psdformat=format, layers=content, usermask=PsdUserMask())
    tiff_write.encode(
        stream,
        together,
        icc_profile=like.icc_profile if like is not None else None,
        exif=exif,
        dpi=like.dpi if like is not None else None,
        extra={IMAGE_SOURCE_DATA: data.tobytes()},
    )


def decode(stream: Readable) -> list[Layer]:
    """Return the layers of a TIFF; [] if it has none.

    Raises:
        DataError: If it is not RGB of 8 or 16 bit.
        Exception: Whatever tifffile or psdtags raise where it is damaged.
    """
    with TiffFile(stream) as tiff:
        tag: Any = tiff.pages[0].tags.get(IMAGE_SOURCE_DATA)  # type: ignore[union-attr]
        if tag is None:
            return []
        data = TiffImageSourceData.frombytes(tag.value)
    if data.layers.key not in _KEYS.values():
        raise DataError(f"expected layers of 8 or 16 bit, got {data.layers.key.name}; convert it")
    found = [_layer(record) for record in data.layers]
    return [layer for layer in found if layer is not None]


def _record(layer: Layer, format: PsdFormat) -> PsdLayer:
    x0, y0, x1, y1 = layer.box
    box = PsdRectangle(y0, x0, y1, x1)
    opaque = np.full(box.shape, np.iinfo(layer.pixels.dtype).max, layer.pixels.dtype)
    planes = {_ALPHA: opaque}
    planes |= {id: layer.pixels[..., channel] for channel, id in enumerate(_COLOURS)}
    if layer.mask is not None:
        planes[_MASK] = layer.mask
    channels = [
        PsdChannel(channelid=id, compression=PsdCompressionType.ZIP, data=plane)
        for id, plane in planes.items()
    ]
    return PsdLayer(
        name=layer.name.encode("ascii", "replace").decode()[:31],
        channels=channels,
        rectangle=box,
        mask=None if layer.mask is None else PsdLayerMask(rectangle=box),
        flags=PsdLayerFlag.PHOTOSHOP5 | (0 if layer.visible else PsdLayerFlag.VISIBLE),
        info=[_name(layer, format)],
    )


def _name(layer: Layer, format: PsdFormat) -> PsdUnknown:
    """Return the name of a layer, its length in units of UTF-16.

    psdtags' own strings count code points, of which some are two units.
    """
    text = layer.name.encode(format.utf16, "replace")
    content = format.pack("I", len(text) // 2) + text
    return PsdUnknown(PsdKey.UNICODE_LAYER_NAME, format, content)


def _layer(record: PsdLayer) -> Layer | None:
    """Return a layer; None for what has no pixels, such as a group."""
    if not record.rectangle:
        return None
    planes = {channel.channelid: np.asarray(channel.data) for channel in record.channels}
    missing = [id.name for id in _COLOURS if id not in planes]
    if missing:
        raise DataError(f"expected layers in RGB, got one without {missing[0]}; convert it")
    pixels = np.stack([planes[id] for id in _COLOURS], axis=-1)
    alpha, seen = _mask(record, planes.get(_MASK)), planes.get(_ALPHA)
    if seen is not None and seen.min() != np.iinfo(seen.dtype).max:
        alpha = seen if alpha is None else np.minimum(alpha, seen)
    names = [str(one) for one in record.info if one.key == PsdKey.UNICODE_LAYER_NAME]
    native = pixels.dtype.newbyteorder("=")
    return Layer(
        (names or [record.name])[0].rstrip("\0") or "layer",
        pixels.astype(native),
        record.rectangle.left,
        record.rectangle.top,
        mask=None if alpha is None else alpha.astype(native),
        visible=not record.flags & PsdLayerFlag.VISIBLE,
    )


def _mask(record: PsdLayer, mask: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return the mask of a layer in its box, or None if it has none that counts."""
    told = record.mask
    if mask is None or told is None or told.rectangle is None:
        return None
    if told.flags & PsdLayerMaskFlag.DISABLED:
        return None
    x, y = told.rectangle.left - record.rectangle.left, told.rectangle.top - record.rectangle.top
    scale = np.iinfo(mask.dtype).max // 255
    size = (record.rectangle.shape[0], record.rectangle.shape[1])
    return placed(mask, (x, y), size, outside=told.default_color * scale)

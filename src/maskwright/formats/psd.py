"""PSD, Photoshop's documents, by psd-tools' low-level structures; 8 and 16 bit RGB.

Source of the format: Adobe, "Photoshop File Formats Specification" (2019). Layers of 16 bit stand
in a block of their own, `Lr16`, behind an empty list of layers.
"""

import struct
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from psd_tools.constants import ChannelID, ColorMode, Compression, Resource, Tag
from psd_tools.psd import PSD
from psd_tools.psd.header import FileHeader
from psd_tools.psd.image_data import ImageData
from psd_tools.psd.image_resources import ImageResource, ImageResources
from psd_tools.psd.layer_and_mask import (
    ChannelData,
    ChannelDataList,
    ChannelImageData,
    ChannelInfo,
    GlobalLayerMaskInfo,
    LayerAndMaskInformation,
    LayerFlags,
    LayerInfo,
    LayerInfoBlock,
    LayerRecord,
    LayerRecords,
    MaskData,
)
from psd_tools.psd.tagged_blocks import TaggedBlock, TaggedBlocks

from maskwright.errors import DataError, OutputError
from maskwright.formats.layered import Layer, placed
from maskwright.image.photo import Photo
from maskwright.image.stream import Readable, Writable
from maskwright.structures.cutout import Cutout

MOST_PX = 30_000  # of a side
_COLOURS = (ChannelID.CHANNEL_0, ChannelID.CHANNEL_1, ChannelID.CHANNEL_2)
_DEPTHS = {8: ">u1", 16: ">u2"}
_PER_INCH, _INCHES = 1, 1
_MAX_DPI = 65_535


def encode(
    stream: Writable,
    layers: Sequence[Layer],
    together: NDArray[Any],
    *,
    like: Photo | Cutout | None,
) -> None:
    """Write a PSD.

    Args:
        stream: A binary file.
        layers: The lowest first.
        together: What they show, (h, w, 4).
        like: Whose metadata to write.

    Raises:
        OutputError: If the document is larger than 30000 pixels on a side.
    """
    height, width = together.shape[:2]
    if max(height, width) > MOST_PX:
        raise OutputError(
            f"a PSD holds at most {MOST_PX} pixels a side, got {width} x {height}; write .tif"
        )
    depth = 8 * together.dtype.itemsize
    header = FileHeader(
        channels=4, height=height, width=width, depth=depth, color_mode=ColorMode.RGB
    )
    merged = ImageData(compression=Compression.RLE if depth == 8 else Compression.RAW)
    seen = together[..., 3]
    planes = [_on_white(together[..., channel], seen) for channel in range(3)]
    merged.set_data([_bytes(plane) for plane in (*planes, seen)], header)
    PSD(
        header=header,
        image_resources=_resources(like),
        layer_and_mask_information=_layers(layers, depth),
        image_data=merged,
    ).write(cast(Any, stream))


def decode(stream: Readable) -> list[Layer]:
    """Return the layers of a PSD.

    Raises:
        DataError: If it is not RGB of 8 or 16 bit.
        Exception: Whatever psd-tools raises where it is damaged.
    """
    psd = PSD.read(cast(Any, stream))
    depth = psd.header.depth
    if psd.header.color_mode != ColorMode.RGB or depth not in _DEPTHS:
        raise DataError(
            f"expected a PSD in RGB of 8 or 16 bit, got {psd.header.color_mode.name} of {depth};"
            " convert it"
        )
    info = psd._get_layer_info()  # the one place that knows both homes of layers
    if info is None:
        return []
    pairs = zip(info.layer_records or (), info.channel_image_data or (), strict=True)
    found = [_layer(record, channels, depth) for record, channels in pairs]
    return [layer for layer in found if layer is not None]


def _layers(layers: Sequence[Layer], depth: int) -> LayerAndMaskInformation:
    records = LayerRecords(cast(Any, [_record(layer) for layer in layers]))
    channels = ChannelImageData(cast(Any, [_channels(layer, depth) for layer in layers]))
    count = -len(layers)  # negative: the fourth merged channel is transparency
    blocks = TaggedBlocks()
    if depth == 8:
        info = LayerInfo(count, records, channels)
    else:
        info = LayerInfo()
        block = LayerInfoBlock(count, records, channels)
        blocks[Tag.LAYER_16] = TaggedBlock(key=Tag.LAYER_16.value, data=cast(Any, block))
    return LayerAndMaskInformation(info, GlobalLayerMaskInfo(), blocks)


def _record(layer: Layer) -> LayerRecord:
    x0, y0, x1, y1 = layer.box
    ids = [ChannelID.TRANSPARENCY_MASK, *_COLOURS]
    mask = None
    if layer.mask is not None:
        ids.append(ChannelID.USER_LAYER_MASK)
        mask = MaskData(top=y0, left=x0, bottom=y1, right=x1, background_color=0)
    record = LayerRecord(
        top=y0,
        left=x0,
        bottom=y1,
        right=x1,
        channel_info=[ChannelInfo(id=id) for id in ids],
        flags=LayerFlags(visible=layer.visible),
        mask_data=mask,
        name=layer.name.encode("ascii", "replace").decode()[:31],
    )
    record.tagged_blocks.set_data(Tag.UNICODE_LAYER_NAME, layer.name)
    return record


def _channels(layer: Layer, depth: int) -> ChannelDataList:
    height, width = layer.pixels.shape[:2]
    opaque = np.full((height, width), np.iinfo(layer.pixels.dtype).max, layer.pixels.dtype)
    planes = [opaque, *(layer.pixels[..., channel] for channel in range(3))]
    if layer.mask is not None:
        planes.append(layer.mask)
    found = ChannelDataList()
    for plane in planes:
        data = ChannelData(compression=Compression.RLE if depth == 8 else Compression.ZIP)
        data.set_data(_bytes(plane), width, height, depth)
        found.append(data)
    return found


def _layer(record: LayerRecord, channels: ChannelDataList, depth: int) -> Layer | None:
    """Return a layer; None for what has no pixels, such as a group."""
    if not record.width or not record.height:
        return None
    planes = {}
    for info, data, (width, height) in zip(
        record.channel_info, channels, record.channel_sizes, strict=True
    ):
        # A mask of one value has no pixels, and no size that psd-tools would unpack.
        raw = data.get_data(width, height, depth) if width and height else b""
        planes[info.id] = np.frombuffer(raw, _DEPTHS[depth]).reshape(height, width)
    size = (record.height, record.width)
    pixels = np.stack([planes[id] for id in _COLOURS], axis=-1)
    alpha = _placed_mask(record, planes[ChannelID.USER_LAYER_MASK]) if _has_mask(record) else None
    seen = planes.get(ChannelID.TRANSPARENCY_MASK)
    if seen is not None and seen.min() != np.iinfo(seen.dtype).max:
        alpha = seen if alpha is None else np.minimum(alpha, seen)
    name = record.tagged_blocks.get_data(Tag.UNICODE_LAYER_NAME, record.name)
    native = pixels.dtype.newbyteorder("=")
    return Layer(
        str(name) or "layer",
        pixels.astype(native),
        record.left,
        record.top,
        mask=None if alpha is None else alpha.reshape(size).astype(native),
        visible=record.flags.visible,
    )


def _has_mask(record: LayerRecord) -> bool:
    mask = record.mask_data
    ids = {info.id for info in record.channel_info}
    return mask is not None and not mask.flags.mask_disabled and ChannelID.USER_LAYER_MASK in ids


def _placed_mask(record: LayerRecord, mask: NDArray[Any]) -> NDArray[Any]:
    """Return a mask, whose box may be another than its layer's, in the box of its layer."""
    data = record.mask_data
    assert data is not None
    scale = np.iinfo(mask.dtype).max // 255
    size = (record.height, record.width)
    return placed(
        mask,
        (data.left - record.left, data.top - record.top),
        size,
        outside=data.background_color * scale,
    )


def _resources(like: Photo | Cutout | None) -> ImageResources:
    found = ImageResources()
    blocks: dict[Resource, bytes | None] = {}
    if like is not None:
        blocks = {Resource.ICC_PROFILE: like.icc_profile, Resource.EXIF_DATA_1: like.exif}
        if like.dpi is not None and max(like.dpi) <= _MAX_DPI:
            across, down = (round(value * 65536) for value in like.dpi)
            units = (_PER_INCH, _INCHES)
            packed = struct.pack(">IHHIHH", across, *units, down, *units)
            blocks[Resource.RESOLUTION_INFO] = packed
    for key, block in blocks.items():
        if block is not None:
            found[key] = ImageResource(key=key.value, data=block)
    return found


def _on_white(colour: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Return C a + (1 - a) white, rounded: so the merged picture is stored, and read by others."""
    full = np.iinfo(alpha.dtype).max
    share = alpha.astype(np.float32) / full
    return np.rint(colour * share + full * (1 - share)).astype(colour.dtype)


def _bytes(plane: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(plane, plane.dtype.newbyteorder(">")).tobytes()

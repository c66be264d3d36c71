"""What the small networks of the package start from."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from torch import Tensor, nn

from maskwright.errors import UsageError
from maskwright.weights.load import load_model, read_safetensors

IMAGENET = Path("weights") / "mobilenetv2_imagenet.safetensors"
Model = TypeVar("Model", bound=nn.Module)


def small_network(
    config: Any,
    build: Callable[[Any], Model],
    start_from_imagenet: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
    *,
    start: str,
    data: str,
) -> Model:
    """Return a network on MobileNetV2 with what it starts from.

    Args:
        config: Of the network.
        build: Makes it.
        start_from_imagenet: Gives ImageNet's weights its names.
        start: A network of this configuration to go on from, a name or a file; or empty.
        data: Else the folder of real data, where ImageNet's weights lie; empty starts from noise.

    Raises:
        UsageError: If `start` holds another network.
        WeightsError: If the weights are missing or damaged.
    """
    if start:
        model, _, given = load_model(start)
        if given != config:
            raise UsageError(
                f"expected the weights of a network of this recipe, {start} holds others;"
                " use --set start= to start from ImageNet's"
            )
        return cast(Model, model)  # a configuration is of one paper
    network = build(config)
    if data:
        network.load_state_dict(start_from_imagenet(imagenet_of(data)), strict=False)
    return network


def imagenet_of(data: str) -> dict[str, Tensor]:
    """Return ImageNet's weights of MobileNetV2 from the folder of real data.

    Raises:
        UsageError: If the folder is not there.
        WeightsError: If the weights are missing or damaged.
    """
    if not Path(data).is_dir():
        raise UsageError(f"expected the folder of real data, got {data}; correct --set data=DIR")
    return read_safetensors(Path(data) / IMAGENET)[0]

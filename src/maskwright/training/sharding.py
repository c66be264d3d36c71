"""Parameters, gradients and averages dealt out to the processes that train a large network.

Zhao et al., "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel", VLDB 2023,
arXiv:2304.11277: a block's parameters come together while it computes and are parted again. What is
written to disk is whole, so that a run goes on with any number of processes, sharded or not.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim

from maskwright.layers import swin
from maskwright.models.interformer import encoder as interformer
from maskwright.models.mematte import encoder as mematte
from maskwright.ops.processes import count

BLOCKS = (interformer.Block, mematte.Block, mematte.RoutedBlock, swin.Block)


def shard(model: nn.Module, *, device: torch.device) -> None:
    """Deal out a model's parameters, those of each block of an encoder by themselves.

    Args:
        model: Changed in place; the same on all processes.
        device: Where it computes.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.type, (count(),))
    for parameter in model.parameters():  # some filters lie channels last
        parameter.data = parameter.data.contiguous()
    for module in model.modules():
        if isinstance(module, BLOCKS):
            fully_shard(module, mesh=mesh)
        if isinstance(module, mematte.RoutedBlock):
            register_fsdp_forward_method(module, "train_routing")
    fully_shard(model, mesh=mesh)


def shard_with_optimizer(
    model: nn.Module, optimizer: optim.Optimizer, *, device: torch.device
) -> None:
    """Deal out a model's parameters, and give the optimizer its share of them.

    Args:
        model: As for `shard`.
        optimizer: Holds its parameters and has taken no step.
        device: As for `shard`.
    """
    names = {parameter: name for name, parameter in model.named_parameters()}
    held = [[names[each] for each in group["params"]] for group in optimizer.param_groups]
    shard(model, device=device)
    dealt = dict(model.named_parameters())
    for group, own in zip(optimizer.param_groups, held, strict=True):
        group["params"] = [dealt[name] for name in own]


def whole(state: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a state dict with whole tensors, on the CPU where they were shared.

    All processes that share it must ask.

    Args:
        state: Of a model, or of an optimizer.
    """
    return {key: _whole(value) for key, value in state.items()}


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return whole(value)
    return value.full_tensor().cpu() if hasattr(value, "full_tensor") else value


def load_model(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a whole state dict into a model, of which each process takes its share."""
    own = model.state_dict()
    dealt = {n: _dealt(x, own[n]) if n in own else x for n, x in state.items()}
    model.load_state_dict(dealt)


def load_optimizer(optimizer: optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load a whole state dict into an optimizer, of which each process takes its share."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    dealt = {
        index: {
            name: _dealt(value, parameters[index]) if value.ndim else value
            for name, value in values.items()
        }
        for index, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": dealt})


def _dealt(value: Tensor, like: Tensor) -> Tensor:
    """Return the share of a whole tensor that lies as another does."""
    if not hasattr(like, "full_tensor"):
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)

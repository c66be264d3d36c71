import pytest
import torch

from maskwright.errors import UsageError
from maskwright.inference.device import pick_device, pick_dtype


def test_auto_is_a_device_that_works():
    assert (torch.ones(1, device=pick_device("auto")) + 1).item() == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_missing_gpu_is_an_error_and_not_the_cpu():
    with pytest.raises(UsageError, match="cuda cannot be used here"):
        pick_device("cuda")


def test_unknown_devices_and_dtypes_are_named():
    with pytest.raises(UsageError, match="auto, cpu, cuda or mps, got 'tpu'"):
        pick_device("tpu")
    with pytest.raises(UsageError, match="such as cuda:0, got 'cpu:x'"):
        pick_device("cpu:x")
    with pytest.raises(UsageError, match="fp32, bf16, fp16, got 'int8'"):
        pick_dtype("int8", torch.device("cpu"))
    with pytest.raises(UsageError, match="fp16 is for GPUs"):
        pick_dtype("fp16", torch.device("cpu"))


def test_the_dtype_follows_the_device():
    assert pick_dtype("auto", torch.device("cpu")) == torch.float32
    assert pick_dtype("auto", torch.device("cuda")) == torch.float16
    assert pick_dtype("bf16", torch.device("cpu")) == torch.bfloat16

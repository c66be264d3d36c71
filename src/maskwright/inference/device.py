"""Which device and number format to compute with."""

import torch

from maskwright.errors import UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def pick_device(name: str) -> torch.device:
    """Return the device: "auto" prefers CUDA, then MPS, then the CPU.

    Raises:
        UsageError: If the device is unknown, or not usable here; nothing falls back silently.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind = name.partition(":")[0]
    usable = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if kind not in usable:
        raise UsageError(f"expected the device auto, cpu, cuda or mps, got {name!r}")
    if not usable[kind]:
        raise UsageError(
            f"the device {name} cannot be used here: this torch ({torch.__version__}) finds none; "
            "use --device cpu, or see `maskwright doctor`"
        )
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"expected a device such as cuda:0, got {name!r}") from error


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the number format: "auto" is fp32 on a CPU and fp16 on CUDA.

    Raises:
        UsageError: If the format is unknown, or the device does not compute in it.
    """
    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    if name not in DTYPES:
        raise UsageError(f"expected the dtype auto, {', '.join(DTYPES)}, got {name!r}")
    if name == "fp16" and device.type == "cpu":
        raise UsageError("fp16 is for GPUs; on a CPU use fp32 or bf16")
    return DTYPES[name]


def pick_encoding_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the number format of large transformers: "auto" is also bf16 on CPUs that have it.

    Raises:
        UsageError: As for `pick_dtype`.
    """
    if name == "auto" and device.type == "cpu" and computes_bf16():
        return torch.bfloat16
    return pick_dtype(name, device)


def computes_bf16() -> bool:
    """Say whether this CPU multiplies bf16 itself, instead of torch going through fp32."""
    # torch has no public question for it; where the private one is gone, fp32 is safe.
    ask = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(ask and ask())

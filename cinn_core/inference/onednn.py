"""oneDNN's linear layers with the activation inside, by private names of torch, seen with torch 2.13.0.

Where a build of torch lacks these names, `available` is false and plain layers do the work; on a processor they take
longer, since the weight is put in order and the ReLU is a pass of its own every time.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LAYER, _REORDER, _HAS_BFLOAT16 = "_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported"


def available() -> bool:
    """Whether this build of torch has these layers (x86 and some ARM builds)."""
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in (_LAYER, _REORDER))


def bfloat16_native() -> bool:
    """Whether the processor multiplies bfloat16 natively (AVX512-BF16 or AMX) and torch says so."""
    return available() and hasattr(torch.ops.mkldnn, _HAS_BFLOAT16) and bool(getattr(torch.ops.mkldnn, _HAS_BFLOAT16)())


def packed(weight: Tensor) -> Tensor:
    """A weight (m, k) in oneDNN's own order, as `layer` and `relu_layer` take it."""
    return getattr(torch.ops.mkldnn, _REORDER)(weight.contiguous())


def layer(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Outputs (n, m) of inputs (n, k) by a packed weight and a bias (m,)."""
    return getattr(torch.ops.mkldnn, _LAYER)(inputs, weight, bias, "none", [], "")


def relu_layer(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Outputs (n, m) of inputs (n, k) by a packed weight and a bias (m,), through a ReLU."""
    return getattr(torch.ops.mkldnn, _LAYER)(inputs, weight, bias, "relu", [], "")

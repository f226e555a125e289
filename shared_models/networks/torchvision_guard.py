"""Makes torchvision importable beside a torch that its compiled operators do not fit.

A package index's torchvision is compiled against its torch with GPU libraries. Beside a CPU-only torch its compiled
library does not load, which torchvision forgives, and then it registers meta kernels for two operators that only that
library declares, which torch does not forgive. Networks need none of these operators: declared without a kernel, they
are enough for the import. Where the builds match, nothing is declared.
"""

import importlib
from types import ModuleType

import torch

_OPERATORS = ("nms", "qnms")
_DECLARED: list[torch.library.Library] = []
"""Declarations live as long as their library object."""


def import_torchvision() -> ModuleType:
    """The module `torchvision`."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    _declare_missing_operators()
    return importlib.import_module("torchvision")


def _declare_missing_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in _OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(library)

"""How much of a computer one process takes."""

import ctypes
import platform

import cv2
import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_NEVER, _GLIBC_TRIM, _GLIBC_MAPS = 2**31 - 1, 128 << 10, 65536
_LARGE_BLOCK = 256 << 10


def use_one_core() -> None:
    """One thread for PyTorch and OpenCV; freed memory is kept for the next batch.

    Two threads a process on a busy two-core machine are slower than one.
    """
    use_threads(1)


def use_threads(count: int) -> None:
    """`count` threads for PyTorch, one for OpenCV; freed memory is kept for the next batch."""
    torch.set_num_threads(count)
    cv2.setNumThreads(1)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """For a program that computes: glibc hands every large block back when it is freed, so that each layer of each
    batch faults its pages in again. Keeping them made the encoder 1.5 to 3 times faster."""
    _tune({_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _NEVER})


def give_freed_memory_back() -> None:
    """For a program that serves many for long: what was freed goes back now, and large blocks at once from now on."""
    _tune({_M_MMAP_MAX: _GLIBC_MAPS, _M_MMAP_THRESHOLD: _LARGE_BLOCK, _M_TRIM_THRESHOLD: _GLIBC_TRIM})
    if _is_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _tune(options: dict[int, int]) -> None:
    if _is_glibc():
        libc = ctypes.CDLL(None)
        for option, value in options.items():
            libc.mallopt(option, value)


def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"

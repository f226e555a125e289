"""How much of a computer one process takes."""

import ctypes
import platform

import cv2
import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def use_one_core() -> None:
    """One thread for PyTorch and OpenCV; freed memory is kept for the next batch.

    Two threads a process on a busy two-core machine are slower than one. And glibc hands every large block back when
    it is freed, so that each layer of each batch faults its pages in again: keeping them made the encoder 1.5 to 3
    times faster.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)


def give_memory_back() -> None:
    """Hands what was freed since `use_one_core` back to the system: for a program that now waits for long."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)

"""How much a reconstruction gives away: its likeness to the victim, and whether it picks the victim from a crowd."""

import math

import torch
from scipy.stats import binom
from torch import Tensor


def correlation(one: Tensor, other: Tensor) -> float:
    """Pearson's, of the pixels: insensitive to brightness and contrast."""
    return float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])


def psnr(picture: Tensor, truth: Tensor) -> float:
    """Peak signal over noise in decibels, for pixels in [0, 1]."""
    return -10 * math.log10(max(1e-12, float((picture - truth).square().mean())))


def rank_of(number: int, picture: Tensor, crowd: Tensor) -> int:
    """1 where no face of `crowd` (N, 1, H, W) is more like `picture` than face `number`, N where all are."""
    likeness = [correlation(picture, face) for face in crowd]
    return 1 + sum(other > likeness[number] for other in likeness)


def by_chance(hits: int, tries: int, crowd: int) -> float:
    """The probability that guessing among `crowd` faces is right at least `hits` times of `tries`."""
    return float(binom.sf(hits - 1, tries, 1 / crowd))

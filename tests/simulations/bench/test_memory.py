import mmap
import os
import sys

import pytest

from simulations.bench.memory import in_own_process, peak_growth


def touch(mebibytes: int) -> int:
    """Takes fresh pages, which no heap has lying about, and gives them back; the number of pages."""
    with mmap.mmap(-1, mebibytes << 20) as block:
        pages = range(0, len(block), mmap.PAGESIZE)
        for page in pages:
            block[page] = 1
        return len(pages)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets the peak that came before")
def test_memory_is_the_growth_over_what_was_there_before() -> None:
    touch(200)
    pages, grown = peak_growth(lambda: touch(100))
    assert pages == (100 << 20) // mmap.PAGESIZE
    assert 90 < grown < 120


def test_a_process_of_its_own_is_another_each_time() -> None:
    assert len({os.getpid(), in_own_process(os.getpid), in_own_process(os.getpid)}) == 3

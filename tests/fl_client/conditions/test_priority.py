import os
import sys
import threading

import pytest

from fl_client.conditions.priority import give_way

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the niceness of a thread as Linux has it")


def niceness():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def in_a_thread(work):
    seen = []
    thread = threading.Thread(target=lambda: seen.append(work()))
    thread.start()
    thread.join()
    return seen[0]


def test_only_the_thread_that_asks_gives_way_and_those_that_it_starts():
    before = niceness()

    def give_way_and_look():
        give_way()
        return niceness(), in_a_thread(niceness)

    assert in_a_thread(give_way_and_look) == (10, 10)
    assert niceness() == before < 10


def test_it_never_raises_a_priority():
    def already_low():
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)
        give_way()
        return niceness()

    assert in_a_thread(already_low) == 15

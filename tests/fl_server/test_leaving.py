"""SIGTERM ends a server within five seconds, also one that is busy with something that cannot be interrupted."""

import signal
import subprocess
import sys

BUSY = """
import signal, time
from fl_server.leaving import leave_soon
signal.signal(signal.SIGTERM, lambda *_: leave_soon(lambda: print("told", flush=True)))
print("busy", flush=True)
while True:
    time.sleep(60)
"""


def test_a_server_that_is_busy_leaves_all_the_same():
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "busy\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert process.stdout.read() == "told\n"
    process.stdout.close()

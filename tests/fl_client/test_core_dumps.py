import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes, resource, sys
from fl_client import cli
sys.argv = ["fl-client", "--help"]
try:
    cli.run()
except SystemExit:
    print(ctypes.CDLL(None).prctl(3), *resource.getrlimit(resource.RLIMIT_CORE), file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_no_command_leaves_a_core_dump() -> None:
    """In a process of its own: what is given up is not got back."""
    ended = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    assert ended.stderr == "0 0 0\n"  # PR_GET_DUMPABLE, and both limits

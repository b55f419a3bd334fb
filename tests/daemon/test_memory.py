"""What keeps the daemon flat, in a process of its own, for it holds for a whole process."""

import subprocess
import sys

import pytest

# glibc counts the pieces that have memory of their own: the fourth number of mallinfo.
COUNT = """
import ctypes, gc, sys
from nmesd.daemon.memory import LARGE, keep_flat
class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in "arena ordblks smblks hblks a b c d e f".split()]
mallinfo = ctypes.CDLL(None).mallinfo
mallinfo.restype = Mallinfo
if sys.argv[1] == "flat":
    keep_flat()
for _ in range(3):
    bytes(4 * LARGE)  # glibc learns from the first that is freed
before = mallinfo().hblks
held = bytes(4 * LARGE)
print(mallinfo().hblks - before, gc.get_freeze_count() > 1_000)
"""


@pytest.mark.parametrize(("asked", "said"), [("flat", "1 True"), ("as it is", "0 False")])
def test_large_pieces_stay_out_of_the_heap(asked: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNT, asked], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == said

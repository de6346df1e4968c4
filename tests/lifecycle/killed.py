"""Runs cloche and kills itself at the k-th call that changes a file system: `python killed.py K ARGUMENT...`.

With K = 0 it prints the number of calls instead.
"""

import errno
import os
import signal
import sys

from cloche.__main__ import main
from cloche.apply import exchange

CALLS = "rename replace link symlink mkdir unlink rmdir chmod utime write".split()
fatal = int(sys.argv[1])
counted = [0]


def counting(original):
    def call(*arguments, **named):
        counted[0] += 1
        if counted[0] == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    return call


# without `exchange`, so that the way with more steps is the one that is killed in
exchange.system_exchange = lambda one, other: errno.ENOSYS
for name in CALLS:
    setattr(os, name, counting(getattr(os, name)))
code = main(sys.argv[2:])
if not fatal:
    sys.stdout.write(f"\n{counted[0]}\n")
sys.exit(code)

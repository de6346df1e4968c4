"""Run cloche and kill it at its K-th call that changes the file system: `python kill_at_call.py K ARGUMENT...`.

With K = 0, nothing is killed, and the last line of the output is the number of such calls.
"""

import errno
import os
import signal
import sys

from cloche.__main__ import main
from cloche.apply import exchange

CALLS = "rename replace link symlink mkdir unlink rmdir chmod utime write".split()
fatal_call = int(sys.argv[1])
calls = 0


def counting(original):
    def call(*arguments, **named):
        global calls
        calls += 1
        if calls == fatal_call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    return call


# Without `exchange`, cloche takes more steps, so there are more points at which it can be killed.
exchange.system_exchange = lambda one, other: errno.ENOSYS
for name in CALLS:
    setattr(os, name, counting(getattr(os, name)))
code = main(sys.argv[2:])
if not fatal_call:
    sys.stdout.write(f"\n{calls}\n")
sys.exit(code)

"""Runs inside the target interpreter (CPython 3.6 and later, PyPy): compiles the files that it is told of.

It imports nothing but the standard library, and never what it compiles. Each line of standard input is the path of a
source file relative to the directory given, a NUL, and the path of its byte-code file; once there are no more, it
answers on standard output with the size, the SHA-256 and the path of every byte-code file that it has made.
"""

import hashlib
import importlib.util
import marshal
import os
import sys


def main(root: str, mtime: int, mode: int) -> None:
    """Compile below `root`, for sources whose time is `mtime` seconds; `mode` of 0 leaves the permissions alone."""
    header = importlib.util.MAGIC_NUMBER
    if sys.hexversion >= 0x3070000:  # PEP 552: no flags, that is, valid while time and size of the source are the same
        header += b"\0\0\0\0"
    header += (mtime & 0xFFFFFFFF).to_bytes(4, "little")
    directory = os.fsencode(root)  # the locale need not be able to say what files are called
    answers = []
    for line in sys.stdin.buffer:
        source, target = line.rstrip(b"\n").split(b"\0")
        with open(os.path.join(directory, source), "rb") as file:
            text = file.read()
        try:
            code = compile(text, os.fsdecode(source.partition(b"/")[2]), "exec", dont_inherit=True)
            data = header + (len(text) & 0xFFFFFFFF).to_bytes(4, "little") + marshal.dumps(code)
        except (SyntaxError, ValueError, RecursionError, OverflowError):
            continue  # it is for another Python, or a test of one
        path = os.path.join(directory, target)
        try:
            os.mkdir(os.path.dirname(path))
        except FileExistsError:
            pass
        with open(path, "xb") as file:
            file.write(data)
        os.utime(path, (mtime, mtime))
        if mode:
            os.chmod(path, mode)
        answers.append(b"%d %s %s\n" % (len(data), hashlib.sha256(data).hexdigest().encode(), target))
    sys.stdout.buffer.write(b"".join(answers) + b"end\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

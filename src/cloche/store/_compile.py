"""A script for the target interpreter (CPython 3.6 and later, PyPy) that compiles the files named on standard input.

It imports only the standard library, and never imports what it compiles. Each line of input has the path of a source file,
a NUL, and the path of its bytecode file, both relative to the given directory. At the end of the input, the script prints
one line for each bytecode file (size, SHA-256, path), then `end`.
"""

import sys

if sys.path and not sys.path[0]:
    del sys.path[0]  # the current directory, unless the interpreter is isolated

import hashlib
import importlib.util
import marshal
import os


def main(root: str, mtime: int, mode: int, validation: str) -> None:
    """Compile files below `root`.

    :param mtime: modification time of the sources and of their bytecode, in seconds.
    :param mode: permission bits of the bytecode files; 0 keeps the default.
    :param validation: `time` or `unchecked-hash` (PEP 552).
    """
    magic = importlib.util.MAGIC_NUMBER
    unchecked = validation == "unchecked-hash"
    flags = b"" if sys.hexversion < 0x3070000 else b"\1\0\0\0" if unchecked else b"\0\0\0\0"
    time = (mtime & 0xFFFFFFFF).to_bytes(4, "little")
    directory = os.fsencode(root)  # file names may not be valid in the encoding of the locale
    results = []
    for line in sys.stdin.buffer:
        source, target = line.rstrip(b"\n").split(b"\0")
        with open(os.path.join(directory, source), "rb") as file:
            text = file.read()
        try:
            code = compile(text, os.fsdecode(source.partition(b"/")[2]), "exec", dont_inherit=True)
            size = (len(text) & 0xFFFFFFFF).to_bytes(4, "little")
            check = importlib.util.source_hash(text) if unchecked else time + size
            data = magic + flags + check + marshal.dumps(code)
        except (SyntaxError, ValueError, RecursionError, OverflowError):
            continue  # source for another version of Python, or test data
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
        results.append(b"%d %s %s\n" % (len(data), hashlib.sha256(data).hexdigest().encode(), target))
    sys.stdout.buffer.write(b"".join(results) + b"end\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])

"""A script for the target interpreter (CPython 3.6 and later, PyPy) that compiles the files named on standard input.

It imports only the standard library, and never imports what it compiles. The input consists of batches, each in three parts,
whose fields are separated by NUL:

- a line with the directory (in hexadecimal), the modification time of the sources and of their bytecode (in seconds), the
  permission bits of the bytecode files (0 keeps the default), and `time` or `unchecked-hash` (PEP 552);
- for each module, a line with the path of the source file, the path of its bytecode file, both relative to the directory, and
  the name of the module's file in tracebacks;
- the line `end`.

Then the script prints one line for each bytecode file of the batch (size, SHA-256, path), and `end`. It ends when the input
does, so it does not outlive cloche.

The bytecode depends only on the interpreter, the source and the name of its file, and ends with a seal, which says so (see
`cloche.store.bytecode`).
"""

import sys

if sys.path and not sys.path[0]:
    del sys.path[0]  # the current directory

import hashlib
import importlib.util
import marshal
import os
import types

SUPPORTS_HASHES = sys.hexversion >= 0x3070000
"""Whether bytecode can have the hash of its source (PEP 552)."""

ATTRIBUTES = (
    "co_code co_consts co_names co_varnames co_freevars co_cellvars co_filename co_name co_qualname co_exceptiontable"
).split()
ATTRIBUTES.append("co_lnotab" if sys.hexversion < 0x30A0000 else "co_linetable")


def parts(code):  # type: (types.CodeType) -> list[object]
    """Return a code object and everything in it that `marshal` writes, once for each reference."""
    found = [code]  # type: list[object]
    for item in found:
        if isinstance(item, types.CodeType):
            found += [getattr(item, name, None) for name in ATTRIBUTES]
        elif isinstance(item, (tuple, frozenset)):
            found += item
        elif isinstance(item, slice):
            found += (item.start, item.stop, item.step)
    return found


def has_equal_sets(found):  # type: (list[object]) -> bool
    """Return whether a module has the same set of constants more than once."""
    sets = [item for item in found if isinstance(item, frozenset)]
    return len(set(sets)) < len(sets)


def marshalled(text, name):  # type: (bytes, str) -> bytes
    """Compile a module; return what depends on nothing but its source and name.

    Three things would depend on what the process has compiled before. `marshal` writes an object in another way if there are
    references to it from elsewhere, so here is a reference to everything. In PyPy, it writes an interned string in another
    way, so all are interned. And CPython shares equal sets, unless they have strings that were interned before. So a module
    with equal sets is compiled again, when all its strings are interned.
    """
    code = compile(text, name, "exec", dont_inherit=True)
    held = parts(code)
    if has_equal_sets(held):
        code = compile(text, name, "exec", dont_inherit=True)
        held += parts(code)
    if sys.implementation.name == "pypy":  # a module in the list makes it a list of objects
        held += [sys, *(sys.intern(item) for item in held if isinstance(item, str))]
    return marshal.dumps(code)


def main(compiler: str) -> None:
    """Compile batches until the input ends.

    :param compiler: what else decides the bytecode, for the seals.
    """
    magic = importlib.util.MAGIC_NUMBER
    results = []  # type: list[bytes]
    for line in iter(sys.stdin.buffer.readline, b""):
        if not line.endswith(b"\n"):
            break  # cloche was killed while it was writing
        fields = line[:-1].split(b"\0")
        if fields == [b"end"]:
            sys.stdout.buffer.write(b"".join(results) + b"end\n")
            sys.stdout.buffer.flush()
            results = []
            continue
        if len(fields) == 4:
            directory = bytes.fromhex(fields[0].decode())  # may not be valid in the encoding of the locale
            mtime, mode, unchecked = int(fields[1]), int(fields[2]), fields[3] == b"unchecked-hash"
            flags = b"" if not SUPPORTS_HASHES else b"\1\0\0\0" if unchecked else b"\0\0\0\0"
            time = (mtime & 0xFFFFFFFF).to_bytes(4, "little")
            continue
        source, target, name = fields
        with open(os.path.join(directory, source), "rb") as file:
            text = file.read()
        try:
            body = marshalled(text, os.fsdecode(name))
        except (SyntaxError, ValueError, RecursionError, OverflowError):
            continue  # source for another version of Python, or test data
        check = time + (len(text) & 0xFFFFFFFF).to_bytes(4, "little")
        seal = b""
        if SUPPORTS_HASHES:
            source_hash = importlib.util.source_hash(text)
            sealed = b"\0".join((os.fsencode(compiler), name, hashlib.sha256(text).digest() + source_hash + body))
            seal = source_hash + hashlib.sha256(sealed).digest()
            if unchecked:
                check = source_hash
        data = magic + flags + check + body + seal
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


if __name__ == "__main__":
    main(sys.argv[1])

"""A script for an interpreter (CPython 3.6 and later, PyPy) that compares bytecode files with what their sources compile to.

It imports only the standard library, and runs none of the code. Each line of input has the path of a source file, that of its
bytecode file, the level of optimization and the name of the module's file, separated by NUL. The script answers each with a
line: `same`, `stale`, `other` (for another Python), `different`, or, for the same code that was compiled at another path,
`image` and what precedes the name of the file in that path, in hexadecimal.
"""

import sys

if sys.path and not sys.path[0]:
    del sys.path[0]  # the current directory, unless the interpreter is isolated

import importlib.util
import io
import marshal
import os
import types

ATTRIBUTES = (
    "co_argcount co_posonlyargcount co_kwonlyargcount co_nlocals co_stacksize co_flags co_code co_consts co_names "
    "co_varnames co_freevars co_cellvars co_name co_qualname co_firstlineno co_linetable co_exceptiontable"
).split()
if sys.hexversion < 0x30A0000:
    ATTRIBUTES.append("co_lnotab")


def comparable(item: object, names: "set[str]") -> object:
    """Return a constant as plain data, with the type of each part; add the file names in code objects to `names`."""
    kind = type(item).__name__
    if isinstance(item, types.CodeType):
        names.add(item.co_filename)
        return (kind, [comparable(getattr(item, name, None), names) for name in ATTRIBUTES])
    if isinstance(item, tuple):
        return (kind, [comparable(part, names) for part in item])
    if isinstance(item, frozenset):
        return (kind, sorted(repr(comparable(part, names)) for part in item))
    if isinstance(item, slice):
        return (kind, [comparable(part, names) for part in (item.start, item.stop, item.step)])
    return (kind, repr(item))


def code_strings(code: object) -> "list[bytes]":
    """Return the instructions of a code object and of all inside, as `marshal` writes them, with empty inline caches."""
    if isinstance(code, tuple):
        return [text for item in code for text in code_strings(item)]
    if not isinstance(code, types.CodeType):
        return []
    return [len(code.co_code).to_bytes(4, "little") + code.co_code, *code_strings(code.co_consts)]


def is_seal(rest: bytes, text: bytes) -> bool:
    """Return whether there is nothing after the code, or what cloche writes there (`cloche.store.bytecode`)."""
    return not rest or (len(rest) == 40 and rest[:8] == importlib.util.source_hash(text))


def compare(source: bytes, target: bytes, level: int, name: str) -> str:
    """Compare one bytecode file with what its source compiles to."""
    with open(target, "rb") as file:
        data = file.read()
    with open(source, "rb") as file:
        text = file.read()
        status = os.fstat(file.fileno())
    size = 12 if sys.hexversion < 0x3070000 else 16
    if data[:4] != importlib.util.MAGIC_NUMBER or len(data) < size:
        return "other"
    flags = int.from_bytes(data[4:8], "little") if size == 16 else 0
    if flags == 0:
        numbers = (int(status.st_mtime) & 0xFFFFFFFF, len(text) & 0xFFFFFFFF)
        is_current = data[size - 8 : size] == b"".join(number.to_bytes(4, "little") for number in numbers)
    elif flags in (1, 3):
        is_current = data[8:16] == importlib.util.source_hash(text)
    else:
        return "different"
    if not is_current:
        return "stale"
    stream = io.BytesIO(data[size:])
    try:
        found = marshal.load(stream)
        expected = compile(text, name, "exec", dont_inherit=True, optimize=level)
    except Exception:
        return "different"
    names, ignored = set(), set()  # type: set[str], set[str]
    same = comparable(found, names) == comparable(expected, ignored) and is_seal(data[size + stream.tell() :], text)
    if same and sys.hexversion >= 0x30B0000:  # reading the instructions hides what is in the caches
        codes = code_strings(found)
        same = all(data.count(text) >= codes.count(text) for text in set(codes))
    if not same or len(names) != 1 or not names.pop().replace("\\", "/").endswith(name):
        return "different"
    if found.co_filename == os.fsdecode(source):
        return "same"
    return "image " + os.fsencode(found.co_filename[: -len(name)]).hex()


def main() -> None:
    for line in sys.stdin.buffer:
        source, target, level, name = line.rstrip(b"\n").split(b"\0")
        try:
            verdict = compare(source, target, int(level), os.fsdecode(name))
        except (OSError, RecursionError, MemoryError):
            verdict = "different"
        sys.stdout.write(verdict + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

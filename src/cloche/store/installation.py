"""The operations that lay an image into an environment: its files, its scripts, and the RECORD that lists them all.

A warm run loads this module. It writes nothing; it reads the image's own records, which hold all that is the same in
every environment.
"""

from __future__ import annotations

import os

from cloche.apply.file_list import read_file_list
from cloche.errors import SeedError
from cloche.fs.files import read_plain
from cloche.model.operations import InstallTree, MakeDir, Write
from cloche.model.value import TYPE_CHECKING
from cloche.shells.template import render, resource
from cloche.store.check import sealed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from hashlib import sha256

    from cloche.model.distribution import EntryPoint, Image
    from cloche.model.environment import Environment
    from cloche.model.operations import Operation
else:
    try:  # what `hashlib` wraps, 3 ms earlier
        from _sha2 import sha256
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha256

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

SHEBANG_LIMIT = 127
"""Most bytes of a script's first line, newline included, that Linux reads (255 since 5.1, but kernels live long)."""

SHEBANG_LIMIT_MACOS = 512


def operations(image: Image, environment: Environment) -> list[Operation]:
    """Return the operations that lay `image` into `environment`; what a creator makes (`bin`, site-packages) is there.

    :raises SeedError: it has a file where the environment has one of its own.
    :raises OSError, ValueError: the image is gone or damaged; whoever checked it before may have it built again.
    """
    layout = environment.layout
    places = {
        "purelib": layout.purelib,
        "platlib": layout.platlib,
        "scripts": layout.bin,
        "headers": _headers_place(image, environment),
        "data": ".",
    }
    own = sealed(image.root)
    found = {name.removesuffix(".manifest") for name in own if name.endswith(".manifest")}
    trees = [tree for tree in places if tree in found]
    in_platlib = "platlib" in found and os.path.isdir(f"{image.root}/platlib/{image.dist_info}")
    site = layout.platlib if in_platlib else layout.purelib

    done: list[Operation] = []
    rows: list[str] = []
    for tree in trees:
        place = places[tree]
        if tree == "headers":
            parts = place.split("/")
            done += [MakeDir("/".join(parts[: end + 1])) for end in range(len(parts))]
        files, size = (image.files, image.size) if len(trees) == 1 else _measure(image.root, tree)
        done.append(InstallTree(place, f"{image.root}/{tree}", f"{image.root}/{tree}.manifest", files, size))
        record = read_plain(f"{image.root}/{tree}.record").decode("utf-8")
        rows.append(record if place == site else _moved(record, _relative(place, site)))
    up = _relative(layout.bin, site)
    scripts = dict(_scripts(image, [name for name in own if name.startswith("shebangs/")], environment))
    if found & {"scripts", "data"}:
        _check_collisions(image, found, environment, scripts)
    for name, content in scripts.items():
        done.append(Write(f"{layout.bin}/{name}", content, executable="yes"))
        rows.append(f"{_field(f'{up}/{name}')},sha256={_digest(content)},{len(content)}\n")
    rows.append(f"{image.dist_info}/RECORD,,\n")
    done.append(Write(f"{site}/{image.dist_info}/RECORD", "".join(rows).encode("utf-8")))
    return done


def script_names(entry_points: tuple[EntryPoint, ...], version: str) -> dict[str, EntryPoint]:
    """Return the scripts to be made, by name; those that name a Python's version are given that of the target.

    `pip3.7`, declared beside `pip` for the same function, stands for `pip3.12` in an environment of 3.12, and `pip3`
    for `pip3` and `pip3.12`; `easy_install-3.6` likewise. A name that only happens to end in a digit is left alone. An
    empty `version` leaves every name as it was declared.
    """
    declared = {point.name: point for point in entry_points}
    names: dict[str, EntryPoint] = {}
    for name, point in declared.items():
        stem = name.rstrip("0123456789.")
        base = declared.get(stem.rstrip("-"))
        same = base is not None and (base.module, base.attribute) == (point.module, point.attribute)
        if not version or stem == name or not same:
            names[name] = point
            continue
        names[stem + version] = point
        if "." not in name[len(stem) :]:
            names[stem + version.partition(".")[0]] = point
    return names


CODING = b"# -*- coding: utf-8 -*-\n"


def first_lines(python: str, platform: str, coding: bytes = CODING) -> bytes:
    """Return what makes a POSIX system run the rest of a file with the interpreter at the absolute path `python`.

    The kernel splits the first line at white space and cuts it off, and Python refuses one that is not UTF-8. A path
    that cannot stand there is left to `sh`: the lines are a shell script that replaces itself, and to Python a string
    that nobody uses.
    """
    path = python.encode("utf-8", "surrogateescape")
    limit = SHEBANG_LIMIT_MACOS if platform == "darwin" else SHEBANG_LIMIT
    if len(path) + 3 <= limit and len(path.split()) == 1 and path == path.strip() and _is_text(python):
        return b"#!" + path + b"\n" + coding
    return b'#!/bin/sh\n%s""":"\nexec %s "$0" "$@"\n"""\n' % (coding, _shell_word(python))


def finding_lines(name: str, coding: bytes = CODING) -> bytes:
    """Return what runs the rest of a file with the interpreter called `name` that lies beside it, wherever that is.

    As `first_lines` has it for `sh`, but the path is found when the script starts: from the name that it was called by
    and, where that is a link, through `readlink`. `--` is for a relative path that begins with a dash.
    """
    text = render(resource(__name__, "relocatable.sh"), {"EXECUTABLE": name}, str)
    return b"#!/bin/sh --\n" + coding + text.encode()


def _start(environment: Environment, coding: bytes = CODING) -> bytes:
    """Return the first lines of a script on POSIX."""
    executable = environment.layout.executable
    if environment.placement == "relocatable":
        return finding_lines(executable.rpartition("/")[2], coding)
    platform = environment.interpreter.platform if environment.interpreter else ""
    return first_lines(environment.place(executable), platform, coding)


def entry_point_script(name: str, point: EntryPoint, environment: Environment) -> tuple[str, bytes]:
    """Return file name and content of the script that runs an entry point with the environment's Python."""
    if environment.os_name == "nt":
        from cloche.store.launchers import launcher

        return f"{name}.exe", launcher(environment.interpreter, _launched(environment), point.kind, _body(point))
    return name, _start(environment) + _body(point)


def _launched(environment: Environment) -> str:
    """Return the Python that a launcher starts: its absolute path, or where it is seen from the launcher."""
    if environment.placement == "relocatable":
        from cloche.store.launchers import BESIDE

        return BESIDE + environment.layout.executable.rpartition("/")[2]
    return environment.place(environment.layout.executable)


def _scripts(image: Image, waiting: list[str], environment: Environment) -> Iterator[tuple[str, bytes]]:
    """Yield what only this environment has: the scripts that are declared, and those that wait for their first line."""
    interpreter = environment.interpreter
    version = interpreter.python_version if interpreter else ""
    for name, point in script_names(image.entry_points, version).items():
        yield entry_point_script(name, point, environment)
    for path in waiting:
        name = path.partition("/")[2]
        if environment.os_name == "nt":
            from cloche.store.launchers import launcher

            kind, rest = _split_script(read_plain(f"{image.root}/{path}"))
            yield f"{name.removesuffix('.py')}.exe", launcher(interpreter, _launched(environment), kind, rest)
            continue
        _, rest = _split_script(read_plain(f"{image.root}/{path}"))
        line, _, after = rest.partition(b"\n")
        if line.startswith(b"#") and b"coding" in line:  # it counts in the first two lines only (PEP 263)
            yield name, _start(environment, line + b"\n") + after
        else:
            yield name, _start(environment, b"") + rest


def _body(point: EntryPoint) -> bytes:
    """Return the program that calls an entry point; the guard is for `multiprocessing`, which imports it again."""
    return (
        "import sys\n"
        f"from {point.module} import {point.attribute.partition('.')[0]}\n"
        'if __name__ == "__main__":\n'
        '    if sys.argv[0].endswith(".exe"):\n'
        "        sys.argv[0] = sys.argv[0][:-4]\n"
        f"    sys.exit({point.attribute}())\n"
    ).encode()


def _split_script(content: bytes) -> tuple[str, bytes]:
    """Return whether a script of a wheel is a `console` or `gui` one, and what follows its first line."""
    first, _, rest = content.partition(b"\n")
    return ("gui" if first.startswith(b"#!pythonw") else "console"), rest


def _shell_word(path: str) -> bytes:
    """Return a path as one word of `sh` that can stand in a Python string of three double quotes.

    Inside double quotes the backslash and the quote itself are escaped in the same way by both. `$` and the backquote
    go into single quotes, as Python knows no escape for them, and bytes that are not UTF-8 are printed from their
    octal numbers, which mean the same to both. No three double quotes ever meet.
    """
    word = b""
    for kind, piece in _runs(path):
        if kind == "expanded":
            word += f"'{piece}'".encode()
        elif kind == "binary":
            octal = "".join(f"\\{byte:03o}" for byte in piece.encode("utf-8", "surrogateescape"))
            word += f"\"$(printf '{octal}')\"".encode()
        else:
            escaped = piece.replace("\\", "\\\\").replace('"', '\\"')
            word += f'"{escaped}"'.encode()
    return word


def _runs(path: str) -> Iterator[tuple[str, str]]:
    """Yield the longest parts of a path that a shell would expand, that are bytes and no text, and that are neither."""
    kinds = ["expanded" if one in "$`" else "text" if _is_text(one) else "binary" for one in path]
    start = 0
    for end in range(1, len(path) + 1):
        if end == len(path) or kinds[end] != kinds[start]:
            yield kinds[start], path[start:end]
            start = end


def _is_text(path: str) -> bool:
    """Whether a path is UTF-8 on disk: Python has a lone surrogate for each byte that is not (PEP 383)."""
    return not any("\ud800" <= character <= "\udfff" for character in path)


def _headers_place(image: Image, environment: Environment) -> str:
    """Return where the headers of a distribution go: below the environment's own, as pip has it."""
    interpreter = environment.interpreter
    python = f"python{interpreter.python_version}" if interpreter else environment.layout.include.rpartition("/")[2]
    return f"{environment.layout.include.partition('/')[0]}/site/{python}/{image.distribution}"


def _check_collisions(image: Image, trees: set[str], environment: Environment, scripts: dict[str, bytes]) -> None:
    """Refuse a wheel that brings a file which the environment has of its own, its Python or configuration say."""
    layout = environment.layout
    taken = {layout.config, layout.executable, *(f"{layout.bin}/{name}" for name in (*layout.names, *scripts))}
    folded = {path.casefold() for path in taken}
    for tree, prefix in (("scripts", f"{layout.bin}/"), ("data", "")):
        if tree in trees:
            for name in read_file_list(f"{image.root}/{tree}.manifest").paths:
                path = prefix + name
                if path.casefold() in folded:
                    raise SeedError(
                        f"`{image.distribution}` {image.version} brings a file `{path}` of the environment's own",
                        hint="leave it out of the seeds, and install it with pip if you trust it",
                    )


def _measure(root: str, tree: str) -> tuple[int, int]:
    """Return number and total size of a tree's files."""
    sizes = read_file_list(f"{root}/{tree}.manifest").sizes
    return len(sizes), sum(sizes)


def _moved(record: str, prefix: str) -> str:
    """Return rows of a RECORD whose paths start one directory further away."""
    rows = record.splitlines(keepends=True)
    return "".join(f'"{prefix}/{row[1:]}' if row.startswith('"') else f"{prefix}/{row}" for row in rows)


def _relative(path: str, start: str) -> str:
    """Return how to get from directory `start` to `path`, both relative to the root and written with `/`."""
    there, here = path.split("/") if path != "." else [], start.split("/")
    same = 0
    while same < min(len(there), len(here)) and there[same] == here[same]:
        same += 1
    return "/".join([*[".."] * (len(here) - same), *there[same:]])


def _field(path: str) -> str:
    """Return a path as a field of a RECORD, which is CSV."""
    doubled = path.replace('"', '""')
    return f'"{doubled}"' if "," in path or '"' in path else path


def sha256_of(content: bytes) -> str:
    """Return the hash of a content in hexadecimal, by the cheapest module that has it."""
    return sha256(content).hexdigest()


def _digest(content: bytes) -> str:
    """Return the hash of a file as RECORD has it: URL-safe base64 without padding.

    Spelled out for three files a run, since `binascii` loads zlib: half a millisecond.
    """
    number = int.from_bytes(sha256(content).digest() + b"\0", "big")  # 264 bits, 44 digits, the last is padding
    return "".join(BASE64[number >> place & 63] for place in range(258, 0, -6))

"""The operations that install an image: its files, its scripts, and the RECORD that lists them all.

A warm run loads this module, which writes nothing. It reads the records in the image, which contain all rows that are the
same in every environment.
"""

from __future__ import annotations

import os

from cloche.apply.file_list import read_file_list
from cloche.fs import is_unicode, read_regular_file
from cloche.fs.records import digest_of, format_row, prefix_rows, remove_rows
from cloche.model.environment import as_written
from cloche.model.operations import InstallTree, MakeDir, Write
from cloche.model.value import TYPE_CHECKING
from cloche.shells.template import render, resource
from cloche.store.check import FILE_LIST_SUFFIX, own_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.distribution import EntryPoint, Image
    from cloche.model.environment import Environment
    from cloche.model.operations import Operation

SHEBANG_LIMIT = 127
"""Maximum length of a shebang line on Linux in bytes, with the newline (255 since 5.1, but older kernels are still in use)."""

SHEBANG_LIMIT_MACOS = 512


def image_operations(image: Image, environment: Environment) -> list[Operation]:
    """Return the operations that install an image in an environment whose `bin` and `site-packages` directories exist.

    :raises SeedError: the image contains a file that belongs to the environment itself, or that Windows cannot have.
    :raises OSError, ValueError: the image was removed or damaged since it was checked.
    """
    layout = environment.layout
    directories = tree_directories(image, environment)
    own = own_files(image.root)
    found = {name.removesuffix(FILE_LIST_SUFFIX) for name in own if name.endswith(FILE_LIST_SUFFIX)}
    trees = [tree for tree in directories if tree in found]
    in_platlib = "platlib" in found and os.path.isdir(f"{image.root}/platlib/{image.dist_info}")
    site = layout.platlib if in_platlib else layout.purelib

    operations: list[Operation] = []
    rows: list[str] = []
    for tree in trees:
        directory = directories[tree]
        if tree == "headers":
            parts = directory.split("/")
            operations += [MakeDir("/".join(parts[: end + 1])) for end in range(len(parts))]
        files, size = (image.files, image.size) if len(trees) == 1 else _count_and_size(image.root, tree)
        record = read_regular_file(f"{image.root}/{tree}.record").decode("utf-8")
        without = tuple(path.partition("/")[2] for path in image.left_out if path.startswith(f"{tree}/"))
        if without:
            record = remove_rows(record, frozenset(without))
            files -= len(without)
        operations.append(
            InstallTree(
                directory, f"{image.root}/{tree}", f"{image.root}/{tree}{FILE_LIST_SUFFIX}", files, size, without
            )
        )
        rows.append(record if directory == site else prefix_rows(record, _relative_path(directory, site)))
    up = _relative_path(layout.bin, site)
    shebang_scripts = [name for name in own if name.startswith("shebangs/")]
    scripts = dict(_own_scripts(image, shebang_scripts, environment))
    if found & {"scripts", "data"} or environment.os_name == "nt":
        from cloche.store.refused_files import refuse_unusable_files

        refuse_unusable_files(image, trees, environment, scripts)
    for name, content in scripts.items():
        parts = name.split("/")
        operations += (MakeDir("/".join((layout.bin, *parts[:count]))) for count in range(1, len(parts)))
        operations.append(Write(f"{layout.bin}/{name}", content, executable="yes"))
        rows.append(format_row(f"{up}/{name}", digest_of(content), len(content)))
    for name, text in image.metadata:
        content = text.encode("utf-8")
        operations.append(Write(f"{site}/{image.dist_info}/{name}", content))
        rows.append(format_row(f"{image.dist_info}/{name}", digest_of(content), len(content)))
    rows.append(format_row(f"{image.dist_info}/RECORD"))
    operations.append(Write(f"{site}/{image.dist_info}/RECORD", "".join(rows).encode("utf-8")))
    return operations


def tree_directories(image: Image, environment: Environment) -> dict[str, str]:
    """Return the directory in an environment for each tree that an image can have, relative to the root."""
    layout = environment.layout
    return {
        "purelib": layout.purelib,
        "platlib": layout.platlib,
        "scripts": layout.bin,
        "headers": _headers_directory(image, environment),
        "data": ".",
    }


def _headers_directory(image: Image, environment: Environment) -> str:
    """Return the directory for the headers of a distribution: below the environment's own, as pip does."""
    interpreter = environment.interpreter
    python = f"python{interpreter.python_version}" if interpreter else environment.layout.include.rpartition("/")[2]
    return f"{environment.layout.include.partition('/')[0]}/site/{python}/{image.distribution}"


def script_names(entry_points: tuple[EntryPoint, ...], version: str) -> dict[str, EntryPoint]:
    """Return the scripts to create, by name. A version in a name is replaced by that of the target.

    `pip3.7`, declared beside `pip` for the same function, becomes `pip3.12` in an environment of 3.12, and `pip3` becomes
    `pip3` and `pip3.12`; `easy_install-3.6` likewise. A name that only happens to end in a digit is kept. If `version` is
    empty, every name is kept as declared.
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


UNFIT_FOR_SHEBANG = frozenset(" \t\n\r\x0b\x0c'\"\\")
"""Characters that some program does not read literally in the first line of a script."""


def shebang_lines(python: str, platform: str, coding: bytes = CODING) -> bytes:
    """Return the first lines of a script that a POSIX system runs with the interpreter at the absolute path `python`.

    The kernel splits the first line at white space and truncates it, Python rejects one that is not UTF-8, and xonsh
    removes quotes and backslashes. For a path that does not fit, the lines are a shell script that executes Python, and
    to Python an unused string.
    """
    if fits_shebang(python, platform):
        return f"#!{python}\n".encode() + coding
    from cloche.shells.posix import quote_for_python_too

    return b'#!/bin/sh\n%s""":"\nexec %s "$0" "$@"\n"""\n' % (coding, quote_for_python_too(python).encode())


def fits_shebang(program: str, platform: str, arguments: str = "") -> bool:
    """Return whether the first line of a script can name a program, for all programs that read that line."""
    if UNFIT_FOR_SHEBANG.intersection(program) or not is_unicode(program):
        return False
    line = f"#!{program} {arguments}".rstrip() + "\n"
    limit = SHEBANG_LIMIT_MACOS if platform == "darwin" else SHEBANG_LIMIT
    return len(line.encode("utf-8", "surrogateescape")) <= limit


def relocatable_shebang_lines(name: str, coding: bytes = CODING) -> bytes:
    """Return the first lines of a script that runs with the interpreter called `name` in the script's own directory.

    Like the lines for `sh` in `shebang_lines`, but the path is found when the script starts: from the path by which it was
    called and, if that is a link, through `readlink`. `--` is needed for a relative path that begins with a dash.
    """
    text = render(resource(__name__, "relocatable.sh"), {"EXECUTABLE": name}, str)
    return b"#!/bin/sh --\n" + coding + text.encode()


def _shebang(environment: Environment, coding: bytes = CODING) -> bytes:
    """Return the first lines of a script on POSIX."""
    executable = environment.layout.executable
    if environment.placement == "relocatable":
        return relocatable_shebang_lines(executable.rpartition("/")[2], coding)
    platform = environment.interpreter.platform if environment.interpreter else ""
    return shebang_lines(as_written(environment.path_to(executable)), platform, coding)


def entry_point_script(name: str, point: EntryPoint, environment: Environment) -> tuple[str, bytes]:
    """Return file name and content of the script that runs an entry point with the environment's Python."""
    if environment.os_name == "nt":
        from cloche.store.script_executables import build_launcher

        return f"{name}.exe", build_launcher(
            environment.interpreter, _launcher_python(environment), point.kind, _script_body(point)
        )
    return name, _shebang(environment) + _script_body(point)


def _launcher_python(environment: Environment) -> str:
    """Return the Python that a launcher starts: its absolute path, or its path relative to the launcher."""
    if environment.placement == "relocatable":
        from cloche.store.script_executables import LAUNCHER_DIRECTORY

        return LAUNCHER_DIRECTORY + environment.layout.executable.rpartition("/")[2]
    return environment.path_to(environment.layout.executable)


def _own_scripts(image: Image, shebang_scripts: list[str], environment: Environment) -> Iterator[tuple[str, bytes]]:
    """Yield the scripts that depend on the environment: entry points, and scripts that need a shebang line."""
    interpreter = environment.interpreter
    version = interpreter.python_version if interpreter else ""
    for name, point in script_names(image.entry_points, version).items():
        if f"scripts/{name}" not in image.left_out:
            yield entry_point_script(name, point, environment)
    for path in shebang_scripts:
        name = path.partition("/")[2]
        if f"scripts/{name}" in image.left_out:
            continue
        if environment.os_name == "nt":
            from cloche.store.script_executables import build_launcher

            kind, rest = _split_script(read_regular_file(f"{image.root}/{path}"))
            yield (
                f"{name.removesuffix('.py')}.exe",
                build_launcher(interpreter, _launcher_python(environment), kind, rest),
            )
            continue
        _, rest = _split_script(read_regular_file(f"{image.root}/{path}"))
        line, _, after = rest.partition(b"\n")
        if line.startswith(b"#") and b"coding" in line:  # valid only in the first two lines (PEP 263)
            yield name, _shebang(environment, line + b"\n") + after
        else:
            yield name, _shebang(environment, b"") + rest


def _script_body(point: EntryPoint) -> bytes:
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
    """Return the kind of a wheel's script, `console` or `gui`, and its content after the first line."""
    first, _, rest = content.partition(b"\n")
    return ("gui" if first.startswith(b"#!pythonw") else "console"), rest


def _count_and_size(root: str, tree: str) -> tuple[int, int]:
    """Return the number and total size in bytes of a tree's files."""
    sizes = read_file_list(f"{root}/{tree}{FILE_LIST_SUFFIX}").sizes
    return len(sizes), sum(sizes)


def _relative_path(path: str, start: str) -> str:
    """Return `path` relative to the directory `start`; both are relative to the root, with `/`."""
    parts, start_parts = path.split("/") if path != "." else [], start.split("/")
    common = 0
    while common < min(len(parts), len(start_parts)) and parts[common] == start_parts[common]:
        common += 1
    return "/".join([*[".."] * (len(start_parts) - common), *parts[common:]])

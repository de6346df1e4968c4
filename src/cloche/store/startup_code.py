"""Code that runs whenever Python starts: `import` lines in `.pth` files, `.start` files, and the modules that `site` imports.

Everything here follows the `site` module of the Python that the files are for, from 3.6 to 3.15 (PEP 829). Nothing is run.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from cloche.errors import SeedError, UsageError
from cloche.model.distribution import StartupCode
from cloche.model.metadata import normalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloche.model.aliases import StartupPolicy, StartupRule
    from cloche.model.distribution import Image

MODULES = ("sitecustomize", "usercustomize")
"""Modules that `site` imports if they exist."""

MODULE_SUFFIXES = (".py", ".pyc", ".so", ".pyd")

POLICIES: tuple[StartupPolicy, ...] = ("allow", "list", "refuse")

MAX_TEXT = 200
"""The number of characters of a line that are kept. Lines that hide something are often very long."""


def find_startup_code(files: Mapping[str, bytes], version: Sequence[object]) -> Iterator[StartupCode]:
    """Yield the startup code in the files of one `site-packages`.

    :param files: by path relative to the directory; only files for which `is_startup_file` is true matter.
    :param version: the version of the Python: `(3, 12)`, possibly with more parts.
    """
    directories = {""}
    for path in sorted(files):
        if "/" in path or not is_read_by_site(path, version):
            continue
        replaced = path.endswith(".pth") and f"{path[:-4]}.start" in files and is_at_least(version, 15)
        for number, line in enumerate(startup_lines(path, files[path], version), 1):
            if not line:
                continue
            if path.endswith(".start") or is_import_line(line):
                if not replaced and (path.endswith(".start") or not is_at_least(version, 18)):
                    yield StartupCode(path, number, shorten_line(line))
            else:
                directories.add(added_directory(line))
    for path in sorted(files):
        parent, _, name = path.rpartition("/")
        if name.startswith("__init__."):
            parent, _, name = parent.rpartition("/")
        if is_module_file(path) and parent in directories:
            yield StartupCode(path, 0, "")


def is_import_line(line: str) -> bool:
    """Return whether `site` executes a line of a `.pth` file, instead of adding it to the search path."""
    return line.startswith(("import ", "import\t"))


def added_directory(line: str) -> str:
    """Return the directory that a line of a `.pth` file adds to the search path, relative to `site-packages` if possible."""
    directory = posixpath.normpath(line.rstrip().replace("\\", "/"))
    return "" if directory == "." else directory


def is_at_least(version: Sequence[object], minor: int) -> bool:
    """Return whether a version of Python is 3.`minor` or later."""
    return tuple(version[:2]) >= (3, minor)


def is_read_by_site(name: str, version: Sequence[object]) -> bool:
    """Return whether `site` reads a file in `site-packages`. Hidden files count up to 3.12: early releases read them."""
    if name.startswith(".") and is_at_least(version, 13):
        return False
    return name.endswith(".pth") or (name.endswith(".start") and is_at_least(version, 15))


def is_startup_file(path: str) -> bool:
    """Return whether a file, relative to `site-packages`, may contain or be startup code."""
    return ("/" not in path and path.endswith((".pth", ".start"))) or is_module_file(path)


def is_module_file(path: str) -> bool:
    """Return whether a file is one of the modules that `site` imports, in any directory."""
    parent, _, name = path.rpartition("/")
    if name.startswith("__init__."):
        name = f"{parent.rpartition('/')[2]}{name.removeprefix('__init__')}"
    return name.partition(".")[0] in MODULES and name.endswith(MODULE_SUFFIXES) and "__pycache__" not in parent


def startup_lines(path: str, content: bytes, version: Sequence[object]) -> Iterator[str]:
    """Yield the lines of a `.pth` or `.start` file as `site` sees them; comments and empty lines are empty."""
    text = decode(content, version)
    if text is None:
        if path.endswith(".start"):
            return  # ignored as a whole
        text = content.decode("latin-1")  # in the encoding of the locale, which the user may change
    for line in split_lines(text, version):
        stripped = line.strip() if is_at_least(version, 15) else line
        yield "" if stripped.startswith("#") or not stripped.strip() else stripped


def decode(content: bytes, version: Sequence[object]) -> str | None:
    """Return the text of a file; None if it is not UTF-8. Before 3.13, a byte order mark is part of the first line."""
    try:
        return content.decode("utf-8-sig" if is_at_least(version, 13) else "utf-8")
    except UnicodeDecodeError:
        return None


def split_lines(text: str, version: Sequence[object]) -> list[str]:
    """Return the lines of a `.pth` file. Since 3.13, `site` also splits at other characters than line breaks."""
    return text.splitlines() if is_at_least(version, 13) else re.split(r"\r\n?|\n", text)


def shorten_line(line: str) -> str:
    line = line.rstrip()
    return line if len(line) <= MAX_TEXT else f"{line[:MAX_TEXT]}…"


# Files in a wheel

SITE_DIRECTORY = re.compile(
    r"(?P<site>(?:.*/)?(?:site|dist)-packages|lib(?:64)?/(?:python|pypy)[\d.]+t?)/(?P<path>.+)", re.IGNORECASE
)
"""A path in the `data` directory of a wheel that is installed where Python looks for modules."""


def path_in_site(tree: str, path: str) -> tuple[str, str]:
    """Return the `site-packages` that a file of a wheel is installed in, and its path there; two empty strings if in none.

    The directory is empty for that of the environment itself.
    """
    if tree in ("purelib", "platlib"):
        return "", path
    match = SITE_DIRECTORY.fullmatch(posixpath.normpath(path)) if tree == "data" else None
    return (match["site"], match["path"]) if match else ("", "")


def startup_code_of_wheel(files: Mapping[tuple[str, str], bytes], version: Sequence[object]) -> Iterator[StartupCode]:
    """Yield the startup code of a wheel.

    :param files: the content of files by (tree, path).
    """
    sites: dict[str, dict[str, bytes]] = {}
    for (tree, path), content in files.items():
        site, inside = path_in_site(tree, path)
        sites.setdefault(site, {})[inside] = content
    for site in sorted(sites):
        for code in find_startup_code(sites[site], version):
            yield StartupCode(f"{site}/{code.path}" if site else code.path, code.line, code.text)


def without_files(codes: Iterable[StartupCode], members: Iterable[str]) -> tuple[StartupCode, ...]:
    """Return startup code without that in some files, given as (`tree/path`)."""
    left_out = frozenset(members)
    return tuple(
        code for code in codes if not any(f"{tree}/{code.path}" in left_out for tree in ("purelib", "platlib", "data"))
    )


# The policy


class StartupCodeRefused(SeedError):
    """The user refuses a package, because it runs code whenever Python starts."""


def parse_policy(values: Iterable[str], name: str = "startup-code") -> StartupRule:
    """Return the policy that some words choose, and the packages that are exempt from it.

    :param values: one of `POLICIES`, or the names of the packages that may have startup code.
    :param name: what the user calls the setting.
    :raises UsageError: a word is neither, or they contradict each other.
    """
    words = [word.strip() for word in values]
    chosen = [policy for policy in POLICIES if policy in words]
    if chosen and len(set(words)) > 1:
        raise UsageError(
            f"`{name}` combines `{chosen[0]}` with other values",
            hint="choose `allow`, `list` or `refuse`, or name the packages that may run code",
        )
    for word in words:
        if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", word):
            raise UsageError(
                f"`{name}` contains `{word}`, which is not the name of a package",
                hint="choose `allow`, `list` or `refuse`, or name the packages that may run code",
            )
    if chosen:
        return chosen[0], ()
    return ("refuse", tuple(sorted(map(normalize_name, words)))) if words else ("list", ())


def refuse_startup_code(images: Iterable[Image], allowed: Sequence[str]) -> None:
    """Refuse images of packages that run code whenever Python starts.

    :param allowed: the packages that may, normalized.
    :raises StartupCodeRefused: another one does.
    """
    refuse_packages(
        {image.distribution: (image.version, image.startup_code[0]) for image in images if image.startup_code}, allowed
    )


def refuse_packages(packages: Mapping[str, tuple[str, StartupCode]], allowed: Sequence[str]) -> None:
    """Refuse packages that run code whenever Python starts.

    :param packages: the version of each, and a place with startup code, by normalized name.
    :param allowed: the packages that may, normalized.
    :raises StartupCodeRefused: another one does.
    """
    found = [name for name in packages if name not in allowed]
    if not found:
        return
    version, code = packages[found[0]]
    more = "" if len(found) == 1 else f" (so do {', '.join(found[1:])})"
    options = " ".join(f"--startup-code {name}" for name in sorted({*allowed, *found}))
    raise StartupCodeRefused(
        f"`{found[0]}` {version} runs code whenever Python starts: {describe(code)}{more}",
        hint=f"if you trust it, allow it with `{options}`; otherwise leave the package out",
    )


def describe(code: StartupCode) -> str:
    """Return where startup code is, for display."""
    return f"`{code.path}`, line {code.line}" if code.line else f"`{code.path}`"

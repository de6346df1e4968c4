"""The built-in plugin: it lists every built-in component without loading any of them."""

from __future__ import annotations

from cloche.model.options import PORTABLE_OPTIONS
from cloche.plugins.hookspecs import Descriptor, hookimpl

PACKAGE = "cloche.builtin"


def descriptors(kind: str, attribute: str, *named: tuple[str, str]) -> list[Descriptor]:
    """Return a descriptor for each (name, summary); the module has the same name, with `_` for `-` and `.`."""
    return [
        Descriptor(name, f"{PACKAGE}.{kind}.{name.replace('-', '_').replace('.', '_')}:{attribute}", summary)
        for name, summary in named
    ]


@hookimpl
def cloche_finders() -> list[Descriptor]:
    """Return the finders in search order."""
    return descriptors(
        "finders",
        "finder",
        ("current", "the Python that runs cloche"),
        ("path", "the directories on PATH"),
        ("pyenv", "versions installed by pyenv"),
        ("uv", "versions installed by uv"),
        ("mise", "versions installed by mise"),
        ("asdf", "versions installed by asdf"),
        ("conda", "base environments of conda, mamba and similar tools"),
        ("homebrew", "versions installed by Homebrew"),
        ("python.org", "framework builds from python.org on macOS"),
        ("windows-registry", "versions in the Windows registry (PEP 514)"),
        ("windows-store", "versions installed from the Microsoft Store"),
    )


@hookimpl
def cloche_creators() -> list[Descriptor]:
    return [
        *descriptors(
            "creators",
            "creator",
            ("symlink", "links to the base interpreter"),
            ("copy", "copies the executable and the libraries that it needs to start"),
            ("venv", "runs the interpreter's own `venv` module"),
        ),
        Descriptor(
            "portable",
            f"{PACKAGE}.creators.portable:creator",
            "contains the interpreter and its standard library",
            options=PORTABLE_OPTIONS,
        ),
    ]


@hookimpl
def cloche_seeders() -> list[Descriptor]:
    return descriptors(
        "seeders",
        "seeder",
        ("pip", "pip and the requested packages, without downloading them if possible"),
        ("lock", "the packages of a lock file, and nothing else"),
    )


@hookimpl
def cloche_activators() -> list[Descriptor]:
    activators = f"{PACKAGE}.activators"
    return [
        Descriptor("bash", f"{activators}:bash", "bash, BusyBox, dash, ksh, mksh, sh, yash and zsh"),
        Descriptor("batch", f"{activators}.batch:activator", "the Windows command prompt"),
        Descriptor("csh", f"{activators}:csh", "csh and tcsh"),
        Descriptor("fish", f"{activators}:fish", "fish"),
        Descriptor("powershell", f"{activators}:powershell", "PowerShell on all systems"),
        Descriptor("python", f"{activators}:python", "a running Python process"),
    ]


@hookimpl
def cloche_packers() -> list[Descriptor]:
    return descriptors(
        "packers",
        "packer",
        ("dir", "a directory"),
        ("tar.gz", "tar, compressed with gzip on all processors"),
        ("tar.zst", "tar, compressed with Zstandard on all processors"),
        ("zip", "zip"),
        ("squashfs", "a file system that can be mounted"),
    )

"""The plugin in the box: it names everything that cloche brings, and loads none of it."""

from __future__ import annotations

from cloche.plugins.hookspecs import Descriptor, hookimpl

HERE = "cloche.builtin"


def listed(kind: str, attribute: str, *named: tuple[str, str]) -> list[Descriptor]:
    """Return a descriptor per (name, summary); the module has the name, with `_` for `-` and `.`."""
    return [
        Descriptor(name, f"{HERE}.{kind}.{name.replace('-', '_').replace('.', '_')}:{attribute}", summary)
        for name, summary in named
    ]


@hookimpl
def cloche_finders() -> list[Descriptor]:
    """Give the places to look, in the order in which they are asked."""
    return listed(
        "finders",
        "finder",
        ("current", "the Python that runs cloche"),
        ("path", "the directories of PATH"),
        ("pyenv", "the versions that pyenv has installed"),
        ("uv", "the versions that uv manages"),
        ("mise", "the versions that mise has installed"),
        ("asdf", "the versions that asdf has installed"),
        ("conda", "conda's base and the bases of its environments"),
        ("homebrew", "Homebrew's own paths, which outlive a patch upgrade"),
        ("python.org", "the framework builds of python.org on macOS"),
        ("windows-registry", "what is registered on Windows (PEP 514)"),
        ("windows-store", "what the Microsoft Store has installed"),
    )


@hookimpl
def cloche_creators() -> list[Descriptor]:
    return listed(
        "creators",
        "creator",
        ("symlink", "links to the base interpreter"),
        ("copy", "copies the executable and what it needs to start"),
        ("venv", "hands over to the interpreter's own `venv`"),
    )


@hookimpl
def cloche_seeders() -> list[Descriptor]:
    return listed(
        "seeders", "seeder", ("pip", "pip and what else is asked for, from what is on this machine if it can")
    )


@hookimpl
def cloche_activators() -> list[Descriptor]:
    return listed(
        "activators",
        "activator",
        ("bash", "bash, and sh, dash, ksh, mksh, zsh"),
        ("batch", "the Windows command prompt"),
        ("csh", "csh and tcsh"),
        ("fish", "fish"),
        ("powershell", "PowerShell on every system"),
        ("python", "a Python that is running"),
    )

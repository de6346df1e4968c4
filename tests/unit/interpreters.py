"""Fake interpreters by name, in the notation of the tables in tests and documentation."""

from __future__ import annotations

from cloche.model.interpreter import Interpreter

LEVELS = {"a": "alpha", "b": "beta", "rc": "candidate"}


def interpreter(name: str, executable: str = "") -> Interpreter:
    """Return a fake interpreter by its name: implementation, version, build and machine, as in `CPython 3.13.0td on arm64`."""
    kind, _, rest = name.partition(" ")
    version_text, _, machine = rest.partition(" on ")
    machine = machine or "x86_64"
    implementation = kind.lower()
    build = ""
    while version_text[-1] in "td":
        build, version_text = version_text[-1] + build, version_text[:-1]
    level, serial = "final", 0
    for letters, word in LEVELS.items():
        version_text, found, number = version_text.partition(letters)
        if found:
            level, serial = word, int(number)
    major, minor, micro = map(int, version_text.split("."))
    threads = "t" * ("t" in build)
    command = "pypy" if implementation == "pypy" else "python"
    prefix = f"/opt/{implementation}/{version_text}{build}"
    site = f"lib/{command}{major}.{minor}{threads}/site-packages"
    return Interpreter(
        executable=executable or f"{prefix}/bin/{command}{major}.{minor}{threads}",
        implementation=implementation,
        version=(major, minor, micro, level, serial),
        platform="linux",
        os_name="posix",
        machine=machine,
        bits=32 if machine in ("x86", "i686") else 64,
        free_threaded="t" in build,
        debug="d" in build,
        prefix=prefix,
        exec_prefix=prefix,
        stdlib=f"{prefix}/lib/{command}{major}.{minor}{threads}",
        scheme={"scripts": "bin", "purelib": site, "platlib": site, "include": "include", "data": ""},
        cache_tag=f"{implementation}-{major}{minor}",
        magic="cb0d0d0a",
        soabi=f"{implementation}-{major}{minor}{build}-x86_64-linux-gnu",
        library="",
        has_venv=True,
        tcl_library="",
        tk_library="",
    )

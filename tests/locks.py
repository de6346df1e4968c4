"""Write lock files for the wheels of a test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.distributions import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BASE = "https://files.example/"
"""The URL of every wheel of the tests; no test connects to it."""


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def package(
    name: str, version: str = "1.0", *, wheels: Iterable[Path | Mapping[str, object]] = (), **keys: object
) -> dict[str, object]:
    """Return the entry of a package in a `pylock.toml`; wheels that exist are named by URL and hash."""
    listed = [
        dict(wheel) if isinstance(wheel, Mapping) else wheel_entry(wheel.name, hashes={"sha256": sha256_of(wheel)})
        for wheel in wheels
    ]
    given = {key.replace("_", "-"): value for key, value in keys.items()}
    return {
        "name": name,
        **({"version": version} if version else {}),
        **({"wheels": listed} if listed else {}),
        **given,
    }


def wheel_entry(name: str, **keys: object) -> dict[str, object]:
    """Return the entry of a wheel that does not exist."""
    return {"name": name, "url": BASE + name, "hashes": {"sha256": "0" * 64}, **keys}


def pylock(packages: Iterable[Mapping[str, object]], **keys: object) -> str:
    """Return the text of a `pylock.toml`."""
    top = {"lock-version": "1.0", "created-by": "test", **{key.replace("_", "-"): item for key, item in keys.items()}}
    lines = [f"{key} = {as_toml(item)}" for key, item in top.items()]
    lines.append(f"packages = [{', '.join(as_toml(dict(entry)) for entry in packages)}]")
    return "\n".join(lines) + "\n"


def as_toml(item: object) -> str:
    """Return a value as TOML on one line."""
    if isinstance(item, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {as_toml(field)}" for key, field in item.items()) + "}"
    if isinstance(item, (list, tuple)):
        return f"[{', '.join(map(as_toml, item))}]"
    return json.dumps(item)


def simple_wheel(directory: Path, name: str, version: str = "1.0", **keys: object) -> Path:
    """Create the wheel of a distribution with one package and one script, both called like it."""
    files = keys.pop("files", {f"{name}/__init__.py": f"version = {version!r}\n\ndef main():\n    print(version)\n"})
    points = f"[console_scripts]\n{name} = {name}:main\n"
    return make_wheel(directory, name, version, files, **{"entry_points": points, **keys})

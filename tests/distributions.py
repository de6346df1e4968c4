"""Distributions that tests make: wheels as they should be and as they should not, and directories they are in."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import zipfile
from typing import TYPE_CHECKING

from cloche.testing.fakes import fake_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cloche.model.interpreter import Host

MODULE = "def main():\n    print('spam')\n"


def record_hash(content: bytes) -> str:
    """Return a content's hash as RECORD has it."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def make_wheel(
    directory: Path,
    name: str = "spam",
    version: str = "1.0",
    files: Mapping[str, str | bytes] | None = None,
    *,
    tags: Iterable[str] = ("py3-none-any",),
    requires_python: str = "",
    requires: Iterable[str] = (),
    entry_points: str = "[console_scripts]\nspam = spam:main\n",
    pure: bool = True,
    unlisted: Iterable[str | zipfile.ZipInfo] = (),
    record: Mapping[str, str] | None = None,
    **metadata: str,
) -> Path:
    """Make a wheel and return its path.

    :param files: what it holds besides its metadata; one module by default.
    :param unlisted: further entries, in the archive and not in RECORD.
    :param record: rows of RECORD to be other than they should be, `hash,size` by name; an empty one is left out.
    :param metadata: whole texts of files of the metadata directory, by name without its suffix.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tags = list(tags)
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    about = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
    about += [f"Requires-Python: {requires_python}\n"] if requires_python else []
    about += [f"Requires-Dist: {one}\n" for one in requires]
    texts = {
        "METADATA": "".join(about),
        "WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: {str(pure).lower()}\n"
        + "".join(f"Tag: {tag}\n" for tag in tags),
        "entry_points.txt": entry_points,
        **{"entry_points.txt" if key == "entry_points" else key: text for key, text in metadata.items()},
    }
    contents = {**(files or {"spam.py": MODULE}), **{f"{info}/{key}": text for key, text in texts.items()}}
    path = directory / f"{stem}-{tags[0]}.whl"
    listing = io.StringIO()
    writer = csv.writer(listing, lineterminator="\n")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, text in contents.items():
            content = text.encode() if isinstance(text, str) else text
            archive.writestr(key, content)
            row = (record or {}).get(key, f"{record_hash(content)},{len(content)}")
            if row:
                writer.writerow([key, *row.split(",")])
        for entry in unlisted:
            archive.writestr(entry, b"planted")
        for key, row in (record or {}).items():
            if key not in contents:
                writer.writerow([key, *row.split(",")])
        writer.writerow([f"{info}/RECORD", "", ""])
        archive.writestr(f"{info}/RECORD", listing.getvalue())
    return path


def install_wheel(wheel: Path, site: Path) -> Path:
    """Unpack a wheel into a site-packages directory as an installer would, and return its metadata directory."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        info = next(name for name in archive.namelist() if name.endswith(".dist-info/RECORD")).rpartition("/")[0]
    (site / info / "INSTALLER").write_text("pip\n")
    script = "#!/usr/bin/python\n"
    with open(site / info / "RECORD", "a") as record:
        record.write(f"../../../bin/spam,{record_hash(script.encode())},{len(script)}\n")
        record.write(f"{info}/INSTALLER,{record_hash(b'pip' + os.linesep.encode())},4\n")
    return site / info


def host_with_home(home: Path, **environ: str) -> Host:
    """Return a host whose user's home is `home`, with the search path of the real one."""
    return fake_host(environ={"HOME": str(home), "PATH": os.environ.get("PATH", ""), **environ}, cwd=str(home))


def record_problems(site: Path, dist_info: str) -> list[str]:
    """Return what is wrong with the RECORD of an installed distribution: files that are not there, or not as listed."""
    wrong = []
    with open(site / dist_info / "RECORD", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    for name, digest, size in rows:
        path = site / name
        if not path.is_file():
            wrong.append(f"{name} is not there")
        elif digest and record_hash(path.read_bytes()) != digest:
            wrong.append(f"{name} has another hash")
        elif digest and path.stat().st_size != int(size):
            wrong.append(f"{name} has another size")
    listed = {os.path.normpath(site / name) for name, _, _ in rows}
    inside = {parts[0] for name, _, _ in rows if len(parts := name.split("/")) > 1 and parts[0] != ".."}
    for top in inside:
        for parent, _, names in os.walk(site / top):
            wrong += [
                f"{name} is not listed" for name in names if os.path.normpath(os.path.join(parent, name)) not in listed
            ]
    return wrong

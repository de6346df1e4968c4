"""Create valid and invalid wheels, install them, and check what was installed."""

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
    """Return the hash of some content in the format of RECORD."""
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
    """Create a wheel and return its path.

    :param files: its files without the metadata, by path; by default one module.
    :param unlisted: additional entries of the archive that RECORD does not list.
    :param record: wrong rows for RECORD, `hash,size` by path; an empty one omits the row.
    :param metadata: contents of further files in the metadata directory, by name; they replace the generated ones.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tags = list(tags)
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    about = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
    about += [f"Requires-Python: {requires_python}\n"] if requires_python else []
    about += [f"Requires-Dist: {requirement}\n" for requirement in requires]
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
    """Return a fake host with this home directory and the real PATH."""
    return fake_host(environ={"HOME": str(home), "PATH": os.environ.get("PATH", ""), **environ}, cwd=str(home))


def record_problems(site: Path, dist_info: str) -> list[str]:
    """Return the differences between the RECORD of an installed distribution and its files."""
    problems = []
    with open(site / dist_info / "RECORD", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    for name, digest, size in rows:
        path = site / name
        if not path.is_file():
            problems.append(f"{name} does not exist")
        elif digest and record_hash(path.read_bytes()) != digest:
            problems.append(f"{name} has another hash")
        elif digest and path.stat().st_size != int(size):
            problems.append(f"{name} has another size")
    listed = {os.path.normpath(site / name) for name, _, _ in rows}
    packages = {parts[0] for name, _, _ in rows if len(parts := name.split("/")) > 1 and parts[0] != ".."}
    for package in packages:
        for parent, _, names in os.walk(site / package):
            problems += [
                f"{name} is not listed" for name in names if os.path.normpath(os.path.join(parent, name)) not in listed
            ]
    return problems

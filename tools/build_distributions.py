"""Build cloche and every plugin, and check the result: `tox -e dist`, or `build_distributions.py [DIRECTORY]`.

Everything is built twice, from copies of the checkout in different directories, at different times and with different
permissions. The bytes must be the same. `twine check` must accept the metadata.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def main(target: str = "dist") -> None:
    with tempfile.TemporaryDirectory() as temporary:
        first = build_all(copy_checkout(Path(temporary, "first"), 0o022), Path(temporary, "one"))
        second = build_all(copy_checkout(Path(temporary, "a second place"), 0o077), Path(temporary, "two"))
        if different := sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name)):
            sys.exit(f"built twice, with different bytes: {', '.join(different)}")
        Path(target).mkdir(parents=True, exist_ok=True)
        for name in first:
            shutil.copyfile(Path(temporary, "one", name), Path(target, name))
    built = [str(Path(target, name)) for name in sorted(first)]
    if subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *built], check=False).returncode:
        sys.exit("twine does not accept the metadata")
    print(f"{target}: {len(built)} files, the same bytes when built twice")


def copy_checkout(directory: Path, umask: int) -> Path:
    """Copy the files that are under version control, or will be, with other permissions and times."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    before = os.umask(umask)
    try:
        for name in filter(None, listed.split("\0")):
            if (CHECKOUT / name).is_file():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(CHECKOUT / name, directory / name)
    finally:
        os.umask(before)
    return directory


def build_all(checkout: Path, target: Path) -> dict[str, bytes]:
    """Build every distribution in a checkout; return the content of each file by name."""
    for project in sorted([checkout, *(path.parent for path in checkout.glob("plugins/*/pyproject.toml"))]):
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(project)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"cannot build {project.name}:\n{done.stdout}{done.stderr}")
    return {path.name: path.read_bytes() for path in target.iterdir()}


if __name__ == "__main__":
    main(*sys.argv[1:])

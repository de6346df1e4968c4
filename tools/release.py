"""Make a release: `tox -e release -- VERSION`.

Writes the version into cloche and every plugin, moves the changelog fragments into CHANGELOG.md, commits, and adds the tag
`vVERSION`. The last line of the output is the command that pushes both; the workflow then tests, builds and publishes.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from packaging.version import InvalidVersion, Version

CHECKOUT = Path(__file__).resolve().parent.parent


def main(text: str = "") -> None:
    version, current = parsed(text), Version(current_version())
    if version <= current:
        sys.exit(f"{version} is not newer than {current}")
    if run("git", "status", "--porcelain"):
        sys.exit("there are changes that are not committed")
    for path in (CHECKOUT / "pyproject.toml", *sorted(CHECKOUT.glob("plugins/*/pyproject.toml"))):
        replace_version(path, r'^version = "[^"]+"$', f'version = "{version}"')
    replace_version(CHECKOUT / "src/cloche/model/__init__.py", r'^VERSION = "[^"]+"$', f'VERSION = "{version}"')
    run(sys.executable, "-m", "towncrier", "build", "--yes", "--version", str(version))
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", f"Release {version}")
    run("git", "tag", "--annotate", f"v{version}", "--message", f"cloche {version}")
    print(f"git push --atomic origin HEAD v{version}")


def parsed(text: str) -> Version:
    """Return the version that was given on the command line."""
    try:
        return Version(text)
    except InvalidVersion:
        sys.exit(f"`{text}` is not a version; usage: tox -e release -- VERSION")


def current_version() -> str:
    """Return the version in the source."""
    (version,) = re.findall(
        r'^VERSION = "([^"]+)"$', (CHECKOUT / "src/cloche/model/__init__.py").read_text(), re.MULTILINE
    )
    return str(version)


def replace_version(path: Path, pattern: str, line: str) -> None:
    """Replace the one line of a file that has the version."""
    text, count = re.subn(pattern, line, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if count != 1:
        sys.exit(f"{path} has {count} lines with a version")
    path.write_text(text, encoding="utf-8", newline="\n")


def run(*command: str) -> str:
    """Run a program in the checkout, and return what it prints."""
    done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed")
    return done.stdout


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Test that random environments keep everything when they are moved, repaired or upgraded, there and back, and killed.

Each example is an environment with packages and files of a user. It goes to another path or another Python, with a kill at
a system call, and comes back. After that, everything of the user's is as before: contents, permissions, links.
"""

from __future__ import annotations

import csv
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from cloche.api import open_session
from cloche.lifecycle.doctor.diagnosis import diagnose, open_case
from cloche.lifecycle.embedded_paths.shebangs import parse_header
from cloche.lifecycle.relocation import json_ascii, json_unicode
from cloche.store.installation import relocatable_shebang_lines
from tests.distributions import record_hash
from tests.lifecycle.contents import NAMES, Contents, Entry, contents, create, remove
from tests.properties import examples
from tests.sweep.injection import CALLS, STRACE
from tests.tools import require
from tests.trees import Tree, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.run import Cloche

MINOR, OTHER_MINOR = "3.12", "3.11"


class Kill(NamedTuple):
    """The system call at which a command is killed; the command may end before it."""

    call: str
    number: int


KILLS = st.one_of(
    st.builds(Kill, st.sampled_from(("rename", "renameat2", "unlink", "rmdir", "fsync", "mkdir")), st.integers(1, 12)),
    st.builds(Kill, st.sampled_from(CALLS), st.integers(1, 200)),
)


def type_command(cloche: Cloche, kill: Kill | None, *words: object) -> tuple[int, str]:
    """Run cloche, perhaps kill it, and return its exit code and its output."""
    command = [sys.executable, "-m", "cloche", *map(str, words)]
    if kill:
        injection = f"inject={kill.call}:signal=KILL:when={kill.number}"
        command = [*STRACE, "-e", f"trace={kill.call}", "-e", injection, "-o", "/dev/null", *command]
    done = subprocess.run(
        command,
        cwd=cloche.cwd,
        env=cloche.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def run_until_done(cloche: Cloche, kill: Kill | None, *words: object) -> None:
    """Run cloche with a kill, then again as a user would, and check that it succeeds."""
    if kill:
        type_command(cloche, kill, *words)
    code, output = type_command(cloche, None, *words)
    assert code == 0, f"{words}: {output}"


def move(cloche: Cloche, kill: Kill | None, old: Path, new: Path) -> None:
    """Move an environment with `cloche move`; a killed run leaves a complete one at either path, or at both."""
    before = user_tree(old)
    if kill:
        type_command(cloche, kill, "move", old, new)
    if old.exists():
        type_command(cloche, None, "doctor", "--fix", old)  # undoes what the killed run did
        assert user_tree(old) == before
        if new.exists():
            remove(new)
        run_until_done(cloche, None, "move", old, new)
    if kill:
        type_command(cloche, None, "doctor", "--fix", new)  # removes what the killed run left, at the old path too
    assert not os.path.lexists(old)


def rename(cloche: Cloche, kill: Kill | None, old: Path, new: Path) -> None:
    """Move an environment with `mv`, and repair it."""
    old.rename(new)
    type_command(cloche, kill, "doctor", "--fix", new)
    type_command(cloche, None, "doctor", "--fix", new)


def user_tree(root: Path, *other_paths: Path) -> Tree:
    """Return the tree of an environment without bytecode, for comparison with a later one.

    Links are compared by where they lead, and what names the Python of a script or the path in an activation script by what
    it says, because a path with unusual characters needs another spelling.

    :param other_paths: where the environment was in between. A file in a notation that cloche does not know keeps such a
        path if the next one is unusual; cloche then says so.
    """
    tree = Tree()
    entries = snapshot(root)
    for path, (kind, mode, content) in entries.items():
        if "__pycache__" in path.split("/") or path.endswith(".pyc"):
            continue
        if stat.S_ISLNK(int(str(kind))):
            target = os.path.normpath(os.path.join(root, os.path.dirname(path), str(content)))
            inside = target == str(root) or target.startswith(f"{root}/")
            content = f"<root>{target[len(str(root)) :]}" if inside else content
        elif isinstance(content, bytes) and path.endswith(".dist-info/RECORD"):
            content = rows_by_truth(path, content, entries, (root, *other_paths))
        elif isinstance(content, bytes):
            content = without_spelling(path, content, (root, *other_paths))
        tree[path] = (kind, mode, content)
    return tree


def rows_by_truth(path: str, record: bytes, entries: Tree, roots: tuple[Path, ...]) -> list[tuple[str, ...]]:
    """Return the rows of a RECORD, without hash and size where they are those of the file, which is compared itself.

    :param entries: the tree with the files.
    """
    rows: list[tuple[str, ...]] = []
    for name, *recorded in csv.reader(record.decode("utf-8").splitlines()):
        if name.endswith(".pyc"):
            continue
        file = os.path.normpath(os.path.join(roots[0], path, "..", "..", name))
        content = entries.get(os.path.relpath(file, roots[0]), (0, 0, None))[2]
        is_true = isinstance(content, bytes) and recorded == [record_hash(content), str(len(content))]
        for root in roots:
            name = name.replace(str(root), "<root>")
        rows.append((name, "true") if is_true else (name, *recorded))
    return rows


QUOTES = b"'\"\\^"


def without_spelling(path: str, content: bytes, roots: tuple[Path, ...]) -> object:
    """Return what a file says, without how it spells the path of the environment.

    Quotes do not count in a file that contains the path, because an unusual one needs others.
    """
    name = path.rpartition("/")[2].lower()
    is_script = bool(re.search(r"(^|/)bin/", path))
    is_activation = is_script and name.startswith("activate")
    if name == ".cloche-manifest":  # its hashes are those of files that are compared as well
        return sorted(line.partition(b" ")[2] for line in content.splitlines())
    if name == "activate.nu":
        content = re.sub(rb"r#('.*?')#", rb"\1", content)  # a raw string
    if name == "activate.xsh":  # how virtualenv spells a text with an unusual character
        content = re.sub(rb"''\.join\(\S+\.chr, \(([\d, ]*)\)\)\)", lambda match: text_of(match[1]), content)
    if name == "activate.bat":
        content = content.replace(b"%%", b"%")  # how a batch file spells it
    if content.startswith(b"#!") and not is_activation:
        content = body_of(content)
    if name.endswith((".json", ".ipynb", ".webmanifest")):  # a path there is correct in either notation of JSON
        for root in roots:
            for notation in (json_ascii, json_unicode):
                content = content.replace(os.fsencode(notation(str(root))), bytes(root))
    plain = content.translate(None, QUOTES)
    for root in roots:
        plain = plain.replace(bytes(root).translate(None, QUOTES), b"<root>")
    if is_activation:
        lines = plain.split(b"\n")
        return [line for line in lines if not re.search(rb"prompt|PS1", line, re.IGNORECASE)]  # its name is part of it
    return plain if b"<root>" in plain else content


def text_of(numbers: bytes) -> bytes:
    """Return the text that these characters are, as a literal."""
    return b"'%b'" % "".join(chr(int(number)) for number in re.findall(rb"\d+", numbers)).encode()


def body_of(script: bytes) -> bytes:
    """Return a script without the lines that start its Python."""
    relocatable = relocatable_shebang_lines("python")
    if relocatable[relocatable.index(b'""":') :][:60] in script:  # a coding line comes before it in some scripts
        return script.rpartition(b'"""')[2].lstrip(b"\n")
    if header := parse_header(script):
        body = header.body
    elif unescaped := HEADER_OF_PIP.match(script):
        body = script[unescaped.end() :]
    else:
        return script
    return re.sub(rb"^#.*coding.*\n", b"", body).lstrip(b"\n")


HEADER_OF_PIP = re.compile(rb"#!/bin/sh\n'''exec' .*\n' '''\n")
"""How pip starts a script if the path contains a space. It does not escape quotes, and then the script cannot be run."""


def hashes(root: Path) -> dict[tuple[str, str], bool]:
    """Return for each row with a hash, by RECORD and path, whether the hash is true; bytecode is left out."""
    return {
        (record.parent.name, os.path.relpath(os.path.normpath(record.parent.parent / name), root)): is_true
        for record in sorted(root.rglob("*.dist-info/RECORD"))
        for name, is_true in rows_of(record)
    }


def rows_of(record: Path) -> Iterator[tuple[str, bool]]:
    with open(record, encoding="utf-8", newline="") as file:
        for name, digest, _ in csv.reader(file):
            path = record.parent.parent / name
            if digest and not name.endswith(".pyc"):
                yield name, path.is_file() and record_hash(path.read_bytes()) == digest


def finding_codes(cloche: Cloche, root: Path) -> list[str]:
    with open_session(environ=cloche.environ, cache=Path(cloche.environ["XDG_CACHE_HOME"]) / "cloche") as session:
        return sorted(f"{finding.code} {finding.path}" for finding in diagnose(open_case(str(root), session)))


def of_the_user(tree: Tree) -> Tree:
    """Return a tree without what an upgrade creates again."""
    own = {"pyvenv.cfg", ".cloche-manifest", ".gitignore", "CACHEDIR.TAG", ".lock", "lib64", "bin", "lib", "include"}

    def is_own(path: str) -> bool:
        name = path.rpartition("/")[2]
        in_bin = path.startswith("bin/") and (name.lower().startswith(("activate", "python", "deactivate", "pydoc")))
        return (
            path in own
            or in_bin
            or name.startswith("_virtualenv.")
            or path in (f"lib/python{MINOR}", f"include/python{MINOR}")
        )

    return Tree({path: entry for path, entry in tree.items() if not is_own(path)})


def installed_again(tree: Tree, root: Path) -> Tree:
    """Return a tree with what stays the same if its packages are installed again: their files, and that they have scripts."""
    owned = {
        os.path.relpath(os.path.normpath(record.parent.parent / row[0]), root)
        for record in root.rglob("*.dist-info/RECORD")
        for row in csv.reader(record.read_text(encoding="utf-8").splitlines())
    }
    changed = Tree(tree)
    for path in owned & tree.keys():
        kind, _, content = tree[path]
        is_written = path.startswith("bin/") or path.endswith("/RECORD")
        changed[path] = (kind, "as in the cache", "by cloche" if is_written else content)
    return changed


SOME = settings(examples(3), phases=(Phase.explicit, Phase.generate), report_multiple_bugs=False)
"""A failed example is not simplified, because each attempt would take seconds."""


def contents_of(
    name: str,
    *entries: Entry,
    made_by: str = "venv",
    installer: str = "uv",
    editables: tuple[tuple[str, str], ...] = (),
    nested: bool = False,
) -> Contents:
    """Return the contents of an environment with these entries, for an example that failed once."""
    return Contents(name, made_by, installer, entries, editables, nested=nested, is_edited=False)


JSON = Entry("share/conf.json", "file", b'{"path": "{root}/share"}\n', 0o644)
SCRIPT = Entry("{site}/$x", "file", b"#!{root}/bin/python\nprint('mine')\n", 0o755)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("way", [move, rename])
@SOME
@given(contents(), st.sampled_from(NAMES), st.none() | KILLS, st.none() | KILLS)
@example(contents_of("é", JSON, SCRIPT), 'q"uote', None, None)
@example(contents_of('q"uote', SCRIPT, made_by="uv"), "%PATH%", None, None)
@example(contents_of("it's", made_by="virtualenv"), "-x", None, None)
@example(contents_of("env", made_by="cloche"), "env", Kill("unlink", 1), None)
@example(contents_of('q"uote', made_by="cloche-copy", installer="pip", nested=True), ".venv", None, None)
@example(contents_of("a b", made_by="cloche-relocatable", editables=(("inside", "finder"),)), "it's", None, None)
def test_an_environment_that_is_moved_and_moved_back_is_as_before(
    cloche: Cloche,
    tmp_path: Path,
    way: Callable[..., None],
    wanted: Contents,
    name: str,
    kill: Kill | None,
    second_kill: Kill | None,
) -> None:
    require("strace")
    work = tmp_path / "example"
    work.mkdir()
    try:
        root, new = create(wanted, work, MINOR), work / "elsewhere" / name
        new.parent.mkdir()
        before, truth, codes = user_tree(root, new), hashes(root), finding_codes(cloche, root)
        way(cloche, kill, root, new)
        assert hashes(new) == truth
        assert user_tree(new).paths() == before.paths()
        way(cloche, second_kill, new, root)
        assert user_tree(root, new) == before
        assert hashes(root) == truth
        assert set(finding_codes(cloche, root)) <= set(codes)
        assert os.listdir(work / "elsewhere") == []
        assert set(os.listdir(work)) <= {wanted.name, "elsewhere", "outside"}
    finally:
        remove(work)


@pytest.mark.timeout(0)
@SOME
@given(contents(), st.none() | KILLS, st.none() | KILLS)
def test_an_environment_that_is_upgraded_and_changed_back_has_everything_of_the_user(
    cloche: Cloche, tmp_path: Path, wanted: Contents, kill: Kill | None, second_kill: Kill | None
) -> None:
    require("strace")
    work = tmp_path / "example"
    work.mkdir()
    try:
        files = tuple(entry for entry in wanted.entries if entry.kind != "pipe")  # an upgrade leaves pipes out
        root = create(wanted._replace(entries=files, is_edited=False), work, MINOR)
        before, truth, codes = installed_again(user_tree(root), root), hashes(root), finding_codes(cloche, root)
        run_until_done(cloche, kill, "upgrade", "-p", OTHER_MINOR, root)
        assert sorted(hashes(root).values()) == sorted(truth.values())
        run_until_done(cloche, second_kill, "upgrade", "-p", MINOR, root)
        assert of_the_user(installed_again(user_tree(root), root)) == of_the_user(before)
        assert hashes(root) == truth
        assert set(finding_codes(cloche, root)) <= set(codes)
        assert set(os.listdir(work)) <= {wanted.name, "outside"}
    finally:
        remove(work)

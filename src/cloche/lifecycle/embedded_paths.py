"""The places in an environment that name where it is: found by what the files are, and written anew in a overlay.

This is all that cloche knows of the notations in which installers and makers of environments write a path down. The
rest of the lifecycle asks which roots are recorded, and has them replaced.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from cloche.apply.staging import is_staging_inside
from cloche.fs.checksums import MANIFEST, parse_manifest, was_edited
from cloche.fs.files import open_regular_file
from cloche.lifecycle import launchers, recorded_command
from cloche.lifecycle.activation_scripts import recorded_roots, rewrite_script
from cloche.lifecycle.installed import sites
from cloche.lifecycle.reader import listed
from cloche.lifecycle.relocation import Relocation, needle, within
from cloche.lifecycle.shebangs import header_of, with_found_program, with_program
from cloche.model.value import replace, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloche.lifecycle.installed import Installed
    from cloche.lifecycle.overlay import Overlay
    from cloche.lifecycle.shebangs import Header
    from cloche.model.environment import Environment
    from cloche.shells.family import ShellFamily

TEXT_LIMIT = 8 << 20
"""Bytes of the largest file that is read as text; larger ones are only searched."""


@value
class File:
    """A file or a symbolic link in an environment."""

    path: str
    """Relative to the root, with `/`."""
    kind: str
    """`file`, `link`, or `other` (a socket, a pipe)."""
    size: int


def files(root: str) -> Iterator[File]:
    """Yield everything in an environment that is no directory, by path; links are not followed."""
    stack = [""]
    while stack:
        below = stack.pop()
        try:
            with os.scandir(os.path.join(root, below)) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_symlink():
                yield File(path, "link", 0)
            elif entry.is_dir(follow_symlinks=False):
                if below or not is_staging_inside(entry.name):
                    stack.append(path)
            elif entry.is_file(follow_symlinks=False):
                yield File(path, "file", entry.stat(follow_symlinks=False).st_size)
            else:
                yield File(path, "other", 0)


# What is recorded


def roots(
    environment: Environment,
    settings: Mapping[str, str],
    distributions: list[Installed],
    shells: Mapping[str, ShellFamily],
    overlay: Overlay,
) -> dict[str, list[str]]:
    """Return every place that the environment takes for its own root, and the files that say so.

    Activation scripts say it, the command in `pyvenv.cfg`, and the first lines of scripts that were installed here; a
    script that somebody else put here may rightly name another environment. The command by which a relocatable one was
    made tells where that was, and claims nothing.
    """
    found: dict[str, list[str]] = {}
    layout = environment.layout
    for name in listed(overlay.on_disk(layout.bin)):
        path = f"{layout.bin}/{name}"
        if shell := shells.get(name.lower()):
            for root in recorded_roots(overlay.text(path), shell):
                inside = posixpath.normpath(root.replace("\\", "/")).endswith(f"/{layout.bin}")
                found.setdefault(os.path.dirname(root) if inside else root, []).append(path)
    destination = recorded_command.place_of(settings.get("command", ""), environment.location)
    if destination and environment.placement == "fixed":
        found.setdefault(destination, []).append(layout.config)
    scripts = own_scripts(environment, distributions)
    by_script: dict[str, list[str]] = {}
    for path in scripts:
        program = program_of(overlay, path)
        if program and (root := root_of_program(program, layout.bin)):
            by_script.setdefault(root, []).append(path)
    for root, paths in by_script.items():
        if root in found or 2 * len(paths) > len(scripts):  # a single one may have been changed by hand
            found.setdefault(root, []).extend(paths)
    return {root: paths for root, paths in found.items() if may_be_root(root, settings)}


def may_be_root(root: str, settings: Mapping[str, str]) -> bool:
    """Return whether an environment may have been at a place: not where its base is, nor another kind of directory."""
    home = settings.get("home", "")
    bases = [os.path.dirname(home), *(settings.get(key, "") for key in ("base-prefix", "base-exec-prefix"))]
    bases += (os.path.dirname(os.path.dirname(settings.get(key, ""))) for key in ("executable", "base-executable"))
    if root.rstrip("/\\") in ("", *bases):
        return False
    return not os.path.isdir(root) or os.path.isfile(os.path.join(root, "pyvenv.cfg")) or not os.listdir(root)


def own_scripts(environment: Environment, distributions: list[Installed]) -> list[str]:
    """Return the files in the directory for executables that a distribution in this environment brought."""
    prefix = f"{environment.layout.bin}/"
    listed_there = {row.path for one in distributions for row in one.rows if row.path.startswith(prefix)}
    declared = {
        prefix + point.name + suffix for one in distributions for point in one.entry_points for suffix in ("", ".exe")
    }
    present = {prefix + name for name in listed(os.path.join(environment.location, environment.layout.bin))}
    return sorted((listed_there | declared) & present)


def program_of(overlay: Overlay, path: str) -> str:
    """Return the program that a script names; empty if it names none."""
    if overlay.target(path) is not None:
        return ""
    content = overlay.content(path) or b""
    if content.startswith(b"MZ"):
        split = launchers.split(content)
        return split.program if split else ""
    header = header_of(content)
    return header.program if header else ""


def root_of_program(program: str, scripts: str) -> str:
    """Return the environment whose Python a path is: `/x/env` for `/x/env/bin/python3`."""
    directory, _, name = program.replace("\\", "/").rpartition("/")
    if not re.match(r"(python|pypy|graalpy)", name) or not directory.endswith(f"/{scripts}"):
        return ""
    return program[: len(directory) - len(scripts) - 1]


# What is to be written


@value
class Writer:
    """What it takes to write an environment's own places."""

    environment: Environment
    """As it is to be: its location is the new one."""
    relocation: Relocation
    platform: str
    """`sys.platform` of the target, by which a first line is judged."""
    shells: Mapping[str, ShellFamily]
    """Those that read its activation scripts, by the scripts' file names in lower case."""
    generated: Mapping[str, bytes]
    """The activation scripts as cloche would write them at the new place, by path."""
    prompts: tuple[str, str] | None = None
    """(old, new) if the prompt follows the directory's name and that changes."""


def relocate(overlay: Overlay, writer: Writer) -> list[str]:
    """Have every place in an environment name its new root; return the files that still name the old one."""
    needles = {needle(old) for old, _ in (*writer.relocation.roots, *writer.relocation.around)} - {b""}
    ours = unedited(overlay)
    residue = []
    for file in files(overlay.root):
        if file.kind == "link":
            relocate_link(overlay, file.path, writer)
        elif file.kind == "file" and not file.path.endswith((".pyc", "/RECORD")) and file.path != MANIFEST:
            if file.size > TEXT_LIMIT:
                if searched(overlay.on_disk(file.path), needles):
                    residue.append(file.path)
                continue
            content = overlay.content(file.path)
            if content is None:
                continue
            if file.path in ours and file.path in writer.generated:
                overlay.write(file.path, writer.generated[file.path])
            elif any(one in content for one in needles) or is_prompted(file.path, content, writer):
                relocate_file(overlay, file.path, content, writer)
                left = overlay.content(file.path) or b""
                if writer.relocation.names_old(left.decode("utf-8", "surrogateescape")):
                    residue.append(file.path)
    for path in overlay.changed:
        drop_bytecode(overlay, path)
    return sorted(residue)


def unedited(overlay: Overlay) -> frozenset[str]:
    """Return the files that are as cloche wrote them."""
    return frozenset(path for path, state in written(overlay).items() if state == "unedited")


def written(overlay: Overlay) -> dict[str, str]:
    """Return the files that cloche wrote and that are there, each `unedited` or `edited`; none by another maker."""
    found = {}
    for path, digest in parse_manifest(overlay.text(MANIFEST)).items():
        if (content := overlay.content(path)) is not None:
            found[path] = "edited" if was_edited(content, digest) else "unedited"
    return found


def relocate_link(overlay: Overlay, path: str, writer: Writer) -> None:
    """Make an absolute link into the environment a relative one, and point others to where their target is now."""
    target = overlay.target(path)
    if target is None or not os.path.isabs(target):
        return
    moved, root = writer.relocation.path(target), writer.environment.location
    if moved != target and within(moved, root) and moved != root:
        moved = os.path.relpath(moved, os.path.dirname(os.path.join(root, path)))
    overlay.link(path, moved)


def relocate_file(overlay: Overlay, path: str, content: bytes, writer: Writer) -> None:
    """Have one file name the new root, in the notation that a file of its kind has."""
    text = content.decode("utf-8", "surrogateescape")
    name = path.rpartition("/")[2].lower()
    relocation = writer.relocation
    if path == writer.environment.layout.config:
        overlay.write_text(path, relocated_settings(text, relocation))
    elif path.startswith(f"{writer.environment.layout.bin}/") and name in writer.shells:
        overlay.write_text(path, relocated_activator(text, writer.shells[name], writer))
    elif content.startswith(b"MZ"):
        if changed := launchers.with_program_of(content, lambda program: relocation.path(program)):
            overlay.write(path, changed)
    elif content.startswith(b"#!"):
        overlay.write(path, relocated_script(path, content, writer))
    elif b"\0" in content:
        return
    elif name == "direct_url.json":
        overlay.write_text(path, relocated_urls(text, relocation))
    elif name.endswith((".json", ".ipynb", ".webmanifest")):
        overlay.write_text(path, relocation.json(relocated_urls(text, relocation)))
    elif name.endswith(".pth"):
        overlay.write_text(path, relocated_lines(text, relocation))
    elif name.endswith(".egg-link"):
        lines = text.splitlines(keepends=True)
        overlay.write_text(path, "".join(moved_line(line, relocation) for line in lines))
    elif name.endswith((".py", ".pyi", ".xsh")):
        overlay.write_text(path, relocation.python(text))
    else:
        overlay.write_text(path, relocation.plain(text))


def relocated_settings(text: str, relocation: Relocation) -> str:
    """Return a `pyvenv.cfg` of the new place; only the lines that name the old one change."""
    lines = []
    for line in text.splitlines(keepends=True):
        key, separator, setting = line.partition("=")
        if separator and key.strip() == "command":
            words = setting.strip()
            line = key + separator + setting.replace(words, recorded_command.relocated(words, relocation), 1)
        elif separator and key.strip() != "prompt":
            line = key + separator + relocation.everything(setting)
        lines.append(line)
    return "".join(lines)


def relocated_activator(text: str, shell: ShellFamily, writer: Writer) -> str:
    """Return an activation script of another maker, or one that was edited, for the new place."""
    relocation = writer.relocation

    def change(word: str, line: str) -> str:
        moved = relocation.everything(word)
        if moved == word and writer.prompts and "prompt" in line.lower():
            old, new = writer.prompts
            for before, after in ((f"({old}) ", f"({new}) "), (f"({old})", f"({new})"), (old, new)):
                if word == before:
                    return after
        return moved

    text = rewrite_script(text, shell, change)
    if writer.prompts and re.fullmatch(r"[\w.+@-]+", writer.prompts[1]):
        old, new = writer.prompts
        text = re.sub(rf'(PS1="|prompt = ["\'])\({re.escape(old)}\) ', lambda match: f"{match[1]}({new}) ", text)
    return relocation.plain(text)


def is_prompted(path: str, content: bytes, writer: Writer) -> bool:
    """Return whether a file shows the directory's name as the prompt, and not by reference."""
    name = path.rpartition("/")[2].lower()
    return (
        writer.prompts is not None
        and name in writer.shells
        and path.startswith(f"{writer.environment.layout.bin}/")
        and os.fsencode(writer.prompts[0]) in content
    )


def relocated_script(path: str, content: bytes, writer: Writer) -> bytes:
    """Return a script whose program, and whose own text, are at the new place."""
    header = header_of(content)
    relocation = writer.relocation
    if header is not None and (program := relocation.path(header.program)) != header.program:
        changed = restarted(header, program, path, writer.environment, writer.platform)
        if changed is not None:
            content = changed
            header = header_of(content) or header
    if not relocation.names_old(content.decode("utf-8", "surrogateescape")):
        return content
    body = header.body if header is not None else content
    start = content[: len(content) - len(body)]
    text = body.decode("utf-8", "surrogateescape")
    is_python = header is not None and re.search(r"(python|pypy)[\w.]*$", header.program)
    moved = relocation.python(text) if is_python else relocation.plain(text)
    return start + moved.encode("utf-8", "surrogateescape")


def relocated_urls(text: str, relocation: Relocation) -> str:
    """Return a JSON document in which every `file:` URL of something that has moved names its new place."""
    return re.sub(r'"(file://[^"\\]*)"', lambda match: f'"{relocation.url(match[1])}"', text)


def relocated_lines(text: str, relocation: Relocation) -> str:
    """Return a `.pth` file (see the documentation of `site`): a path a line, or a line of Python."""
    lines = []
    for line in text.splitlines(keepends=True):
        if line.startswith(("import ", "import\t")):
            ending = line[len(line.rstrip("\r\n")) :]
            lines.append(relocation.python(line.rstrip("\r\n")) + ending)
        else:
            lines.append(moved_line(line, relocation))
    return "".join(lines)


def moved_line(line: str, relocation: Relocation) -> str:
    path = line.rstrip()
    return relocation.path(path) + line[len(path) :]


def searched(path: str, needles: set[bytes]) -> bool:
    """Return whether a large file holds one of these."""
    import mmap

    try:
        with open_regular_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(one) >= 0 for one in needles)
    except (OSError, ValueError):
        return False


def drop_bytecode(overlay: Overlay, path: str) -> None:
    """Drop the byte-code of a changed source: one of the unchecked kind (PEP 552) would be believed for ever."""
    if not path.endswith(".py"):
        return
    directory, _, name = path.rpartition("/")
    stem = name.removesuffix(".py")
    for cached in listed(overlay.on_disk(f"{directory}/__pycache__")):
        if cached.startswith(f"{stem}.") and cached.endswith(".pyc"):
            overlay.remove(f"{directory}/__pycache__/{cached}")


def retargeted(overlay: Overlay, environment: Environment, scripts: list[str], platform: str) -> list[str]:
    """Have scripts name the environment's own Python, under the name they use if it has that; return the others."""
    left = []
    layout = environment.layout
    for path in scripts:
        content = overlay.content(path) or b""
        header = header_of(content)
        if header is None:
            left.append(path)
            continue
        name = posixpath.basename(header.program.replace("\\", "/"))
        own = name if name in layout.names else posixpath.basename(layout.executable)
        program = environment.path_to(f"{layout.bin}/{own}")
        changed = restarted(header, program, path, environment, platform)
        if changed is None:
            left.append(path)
        else:
            overlay.write(path, changed)
    return left


def restarted(header: Header, program: str, path: str, environment: Environment, platform: str) -> bytes | None:
    """Return the script at `path` for another program, which it finds by itself if the environment is relocatable.

    None if no header can be written that names it.
    """
    scripts, name = environment.layout.bin, posixpath.basename(program)
    is_beside = program == environment.path_to(f"{scripts}/{name}") and posixpath.dirname(path) == scripts
    if environment.placement == "relocatable" and environment.os_name != "nt" and is_beside:
        return with_found_program(header, name)
    return with_program(header, program, platform)


def site_files(environment: Environment, suffix: str) -> list[str]:
    """Return the files with a suffix that stand directly in the directories for packages."""
    return [
        f"{site}/{name}"
        for site in sites(environment.layout)
        for name in listed(os.path.join(environment.location, site))
        if name.endswith(suffix)
    ]


def at(environment: Environment, location: str) -> Environment:
    """Return an environment at another place, with the prompt that it has there."""
    derived = environment.prompt == os.path.basename(environment.location)
    return replace(environment, location=location, prompt=os.path.basename(location) if derived else environment.prompt)

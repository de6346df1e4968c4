"""Replace the embedded paths of an environment: each kind of file has its own notation.

Only this package knows in which notation cloche, other tools and installers write the path of an environment. The rest of the
lifecycle asks which roots are recorded (`recorded_roots`), and replaces them through an overlay.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from typing import TYPE_CHECKING

from cloche.fs import is_within, lines_of, list_names
from cloche.fs.installed_records import is_absolute, with_row
from cloche.fs.manifests import MANIFEST, RUNTIME_MANIFEST, files_from_other_tools, parse_manifest, was_edited
from cloche.fs.records import parse_rows
from cloche.lifecycle import recorded_command
from cloche.lifecycle.embedded_paths import launchers
from cloche.lifecycle.embedded_paths.activation_scripts import (
    PROMPT_LINE,
    replace_prompt,
    replace_value,
    rewrite_script,
)
from cloche.lifecycle.embedded_paths.content_search import TEXT_LIMIT, ContentSearch
from cloche.lifecycle.embedded_paths.shebangs import parse_header, relocatable_script, script_with_program
from cloche.lifecycle.relocation import Relocation, needle
from cloche.lifecycle.tree import file_with_status, walk_files
from cloche.model.value import Value, replace
from cloche.planning.pyvenv_cfg import shorten_settings
from cloche.store.startup_code import is_import_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cloche.lifecycle.embedded_paths.shebangs import Header
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.overlay import Overlay
    from cloche.lifecycle.tree import File, Tree
    from cloche.model.environment import Environment
    from cloche.shells import ShellFamily


class RelocationContext(Value):
    """What is needed to replace the embedded paths of an environment."""

    environment: Environment
    """The environment at its new location."""
    relocation: Relocation
    platform: str
    """`sys.platform` of the target, which determines the form of script headers."""
    shells: Mapping[str, ShellFamily]
    """The shells of its activation scripts, by file name in lower case."""
    generated: Mapping[str, bytes]
    """The content that cloche would give its activation scripts at the new location, by path."""
    prompts: tuple[str, str] | None = None
    """(old, new) if the prompt is the name of the directory and changes with it."""


def files_to_relocate(
    tree: Tree, distributions: Iterable[InstalledDistribution], settings: Mapping[str, str]
) -> Iterator[File]:
    """Yield the files in a tree that may contain the path of the environment: all but those that were made elsewhere.

    An image is made before the environments that get its files. They are read-only and have several links, so that nothing
    changes them for one environment.

    :param settings: those in its `pyvenv.cfg`.
    """
    distributions = [*distributions]
    installed = {
        row.path: row.size
        for distribution in distributions
        if distribution.installer == "cloche"
        for row in distribution.rows
    }
    has_find_links = recorded_command.has_find_links(settings)
    unpacked = {
        path
        for distribution in distributions
        if not (has_find_links and distribution.installer == "cloche")
        for path in files_from_other_machines(tree, distribution)
    }
    for path, status in tree.entries.items():
        if path in unpacked or (
            status.st_nlink > 1 and not status.st_mode & 0o222 and installed.get(path) == str(status.st_size)
        ):
            continue
        if not stat.S_ISDIR(status.st_mode):
            yield file_with_status(path, status)


def files_from_other_machines(tree: Tree, distribution: InstalledDistribution) -> set[str]:
    """Return the files of a package that are as they were in its wheel, if that was made for many Linux systems.

    Such a wheel (PEP 600, PEP 656) is made in a container, for others. A wheel that is built for an environment, and may
    contain its path, has the tag of one system only. But a user may have given it other tags, so this does not apply to
    packages that were installed from a file, a directory or a URL (PEP 610). pip does not record that a wheel comes from
    `--find-links`. Scripts and metadata are not in the result, because installers write them.
    """
    if distribution.origin or not all("manylinux" in tag or "musllinux" in tag for tag in distribution.tags or ("",)):
        return set()
    outside = {row.path for row in distribution.rows_outside}
    metadata = f"{distribution.metadata}/"
    rows = [row for row in distribution.rows if row.path not in outside and not row.path.startswith(metadata)]
    changed = {row.path for row in tree.doubtful(rows, f"{metadata}METADATA")}
    return {row.path for row in rows} - changed


def relocate_tree(overlay: Overlay, context: RelocationContext, files: Iterable[File] | None) -> list[str]:
    """Replace the embedded paths of an environment; return the files that still contain an old root, sorted.

    :param files: those that may contain an old root; None for all.
    """
    search = ContentSearch({needle(old) for old, _ in (*context.relocation.roots, *context.relocation.parents)} - {b""})
    unedited = unedited_files(overlay)
    runtime = parse_manifest(overlay.text(RUNTIME_MANIFEST)).keys()  # thousands of files, without such paths
    edited = frozenset(overlay.changed)
    scripts = f"/{context.environment.layout.bin}/"
    remaining = []
    for file in walk_files(overlay.root) if files is None else files:
        path = file.path
        if path in runtime:
            continue
        if file.kind == "link":
            relocate_link(overlay, path, context)
        elif file.kind != "file" or path.endswith(".pyc") or path == MANIFEST:
            continue
        elif path.endswith(".dist-info/RECORD"):
            relocate_record(overlay, path, context.relocation)
        elif path in unedited and path in context.generated:
            overlay.write(path, context.generated[path])
        elif file.size > TEXT_LIMIT:
            if search.is_in_file(overlay.on_disk(path), file.size):
                remaining.append(path)
        elif (
            search.is_in(overlay.content(path) or b"")
            if path in edited
            else search.is_in_file(overlay.on_disk(path), file.size)
        ) or (scripts in f"/{path}" and is_activator(overlay, path, context)):
            if (content := overlay.content(path)) is None:
                continue
            relocate_file(overlay, path, content, context)
            relocated = overlay.content(path) or b""
            if context.relocation.mentions_old_root(relocated.decode("utf-8", "surrogateescape")):
                remaining.append(path)
    for path in overlay.changed:
        remove_bytecode(overlay, path)
    return sorted(remaining)


def unedited_files(overlay: Overlay) -> frozenset[str]:
    """Return the generated files that were not edited since cloche wrote them."""
    return frozenset(path for path, state in generated_file_states(overlay).items() if state == "unedited")


def generated_file_states(overlay: Overlay) -> dict[str, str]:
    """Return the existing files in the manifest, by path: `unedited`, `edited`, or `other tool` if another tool wrote them.

    Empty for the environment of another tool.
    """
    found = {}
    text = overlay.text(MANIFEST)
    others = files_from_other_tools(text)
    for path, digest in parse_manifest(text).items():
        if (content := overlay.content(path)) is not None:
            found[path] = "other tool" if path in others else "edited" if was_edited(content, digest) else "unedited"
    return found


def relocate_link(overlay: Overlay, path: str, context: RelocationContext) -> None:
    """Make an absolute link into the environment relative, and replace the target of a link to a moved directory."""
    target = overlay.target(path)
    if target is None or not os.path.isabs(target):
        return
    moved, root = context.relocation.path(target), context.environment.location
    if moved != target and is_within(moved, root) and moved != root:
        moved = os.path.relpath(moved, os.path.dirname(os.path.join(root, path)))
    overlay.link(path, moved)


def relocate_file(overlay: Overlay, path: str, content: bytes, context: RelocationContext) -> None:
    """Replace the embedded paths of one file, in the notation of its kind of file."""
    text = content.decode("utf-8", "surrogateescape")
    name = path.rpartition("/")[2].lower()
    relocation = context.relocation
    if name == context.environment.layout.config:
        overlay.write_text(path, shorten_settings(relocate_settings(text, relocation)))
    elif (inner := environment_of_activator(overlay, path, context)) is not None:
        overlay.write_text(
            path, relocate_activator(text, context.shells[name], replace(context, prompts=None) if inner else context)
        )
    elif content.startswith(b"MZ"):
        if changed := launchers.replace_program(content, lambda program: relocation.path(program)):
            overlay.write(path, changed)
    elif content.startswith(b"#!"):
        overlay.write(path, relocate_script(path, content, context))
    elif b"\0" in content:
        overlay.write(path, relocate_library(path, content, relocation, context.environment.location))
    elif name == "direct_url.json":
        overlay.write_text(path, relocate_urls(text, relocation))
    elif name.endswith((".json", ".ipynb", ".webmanifest")):
        overlay.write_text(path, relocation.json(relocate_urls(text, relocation)))
    elif name.endswith(".pth"):
        overlay.write_text(path, relocate_pth(text, relocation))
    elif name.endswith(".egg-link"):
        lines = lines_of(text)
        overlay.write_text(path, "".join(relocate_line(line, relocation) for line in lines))
    elif name.endswith((".py", ".pyi", ".xsh")):
        overlay.write_text(path, relocation.python(text))
    else:
        overlay.write_text(path, relocation.plain_text(text))


def relocate_settings(text: str, relocation: Relocation) -> str:
    """Return a `pyvenv.cfg` with its paths replaced; other lines are unchanged."""
    lines = []
    for line in lines_of(text):
        key, separator, setting = line.partition("=")
        if separator and key.strip() == "command":
            words = setting.strip()
            line = key + separator + setting.replace(words, recorded_command.relocate_command(words, relocation), 1)
        elif separator and key.strip() != "prompt":
            line = key + separator + relocation.string(setting)
        lines.append(line)
    return "".join(lines)


def relocate_activator(text: str, shell: ShellFamily, context: RelocationContext) -> str:
    """Return an activation script, of another tool or edited, with its paths and its prompt replaced."""
    relocation = context.relocation
    lines = []
    for line in lines_of(rewrite_script(text, shell, relocation.string)):
        for old, new in relocation.roots:
            line = replace_value(line, old, new, shell)
        if context.prompts and PROMPT_LINE.search(line):
            line = replace_prompt(line, *context.prompts, shell)
        lines.append(line)
    return relocation.plain_text("".join(lines))


def is_activator(overlay: Overlay, path: str, context: RelocationContext) -> bool:
    """Return whether a file is an activation script: some spell the path in numbers, so that no search finds it."""
    return environment_of_activator(overlay, path, context) is not None


def environment_of_activator(overlay: Overlay, path: str, context: RelocationContext) -> str | None:
    """Return the root of the environment that a file activates, relative to the root of the tree; None for other files.

    It is empty for the environment itself, and a path for one inside it.
    """
    directory, _, name = path.rpartition("/")
    if name.lower() not in context.shells:
        return None
    inner, _, scripts = directory.rpartition("/")
    if scripts != context.environment.layout.bin:
        return None
    config = f"{inner}/{context.environment.layout.config}"
    return inner if not inner or os.path.isfile(overlay.on_disk(config)) else None


def relocate_script(path: str, content: bytes, context: RelocationContext) -> bytes:
    """Return a script with the paths in its header and in its body replaced."""
    header = parse_header(content)
    relocation = context.relocation
    if header is not None and (program := relocation.path(header.program)) != header.program:
        changed = retarget_script(header, program, path, context.environment, context.platform)
        if changed is not None:
            content = changed
            header = parse_header(content) or header
    if not relocation.mentions_old_root(content.decode("utf-8", "surrogateescape")):
        return content
    body = header.body if header is not None else content
    start = content[: len(content) - len(body)]
    text = body.decode("utf-8", "surrogateescape")
    is_python = header is not None and re.search(r"(python|pypy)[\w.]*$", header.program)
    moved = relocation.python(text) if is_python else relocation.plain_text(text)
    return start + moved.encode("utf-8", "surrogateescape")


OUTSIDE_ROW = re.compile(r'^(?:[/"]|\.\.|.:)', re.MULTILINE)
"""The beginning of a row in a RECORD whose path may lead out of the environment, or is in quotes."""


def relocate_record(overlay: Overlay, path: str, relocation: Relocation) -> None:
    """Replace the paths in a RECORD: absolute ones, and relative ones that lead out of the environment."""
    site = path.rsplit("/", 2)[0]
    text = overlay.text(path)
    if not OUTSIDE_ROW.search(text):
        return
    lines = []
    for line in lines_of(text):
        if OUTSIDE_ROW.match(line):
            row = next(parse_rows(line), [])
            moved = relocate_row(row[0], site, relocation) if row else ""
            if row and moved != row[0]:
                line = with_row(line, moved, *(*row, "", "")[1:3])
        lines.append(line)
    if (relocated := "".join(lines)) != text:
        overlay.write_text(path, relocated)


def relocate_row(path: str, site: str, relocation: Relocation) -> str:
    """Return the path of a row of a RECORD that leads to the same file after the environment was moved."""
    if is_absolute(path):
        return relocation.path(path)
    if not posixpath.normpath(f"{site}/{path}").startswith("../"):
        return path
    for old, new in relocation.roots:
        target = relocation.path(os.path.normpath(os.path.join(old, site, path)))
        if os.path.lexists(target):
            return os.path.relpath(target, os.path.join(new, site)).replace(os.sep, "/")
    return path


def relocate_library(path: str, content: bytes, relocation: Relocation, root: str) -> bytes:
    """Return an ELF file in which the search path for libraries follows the environment; other content unchanged.

    Directories inside the environment become relative to the file, so that they stay valid.
    """
    if not content.startswith(b"\x7fELF"):
        return content
    from cloche.fs.elf import DynamicFile, NotEditable

    def change(directory: str) -> str:
        moved = relocation.path(directory)
        if moved == directory or not is_within(moved, root):
            return moved
        inside = os.path.relpath(moved, os.path.dirname(os.path.join(root, path)))
        return "$ORIGIN" if inside == "." else f"$ORIGIN/{inside}"

    try:
        file = DynamicFile(content)
        file.change_search_path(change)
    except NotEditable:
        return content
    return bytes(file.content)


def relocate_urls(text: str, relocation: Relocation) -> str:
    """Return a JSON document with the paths in `file:` URLs replaced."""
    return re.sub(r'"(file://[^"\\]*)"', lambda match: f'"{relocation.url(match[1])}"', text)


def relocate_pth(text: str, relocation: Relocation) -> str:
    """Return a `.pth` file with its paths replaced: each line is a path or Python code (see the docs of `site`)."""
    lines = []
    for line in lines_of(text):
        if is_import_line(line):
            ending = line[len(line.rstrip("\r\n")) :]
            lines.append(relocation.python(line.rstrip("\r\n")) + ending)
        else:
            lines.append(relocate_line(line, relocation))
    return "".join(lines)


def relocate_line(line: str, relocation: Relocation) -> str:
    """Return a line that is a path, with the path replaced and trailing white space unchanged."""
    path = line.rstrip()
    return relocation.path(path) + line[len(path) :]


def remove_bytecode(overlay: Overlay, path: str) -> None:
    """Remove the bytecode of a changed source file: Python would never notice that an unchecked `.pyc` is outdated."""
    if not path.endswith(".py"):
        return
    directory, _, name = path.rpartition("/")
    stem = name.removesuffix(".py")
    for cached in list_names(overlay.on_disk(f"{directory}/__pycache__")):
        if cached.startswith(f"{stem}.") and cached.endswith(".pyc"):
            overlay.remove(f"{directory}/__pycache__/{cached}")


def retarget_scripts(overlay: Overlay, environment: Environment, scripts: list[str], platform: str) -> list[str]:
    """Change scripts to run with the Python of their environment; return those for which that is impossible.

    A script keeps the name that it uses (`python3`) if the environment has a Python of that name.
    """
    unchanged = []
    layout = environment.layout
    for path in scripts:
        content = overlay.content(path) or b""
        header = parse_header(content)
        if header is None:
            unchanged.append(path)
            continue
        name = posixpath.basename(header.program.replace("\\", "/"))
        own = name if name in layout.names else posixpath.basename(layout.executable)
        program = environment.path_to(f"{layout.bin}/{own}")
        changed = retarget_script(header, program, path, environment, platform)
        if changed is None:
            unchanged.append(path)
        else:
            overlay.write(path, changed)
    return unchanged


def retarget_script(header: Header, program: str, path: str, environment: Environment, platform: str) -> bytes | None:
    """Return the script at `path` with another program in its header; None if no header can name that program.

    In a relocatable environment, the script finds a program in its own directory at run time.
    """
    scripts, name = environment.layout.bin, posixpath.basename(program)
    is_beside = program == environment.path_to(f"{scripts}/{name}") and posixpath.dirname(path) == scripts
    if environment.placement == "relocatable" and environment.os_name != "nt" and is_beside:
        return relocatable_script(header, name)
    return script_with_program(header, program, platform)

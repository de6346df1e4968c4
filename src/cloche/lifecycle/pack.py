"""Write an environment as one archive. The same content always gives the same bytes, regardless of user, path and time.

Owners, permissions, times and the order of names are normalized. Bytecode that depends on a time is compiled again, with
unchecked hashes (PEP 552). The archive ends with a list of the hashes of its files, which `cloche unpack` checks.
"""

from __future__ import annotations

import errno
import os
import stat
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from cloche.apply import DestinationChanged, write_error
from cloche.apply.output import create_output
from cloche.apply.staging import is_staging_inside
from cloche.errors import ClocheError, DestinationError, SeedError, UsageError, reason_of
from cloche.fs import REGULAR, open_for_reading
from cloche.fs.checksums import (
    FILES,
    MANIFEST,
    RUNTIME_MANIFEST,
    format_manifest,
    parse_rows,
    remove_rows,
    update_manifest,
)
from cloche.lifecycle.installed import installed_distributions, site_directories
from cloche.lifecycle.reader import read_environment
from cloche.lifecycle.relocation import is_within
from cloche.model.archive import Member
from cloche.model.value import value
from cloche.planning import pyvenv_cfg
from cloche.planning.destination import absolute_path, is_relocatable, read_settings
from cloche.plugins import call_component, check_refusal
from cloche.store.bytecode import Compiler, bytecode_path
from cloche.store.runtimes import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloche.model.environment import Environment
    from cloche.plugins.components import Component
    from cloche.session import Session

PIECE = 1 << 20
"""How many bytes of a file are read at once."""

UNCHECKED = b"\1\0\0\0"
"""The flags of bytecode that is used without a check of its source (PEP 552)."""


@value
class PackRequest:
    """What to pack, and how."""

    path: str
    output: str
    format: str = ""
    """The name of a packer; empty to choose by the suffix of `output`."""
    prefix: str = ""
    """The top directory in the archive; empty for none."""
    exclude: tuple[str, ...] = ()
    """Patterns of names, or of paths relative to the environment."""
    overwrites: bool = False
    follows: bool = False
    """Whether links that lead out of the environment are replaced by their targets."""
    base_outside: bool = False
    """Whether the environment may need an interpreter that is not in it."""


@value
class Entry:
    """A file, directory or link to pack."""

    path: str
    """Relative to the environment, with `/`."""
    kind: str
    source: str = ""
    """The absolute path of a file."""
    target: str = ""
    mode: int = 0o644
    content: bytes | None = None
    """The content, if it differs from that of `source`."""


@value
class PackPlan:
    """Every decision about an archive. Nothing has been written yet."""

    environment: Environment
    output: str
    component: Component
    prefix: str
    entries: tuple[Entry, ...]
    modules: tuple[str, ...]
    """Sources to compile, relative to the environment."""
    time: int
    overwrites: bool


def plan_pack(request: PackRequest, session: Session) -> PackPlan:
    """Decide what an archive contains.

    :raises UsageError: an argument is not valid.
    :raises DestinationError: there is no environment, or the output cannot be written there.
    :raises ClocheError: the environment would not work elsewhere.
    """
    host = session.host
    environment = read_environment(request.path, host, session.probes)
    output = absolute_path(request.output, host)
    refuse_output(output, environment.location, request)
    time = time_of_members(host.environ.get("SOURCE_DATE_EPOCH", ""))
    if request.prefix and (request.prefix in (".", "..") or set("/\\\0") & set(request.prefix)):
        raise UsageError(f"`{request.prefix}` is not the name of a directory", hint="`--prefix` takes one name")
    component = packer_for(request, session)
    refuse_dependent(environment, request)
    entries = list(walk(environment, request))
    entries = [with_portable_content(entry, entries) if entry.path != MANIFEST else entry for entry in entries]
    entries = [with_portable_content(entry, entries) if entry.path == MANIFEST else entry for entry in entries]
    kept = {entry.path for entry in entries}
    tag = environment.interpreter.cache_tag if environment.interpreter else ""
    modules = tuple(
        entry.path
        for entry in entries
        if tag
        and entry.path.endswith(".py")
        and entry.content is None
        and "\n" not in entry.source
        and is_within(entry.source, environment.location)
        and any(entry.path.startswith(f"{site}/") for site in site_directories(environment.layout))
        and bytecode_path(entry.path, tag) not in kept
    )
    return PackPlan(environment, output, component, request.prefix, tuple(entries), modules, time, request.overwrites)


def refuse_output(output: str, location: str, request: PackRequest) -> None:
    """Refuse an output that is inside the environment, or that must not be replaced.

    :raises DestinationError: it is refused.
    """
    real = os.path.join(os.path.realpath(os.path.dirname(output)), os.path.basename(output))
    if is_within(real, os.path.realpath(location)):
        raise DestinationError(
            f"the output `{output}` is inside the environment", hint="choose a path outside the environment"
        )
    if not os.path.isdir(os.path.dirname(output)):
        raise DestinationError(
            f"`{os.path.dirname(output)}`, the directory of the output, does not exist", hint="create it first"
        )
    if os.path.isdir(output) and not os.path.islink(output):
        raise DestinationError(f"the output `{output}` is a directory", hint="choose a path that does not exist")
    if os.path.lexists(output) and not request.overwrites:
        raise DestinationError(f"the output `{output}` already exists", hint="choose another path")


def time_of_members(text: str) -> int:
    """Return the time of all members: `SOURCE_DATE_EPOCH`, or a constant.

    :raises UsageError: the variable is not a number of seconds that every format can hold.
    """
    if not text:
        return SECONDS
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 32):
        raise UsageError(
            f"`SOURCE_DATE_EPOCH` is `{text}`; expected a number of seconds", hint="unset it, or set it to a number"
        )
    return int(text)


def packer_for(request: PackRequest, session: Session) -> Component:
    """Return the packer that was asked for, or the one with the longest suffix that matches.

    :raises UsageError: no packer matches, or the one that was asked for does not exist.
    :raises ClocheError: it cannot be used on this machine.
    """
    available = session.registry.all("packer")
    if request.format:
        chosen = session.registry.find("packer", request.format)
    else:
        suffixes = {component.load().suffix: component for component in available}
        matching = [suffix for suffix in suffixes if suffix and request.output.endswith(suffix)]
        if not matching:
            known = ", ".join(f"`{suffix}`" for suffix in sorted(filter(None, suffixes)))
            raise UsageError(
                f"cannot tell the format from the name `{os.path.basename(request.output)}`",
                hint=f"choose one with `--format`, or a name that ends with {known}",
            )
        chosen = suffixes[max(matching, key=len)]
    packer = chosen.load()
    refusal = call_component(lambda: check_refusal(packer.refusal()), "packer", chosen.name, chosen.source)
    if refusal is not None:
        raise ClocheError(f"the packer `{chosen.name}` cannot be used: {refusal}", hint="choose another `--format`")
    return chosen


def refuse_dependent(environment: Environment, request: PackRequest) -> None:
    """Refuse an environment that would not work elsewhere.

    :raises ClocheError: it depends on its path, its base interpreter, or the source of an editable install.
    """
    location = environment.location
    settings = read_settings(location)
    if not is_relocatable(settings):
        raise ClocheError(
            f"`{location}` does not work from another path: it is not relocatable",
            hint="`cloche ./portable --creator portable --relocatable` creates one that does",
        )
    if not pyvenv_cfg.is_portable(settings) and not request.base_outside:
        raise ClocheError(
            f"`{location}` does not work without the Python in `{settings.get('home', '')}`",
            hint="`cloche ./portable --creator portable` creates one that does; or use `--with-base-outside`",
        )
    if environment.interpreter is None:
        raise ClocheError(f"the Python of `{location}` does not start", hint="`cloche doctor` finds out why")
    editable = [found for found in installed_distributions(environment) if found.editable]
    if editable:
        sources = ", ".join(f"{found.name} (`{found.editable}`)" for found in editable)
        raise ClocheError(
            f"`{location}` contains editable installs, whose source is outside: {sources}",
            hint="install them again, but not as editable",
        )


def walk(environment: Environment, request: PackRequest) -> Iterator[Entry]:
    """Yield what to pack, sorted, a directory before its content.

    :raises ClocheError: a file cannot be read or packed, or a link leads out of the environment.
    """
    root = environment.location
    stack: list[tuple[str, str, tuple[str, ...]]] = [("", root, (os.path.realpath(root),))]
    outside: list[str] = []
    while stack:
        below, directory, parents = stack.pop()
        if below:
            yield Entry(below, "directory", directory, mode=0o755)
        try:
            with os.scandir(directory) as scanned:
                found = sorted(scanned, key=lambda item: os.fsencode(item.name))
        except OSError as error:
            raise ClocheError(f"cannot read `{directory}`: {reason_of(error)}") from error
        subdirectories: list[tuple[str, str, tuple[str, ...]]] = []
        for item in found:
            path = f"{below}/{item.name}" if below else item.name
            if is_left_out(path, item.name, request.exclude) or (not below and is_staging_inside(item.name)):
                continue
            if item.name.endswith(".pyc") and directory.endswith("__pycache__") and not is_permanent(item.path):
                continue
            source, target = item.path, ""
            if item.is_symlink():
                target = inner_target(path, item.path, root)
                if not target and request.base_outside and is_python_link(path, environment):
                    target = os.readlink(item.path)
                if target:
                    yield Entry(path, "link", target=target, mode=0o777)
                    continue
                if not request.follows:
                    outside.append(path)
                    continue
                source = os.path.realpath(item.path)
            status = status_of(source)
            if stat.S_ISDIR(status.st_mode):
                real = os.path.realpath(source)
                if real in parents:
                    raise ClocheError(f"the link `{path}` leads to a directory that contains it")
                subdirectories.append((path, source, (*parents, real)))
            elif stat.S_ISREG(status.st_mode):
                yield Entry(path, "file", source, mode=0o755 if status.st_mode & 0o100 else 0o644)
            else:
                raise ClocheError(
                    f"`{item.path}` is not a file, a directory or a link, so it cannot be packed",
                    hint="leave it out with `--exclude`",
                )
        stack += reversed(subdirectories)
    if outside:
        raise ClocheError(
            f"links lead out of the environment: {', '.join(f'`{path}`' for path in outside[:4])}"
            f"{f' and {len(outside) - 4} more' if len(outside) > 4 else ''}",
            hint="`--follow` packs their targets instead, `--exclude` leaves them out",
        )


def status_of(path: str) -> os.stat_result:
    """Return the status of a file.

    :raises ClocheError: it does not exist or cannot be read.
    """
    try:
        return os.lstat(path)
    except OSError as error:
        raise ClocheError(f"cannot read `{path}`: {reason_of(error)}") from error


def is_left_out(path: str, name: str, patterns: Sequence[str]) -> bool:
    """Return whether a pattern matches a name, or a path relative to the environment."""
    return any(fnmatchcase(path, pattern) or fnmatchcase(name, pattern) for pattern in patterns)


def is_permanent(path: str) -> bool:
    """Return whether bytecode comes from the image of an interpreter, and is the same everywhere."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(8)[4:] == UNCHECKED and int(os.fstat(file.fileno()).st_mtime) == SECONDS
    except OSError:
        return False


def inner_target(path: str, link: str, root: str) -> str:
    """Return the target of a link, relative to its directory; empty if it leads out of the environment."""
    target = os.readlink(link)
    if os.path.isabs(target):
        if not is_within(os.path.normpath(target), root):
            return ""
        target = os.path.relpath(target, os.path.dirname(link))
    inside = not os.path.normpath(os.path.join(os.path.dirname(path), target)).startswith("..")
    return target if inside and is_within(os.path.realpath(link), os.path.realpath(root)) else ""


def is_python_link(path: str, environment: Environment) -> bool:
    """Return whether a link is one of the names of the interpreter."""
    directory, _, name = path.rpartition("/")
    return directory == environment.layout.bin and name.startswith(("python", "pypy"))


def with_portable_content(entry: Entry, entries: Sequence[Entry]) -> Entry:
    """Return an entry without references to bytecode, to files that are left out, or to the path of the environment.

    Whether a RECORD lists bytecode depends on when it was compiled. pip finds it without.

    :raises ClocheError: the file cannot be read.
    """
    is_record = entry.path.endswith(".dist-info/RECORD")
    if entry.kind != "file" or not (is_record or entry.path in (pyvenv_cfg.NAME, MANIFEST, RUNTIME_MANIFEST)):
        return entry
    old = read_whole(entry.source)
    text = old.decode("utf-8", "surrogateescape")
    if entry.path == pyvenv_cfg.NAME:
        return with_content(entry, old, packed_settings(text))
    paths = {other.path for other in entries}
    if is_record:
        site = os.path.dirname(os.path.dirname(entry.path))
        rows = [row[0] for row in parse_rows(text)]
        lost = frozenset(
            row for row in rows if "__pycache__/" in row or os.path.normpath(os.path.join(site, row)) not in paths
        )
        return with_content(entry, old, remove_rows(text, lost).encode("utf-8", "surrogateescape"))
    lines = [line for line in text.splitlines(keepends=True) if line.rstrip("\n").partition("  ")[2] in paths]
    kept = "".join(lines)
    if entry.path == RUNTIME_MANIFEST:
        return with_content(entry, old, kept.encode("utf-8", "surrogateescape"))
    before = {other.path: other.source for other in entries if other.content is not None}
    changed = {other.path: other.content for other in entries if other.content is not None}
    return with_content(entry, old, update_manifest(kept, changed, lambda path: read_whole(before[path])))


def read_whole(path: str) -> bytes:
    """Return the content of a file.

    :raises ClocheError: it cannot be read.
    """
    return b"".join(read_source(path, status_of(path).st_size))


def with_content(entry: Entry, old: bytes, new: bytes) -> Entry:
    """Return an entry with this content; the same entry if it does not differ."""
    return entry if old == new else Entry(entry.path, entry.kind, entry.source, "", entry.mode, new)


def packed_settings(text: str) -> bytes:
    """Return the content of `pyvenv.cfg` without the settings that say how and where the environment was created."""
    keys = ("command", pyvenv_cfg.ADDED_KEY)
    lines = [line for line in text.splitlines(keepends=True) if line.partition("=")[0].strip() not in keys]
    return "".join(lines).encode("utf-8", "surrogateescape")


def pack_environment(plan: PackPlan, session: Session) -> int:
    """Write an archive; return its number of members. The caller holds the lock of the environment.

    :raises DestinationError: another program has created a file with the name of the output.
    :raises ClocheError: a file changed while it was read, or the archive cannot be written; nothing is left of it.
    """
    staging = ""

    def write(path: str, scratch: str) -> int:
        nonlocal staging
        staging = os.path.dirname(scratch)
        return write_archive(plan, path, scratch, session)

    try:
        return create_output(plan.output, "replaced" if plan.overwrites else "kept", write)
    except DestinationChanged:
        raise DestinationError(f"the output `{plan.output}` already exists", hint="choose another path") from None
    except ClocheError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and (cause.filename is None or is_within(str(cause.filename), staging)):
            raise write_error(plan.output, OSError(cause.errno, cause.strerror)) from error
        raise
    except OSError as error:
        raise write_error(plan.output, OSError(error.errno, error.strerror)) from error


def write_archive(plan: PackPlan, path: str, scratch: str, session: Session) -> int:
    """Write an archive to a path that does not exist; return its number of members."""
    component = plan.component
    packer = component.load()
    compiled = compile_modules(plan, scratch, session)
    count = [0]
    call_component(
        lambda: packer.write(members(plan, compiled, count), path), "packer", component.name, component.source
    )
    return count[0]


def compile_modules(plan: PackPlan, directory: str, session: Session) -> dict[str, str]:
    """Compile modules in a fixed order; return the path of each result by its path in the environment."""
    interpreter = plan.environment.interpreter
    if not plan.modules or interpreter is None:
        return {}
    session.progress(f"compiling {len(plan.modules)} modules")
    root, name = os.path.split(plan.environment.location)
    compiler = Compiler(interpreter, session.host, root, plan.time, 0o644, "unchecked-hash")
    try:
        for number, path in enumerate(plan.modules):
            size = os.path.getsize(os.path.join(root, name, path))
            compiler.add(f"{name}/{path}", os.path.join(directory, f"{number}.pyc"), size)
        done = {path for _, _, path in compiler.results()}
    except SeedError as error:
        if os.strerror(errno.ENOSPC) in error.message:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise
    finally:
        compiler.close()
    results = {}
    for number, path in enumerate(plan.modules):
        result = os.path.join(directory, f"{number}.pyc")
        if result in done:
            results[bytecode_path(path, interpreter.cache_tag)] = result
    return results


def members(plan: PackPlan, compiled: dict[str, str], count: list[int]) -> Iterator[Member]:
    """Yield the members of an archive; the last one lists the hashes of all files before it."""
    entries = {entry.path: entry for entry in plan.entries}
    entries.update({path: Entry(path, "file", source) for path, source in compiled.items()})
    for path in list(compiled):
        parent = os.path.dirname(path)
        entries.setdefault(parent, Entry(parent, "directory", mode=0o755))
    has_files = {os.path.dirname(path) for path in entries}
    top = f"{plan.prefix}/" if plan.prefix else ""
    hashes: dict[str, str] = {}
    if top:
        count[0] += 1
        yield Member(plan.prefix, "directory", 0o755, plan.time)
    for path in sorted(entries, key=lambda path: os.fsencode(path).split(b"/")):
        entry = entries[path]
        if entry.kind == "directory" and path.endswith("__pycache__") and path not in has_files:
            continue  # nothing was kept of it
        count[0] += 1
        if entry.kind != "file":
            kind: Literal["link", "directory"] = "link" if entry.kind == "link" else "directory"
            yield Member(top + path, kind, entry.mode, plan.time, 0, entry.target)
            continue
        size = len(entry.content) if entry.content is not None else status_of(entry.source).st_size

        def read(entry: Entry = entry, size: int = size) -> Iterator[bytes]:
            digest = sha256()
            for piece in read_source(entry.source, size) if entry.content is None else (entry.content,):
                digest.update(piece)
                yield piece
            hashes[entry.path] = digest.hexdigest()

        yield Member(top + path, "file", entry.mode, plan.time, size, reader=read)
    content = format_manifest(hashes)
    yield Member(top + FILES, "file", 0o644, plan.time, len(content), reader=lambda: iter((content,)))


def read_source(path: str, size: int) -> Iterator[bytes]:
    """Yield the content of a file that has this size.

    :raises ClocheError: it cannot be read, or changed meanwhile.
    """
    try:
        descriptor = open_for_reading(path)
    except OSError as error:
        raise ClocheError(f"cannot read `{path}`: {reason_of(error)}") from error
    try:
        before = os.fstat(descriptor)
        total = 0
        while before.st_mode >> 12 == REGULAR and (piece := os.read(descriptor, PIECE)):
            total += len(piece)
            if total > size:
                break
            yield piece
        after = os.fstat(descriptor)
        if total != size or (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise ClocheError(f"`{path}` changed while it was read", hint="wait until nothing uses it, and try again")
    finally:
        os.close(descriptor)

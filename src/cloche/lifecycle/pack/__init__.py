"""Write an environment as one archive. The same content always gives the same bytes, regardless of user, path and time.

Owners, permissions, times and the order of names are normalized. Bytecode has unchecked hashes (PEP 552). The archive
ends with a list of the hashes of its files, which `cloche unpack` checks.
"""

from __future__ import annotations

import os
from functools import partial
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, Literal

from cloche.apply import DestinationChanged, write_error
from cloche.apply.output import create_output
from cloche.errors import ClocheError, DestinationError, UsageError, counted
from cloche.fs import is_within
from cloche.fs.manifests import FILES, format_manifest
from cloche.lifecycle.info import environment_info
from cloche.lifecycle.pack.bytecode import BytecodeSource
from cloche.lifecycle.pack.content import with_portable_content
from cloche.lifecycle.pack.embedded import outside_directories
from cloche.lifecycle.pack.entries import PIECE, Entry, find_entries, read_exactly, read_source
from cloche.model.archive import LONGEST_NAME, MAX_RATIO, MEMBER_SIZE, SAME_TIME, Member, largest_content
from cloche.model.value import Value
from cloche.planning import pyvenv_cfg
from cloche.planning.destination import absolute_path, read_settings
from cloche.plugins import call_component, check_refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.pack.entries import PackRequest
    from cloche.model.environment import Environment
    from cloche.plugins.components import Component
    from cloche.plugins.hookspecs import Packer
    from cloche.session import Session

PAUSE = 0.1
"""Seconds between two updates of the progress."""


class PackPlan(Value):
    """Every decision about an archive. Nothing has been written yet."""

    environment: Environment
    output: str
    component: Component
    prefix: str
    entries: tuple[Entry, ...]
    """Without bytecode."""
    bytecode: BytecodeSource
    time: int
    overwrites: bool
    unchanged_mentions: tuple[str, ...]
    """Files that will still contain the path of the environment, sorted."""


def plan_pack(request: PackRequest, session: Session) -> PackPlan:
    """Decide what an archive contains.

    :raises UsageError: an argument is not valid.
    :raises DestinationError: there is no environment, or the output cannot be written there.
    :raises ClocheError: the environment would not work elsewhere.
    """
    host = session.host
    info = environment_info(request.path, session)
    environment = info.environment
    output = absolute_path(request.output, host)
    refuse_output(output, environment.location, request)
    time = time_of_members(host.environ.get("SOURCE_DATE_EPOCH", ""))
    refuse_prefix(request.prefix)
    component = packer_for(request, session)
    refuse_dependent(environment, info.editable, request)
    entries, used, tree = find_entries(environment, request)
    session.warn(f"`--exclude {pattern}` matches nothing" for pattern in sorted({*request.exclude} - used))
    if info.editable:
        from cloche.lifecycle.pack.editables import with_ordinary_installs

        entries = with_ordinary_installs(entries, info.editable, environment, session)
    entries, unchanged = with_portable_content(entries, info, tree)
    session.warn(outside_directories(entries, environment))
    kept = {entry.path for entry in entries}
    for path in (environment.layout.config, environment.layout.executable):
        directory = path.rpartition("/")[0]
        if path not in kept and (
            not directory or directory in kept
        ):  # without `bin`, the archive is one of packages only
            raise UsageError(
                f"`--exclude` leaves out `{path}`, which every environment needs",
                hint="use a pattern that does not match it",
            )
    files = tuple(entry for entry in entries if entry.kind != "bytecode")
    bytecode = BytecodeSource(environment, entries, request.exclude, time, session.store)
    overwrites = request.overwrites
    return PackPlan(environment, output, component, request.prefix, files, bytecode, time, overwrites, unchanged)


def refuse_prefix(name: str) -> None:
    """Refuse a top directory that some system or archive cannot have.

    :raises UsageError: it is refused.
    """
    if not name:
        return
    is_printable = name.isprintable() and name.strip() == name  # undecodable bytes are not printable
    if name in (".", "..") or set("/\\") & set(name) or not is_printable or len(name.encode()) > LONGEST_NAME:
        raise UsageError(f"`{name}` is not a valid directory name", hint="give `--prefix` one name without separators")


def refuse_output(output: str, location: str, request: PackRequest) -> None:
    """Refuse an output that is not a file, that is inside the environment, or that must not be replaced.

    :raises UsageError: it stands for the standard output.
    :raises DestinationError: it is refused.
    """
    if request.output == "-":
        raise UsageError("an archive cannot be written to standard output", hint="`-o ./-` writes a file of that name")
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
    if is_open_file(real) or (os.path.exists(output) and not os.path.isfile(output)):
        raise DestinationError(
            f"the output `{output}` is a device, a pipe or a socket", hint="choose a path that does not exist"
        )
    if os.path.lexists(output) and not request.overwrites:
        raise DestinationError(f"the output `{output}` already exists", hint="choose another path")


def is_open_file(path: str) -> bool:
    """Return whether a path stands for a file that a process has opened, such as `/dev/stdout`; replacing it breaks others."""
    return os.path.dirname(path) in ("/dev", "/dev/fd") or is_within(path, "/proc")


def time_of_members(text: str) -> int:
    """Return the time of all members: `SOURCE_DATE_EPOCH`, or a constant.

    :raises UsageError: the variable is not a number of seconds that every format can hold.
    """
    if not text:
        return SAME_TIME
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
        suffixes = dict(usable_suffixes(available, session))
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


def usable_suffixes(packers: Iterable[Component], session: Session) -> Iterator[tuple[str, Component]]:
    """Yield the suffix of each packer; one that fails is left out, with a warning."""
    for component in packers:
        try:
            check = partial(check_suffix, component.load())
            yield call_component(check, "packer", component.name, component.source), component
        except ClocheError as error:
            session.warn([error.message])


def check_suffix(packer: Packer) -> str:
    """Return the suffix of a packer.

    :raises TypeError: it is not a string.
    """
    suffix: object = packer.suffix
    if not isinstance(suffix, str):
        raise TypeError(f"`suffix` is {suffix!r}: expected a string such as `.tar.gz`")
    return suffix


def refuse_dependent(environment: Environment, editable: Sequence[InstalledDistribution], request: PackRequest) -> None:
    """Refuse an environment that would not work elsewhere.

    :raises ClocheError: it depends on its path, its base interpreter, or the source of an editable install.
    """
    location = environment.location
    settings = read_settings(location)
    if not pyvenv_cfg.is_relocatable(settings):
        raise ClocheError(
            f"`{location}` does not work from another path: it is not relocatable",
            hint="`cloche ./portable --creator portable` creates one that does",
        )
    if not pyvenv_cfg.is_portable(settings) and not request.base_outside:
        raise ClocheError(
            f"`{location}` does not work without the Python in `{settings.get('home', '')}`",
            hint="`cloche ./portable --creator portable` creates one that does; or use `--with-base-outside`",
        )
    if environment.interpreter is None:
        raise ClocheError(f"the Python of `{location}` does not start", hint="`cloche doctor` finds out why")
    if editable and not request.follows:
        sources = ", ".join(f"{found.name} (`{found.editable}`)" for found in editable)
        raise ClocheError(
            f"`{location}` contains editable installs, whose source is outside: {sources}",
            hint="`--follow` builds them, and packs the result",
        )


def pack_environment(plan: PackPlan, session: Session) -> int:
    """Write an archive; return its number of members. The caller owns the lock of the environment.

    :raises DestinationError: another program has created a file with the name of the output.
    :raises ClocheError: a file changed while it was being read, or the archive cannot be written; nothing is left of it.
    """
    staging = ""

    def write(path: str, scratch: str) -> Members:
        nonlocal staging
        staging = os.path.dirname(scratch)
        return write_archive(plan, path, scratch, session)

    try:
        written = create_output(plan.output, "replaced" if plan.overwrites else "kept", write)
    except DestinationChanged:
        raise DestinationError(f"the output `{plan.output}` already exists", hint="choose another path") from None
    except ClocheError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and (cause.filename is None or is_within(str(cause.filename), staging)):
            raise write_error(plan.output, OSError(cause.errno, cause.strerror)) from error
        raise
    except OSError as error:
        raise write_error(plan.output, OSError(error.errno, error.strerror)) from error
    if not os.path.isdir(plan.output) and written.unpacked_size > largest_content(os.path.getsize(plan.output)):
        refused = f"`cloche unpack` refuses `{plan.output}`, because it expands to more than {MAX_RATIO} times its size"
        session.warn([f"{refused}; leave large files out with `--exclude`, or unpack it with another program"])
    return written.count


def write_archive(plan: PackPlan, path: str, scratch: str, session: Session) -> Members:
    """Write an archive to a path that does not exist; return its members."""
    component = plan.component
    packer = component.load()
    if count := len(plan.bytecode.modules) - len(plan.bytecode.taken):
        session.progress(f"compiling {counted(count, 'module')}")
    entries = sorted_entries(plan, plan.bytecode.entries(scratch))
    written = Members(plan, entries, scratch, session)
    call_component(lambda: packer.write(iter(written), path), "packer", component.name, component.source)
    if not os.path.lexists(path):
        raise component.contract_error("`write` did not create the archive")
    return written


def sorted_entries(plan: PackPlan, bytecode: Iterable[Entry]) -> list[Entry]:
    """Return what an archive contains in the order in which it is written, a directory before its content.

    :param bytecode: bytecode files, which get a directory.
    """
    entries = {entry.path: entry for entry in (*plan.entries, *bytecode)}
    for parent in {path.rpartition("/")[0] for path in entries} - entries.keys() - {""}:
        entries[parent] = Entry(parent, "directory", mode=0o755)
    keys = {path.replace("/", "\0"): path for path in entries}
    order = sorted(keys) if "".join(keys).isascii() else sorted(keys, key=os.fsencode)
    return [entries[keys[key]] for key in order]


class Members:
    """The members of an archive; the last one lists the hashes of all files before it."""

    def __init__(self, plan: PackPlan, entries: Sequence[Entry], scratch: str, session: Session) -> None:
        """Prepare to read these entries.

        :param scratch: a directory for intermediate files.
        """
        self.plan = plan
        self.entries = entries
        self.scratch = scratch
        self.session = session
        self.progress = Progress(plan.environment.location, sum(entry.size for entry in entries), session)
        self.top = f"{plan.prefix}/" if plan.prefix else ""
        self.hashes: dict[str, str] = {}
        self.sources: dict[str, bytes] = {}
        """The sources that were read and hashed before their turn, because of their bytecode."""
        self.count = 0
        self.unpacked_size = 0
        """What they count for when the archive is unpacked, in bytes."""

    def __iter__(self) -> Iterator[Member]:
        for member in self.generate():
            self.count += 1
            self.unpacked_size += MEMBER_SIZE + member.size
            yield member

    def generate(self) -> Iterator[Member]:
        plan, top = self.plan, self.top
        if top:
            yield Member(plan.prefix, "directory", 0o755, plan.time)
        empty: Entry | None = None
        """The last directory for bytecode, as long as it has no content."""
        for entry in self.entries:
            if entry.kind == "file":
                file = self.file(entry)
                if file is None:
                    continue
                if empty is not None and entry.path.startswith(f"{empty.path}/"):
                    yield Member(top + empty.path, "directory", empty.mode, plan.time)
                    empty = None
                yield file
            elif entry.kind == "directory" and entry.path.endswith("__pycache__"):
                empty = entry
            else:
                kind: Literal["link", "directory"] = "link" if entry.kind == "link" else "directory"
                yield Member(top + entry.path, kind, entry.mode, plan.time, 0, entry.target)
        content = format_manifest(self.hashes)
        yield Member(top + FILES, "file", 0o644, plan.time, len(content), reader=lambda: iter((content,)))

    def file(self, entry: Entry) -> Member | None:
        """Return a file; None for bytecode of a module that cannot be compiled."""
        if entry.size > PIECE and not entry.module and entry.path not in self.sources:
            return self.large_file(entry)
        content = self.content(entry)
        if content is None:
            return None
        if entry.path not in self.hashes:
            self.hashes[entry.path] = sha256(content).hexdigest()
        size = len(content)
        self.progress.add(size)
        reader = partial(iter, (content,))
        return Member(self.top + entry.path, "file", entry.mode, self.plan.time, size, "", reader)

    def content(self, entry: Entry) -> bytes | None:
        if entry.module:
            module = self.plan.bytecode.modules[entry.module]
            source = self.sources[entry.module] = read_exactly(module.source, module.size)
            digest = sha256(source)
            self.hashes[entry.module] = digest.hexdigest()
            scratch = os.path.join(self.scratch, f"{len(self.hashes)}")
            return self.plan.bytecode.read(entry, digest.digest(), scratch)
        if entry.content is not None:
            return entry.content
        read = self.sources.pop(entry.path, None)
        return read_exactly(entry.source, entry.size) if read is None else read

    def large_file(self, entry: Entry) -> Member:
        """Return a file that is read in pieces."""

        def read() -> Iterator[bytes]:
            digest = sha256()
            for piece in read_source(entry.source, entry.size) if entry.content is None else (entry.content,):
                digest.update(piece)
                self.progress.add(len(piece))
                yield piece
            self.hashes[entry.path] = digest.hexdigest()

        return Member(self.top + entry.path, "file", entry.mode, self.plan.time, entry.size, reader=read)


class Progress:
    """Reports how much of an environment has been read."""

    def __init__(self, location: str, total: int, session: Session) -> None:
        self.location = location
        self.total = total
        self.session = session
        self.done = 0
        self.shown = 0.0
        """When the progress was last reported."""

    def add(self, size: int) -> None:
        self.done += size
        if (now := monotonic()) - self.shown > PAUSE:
            self.shown = now
            percent = 100 * self.done // max(self.total, 1)
            text = f"packing {percent} % of `{self.location}`"
            self.session.progress(text, bytes=self.done, total_bytes=self.total)

"""Verify an environment: compare every file with what was installed, and change nothing.

`expectations` knows what a file must be. Bytecode has no recorded hash, because Python writes it. It must equal the bytecode
in the image, or what its source compiles to.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections import Counter
from functools import cached_property
from time import monotonic

from cloche.errors import ClocheError, counted, reason_of
from cloche.fs import is_unreadable, read_at_most
from cloche.fs.manifests import MANIFEST, hash_file, sha256_of
from cloche.fs.signatures import path_signature
from cloche.fs.threads import map_in_threads
from cloche.lifecycle.embedded_paths.activation_scripts import shells_by_script
from cloche.lifecycle.locked.up_to_date import record_differences
from cloche.lifecycle.loose_files import STARTUP_FILES
from cloche.lifecycle.reader import copied_links, created_by, effective_settings, read_environment, unusable_base
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.lifecycle.recorded_command import lock_command
from cloche.lifecycle.tool_edits import TOOL_EDITS, tool_of_file
from cloche.lifecycle.tree import File, Tree, is_same_content, walk_files
from cloche.lifecycle.verify.compiled import Compiled, compare_bytecode
from cloche.lifecycle.verify.expectations import Expectations
from cloche.model.metadata import normalize_name
from cloche.model.value import TYPE_CHECKING, Value
from cloche.planning.merging import OTHERS_SCRIPTS
from cloche.planning.pyvenv_cfg import is_portable
from cloche.programs.failures import is_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Literal

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.verify.expectations import Expected
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment
    from cloche.session import Session

THREADS = 4
"""The number of threads that read files. More do not help, because Python runs one of them at a time."""

CHUNK = 64
"""The number of files that a thread takes at a time."""

VERIFIED = ("share", "etc", "man")
"""Directories in the root, in addition to those of the scheme, that contain only installed files."""

REPAIRED = ("lock", "modified", "missing", "bytecode")
"""The kinds of differences that an update from the lock file repairs."""

BYTECODE = re.compile(
    r"(?P<directory>.*/)?__pycache__/(?P<stem>[^/]+?)\.(?P<tag>[^./]+)(?:\.opt-(?P<level>[12]))?\.pyc"
)


class Difference(Value):
    """One difference between an environment and what was installed in it."""

    kind: str
    """`modified`, `missing`, `added`, `bytecode`, `link`, `mode` or `lock`."""
    path: str
    """Relative to the root."""
    message: str
    """The difference, as a lower-case fragment that follows the path."""
    distribution: str = ""
    """The distribution that the file belongs to, `NAME VERSION`; empty if it belongs to none."""


class Verification(Value):
    """The result of verifying an environment."""

    environment: Environment
    differences: tuple[Difference, ...]
    files: int
    """The number of files that were compared."""
    size: int
    """Their size in bytes."""
    unverified: tuple[str, ...]
    """What could not be verified, and why; one line each."""
    remedy: str = ""
    """The command that brings the environment into line with its lock file, if that repairs one of the differences."""


def verify_environment(
    path: str, session: Session, *, bytecode: Literal["compared", "skipped"] = "compared"
) -> Verification:
    """Compare every file of an environment with what was installed.

    :param bytecode: whether to compile every module whose bytecode is not that of an image, which takes long.
    :raises DestinationError: there is no environment at the path.
    :raises ClocheError: another process replaced or changed it at the same time.
    """
    environment = read_environment(path, session.host, session.probes)
    before = state_of(environment.location)
    try:
        found = Verifier(environment, session, bytecode).run()
    except FileNotFoundError:
        if state_of(environment.location) == before:
            raise
    if state_of(environment.location) != before:
        raise ClocheError(
            f"another process has changed `{environment.location}`", hint="wait until it is done, and try again"
        )
    if found.differences:  # so that the next run with a lock file repairs them
        owners = {
            item.path: normalize_name(item.distribution.rpartition(" ")[0])
            for item in found.differences
            if item.kind in ("modified", "bytecode") and item.distribution
        }
        record_differences(environment.location, owners, session.plan_cache)
    return found


def state_of(root: str) -> tuple[object, ...]:
    """Return a value that changes if an environment is moved, replaced, or changed by a run of cloche."""
    try:
        status = os.stat(root)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, path_signature(os.path.join(root, MANIFEST))


class Verifier:
    """Collects the differences of one environment."""

    def __init__(
        self, environment: Environment, session: Session, bytecode: Literal["compared", "skipped"] = "compared"
    ) -> None:
        self.environment = environment
        self.session = session
        self.bytecode = bytecode
        self.root = environment.location
        self.settings = effective_settings(self.root)
        self.differences: list[Difference] = []
        self.unverified: list[str] = []
        self.known = Expectations(environment, self.settings, session, self.report, self.unverified)

    @property
    def base_problem(self) -> str:
        """Why the base interpreter cannot be used, as a fragment."""
        found = unusable_base(self.root, self.settings, self.session.host, self.session.probes)
        return found[1] if found else "no longer exists"

    def run(self) -> Verification:
        self.known.collect()
        files = {file.path: file for file in walk_files(self.root, self.note_unreadable)}
        files.update(self.files_behind_links(files))
        compared = {path: files[path] for path in self.known.expected if path in files}
        self.report_missing(files)
        self.compare_contents(list(compared))
        self.check_links(files)
        bytecode = self.bytecode_files(files)
        self.check_added(files, bytecode)
        if self.bytecode == "compared":
            self.check_bytecode([item for item in bytecode.values() if item.source in compared])
        self.check_modes(files)
        self.check_lock()
        differences = sorted(dict.fromkeys(self.differences), key=lambda item: (item.path, item.kind, item.message))
        size = sum(file.size or self.size_of(path) for path, file in compared.items())
        repairable = any(item.kind in REPAIRED for item in differences)
        remedy = lock_command(self.settings, self.root) if repairable else ""
        return Verification(self.environment, tuple(differences), len(compared), size, tuple(self.unverified), remedy)

    def size_of(self, path: str) -> int:
        """Return the size of what a path leads to in bytes; 0 if it does not exist."""
        try:
            return os.stat(os.path.join(self.root, path)).st_size
        except OSError:
            return 0

    def note_unreadable(self, error: OSError) -> None:
        path = os.path.relpath(error.filename, self.root)
        self.unverified.append(f"`{path}`, which cannot be read ({reason_of(error)})")

    def report(self, kind: str, path: str, message: str) -> None:
        self.differences.append(Difference(kind, path, message, self.known.owners.get(path, "")))

    def files_behind_links(self, files: Mapping[str, File]) -> dict[str, File]:
        """Return the files of packages in directories that links lead to, such as those of a cache, by path."""
        return {
            f"{link}/{file.path}": File(f"{link}/{file.path}", file.kind, file.size)
            for link in self.directories_of_packages.intersection(files)
            for file in walk_files(os.path.join(self.root, link), self.note_unreadable)
        }

    @cached_property
    def directories_of_packages(self) -> frozenset[str]:
        """The directories that contain files with a recorded hash."""
        return frozenset(
            path[:index] for path in self.known.expected for index, letter in enumerate(path) if letter == "/"
        )

    # Comparisons

    def report_missing(self, files: Mapping[str, File]) -> None:
        for path in self.known.expected.keys() - files.keys():
            full_path = os.path.join(self.root, path)  # it may be behind a link to a directory
            if not os.path.lexists(full_path):
                self.report("missing", path, "is missing")
            elif not os.path.isfile(full_path):
                self.report("modified", path, "is not a file")
        for path, owner in self.known.owners.items():
            if path in self.known.expected or path in files or path.endswith((".pyc", "__pycache__")):
                continue
            if owner not in self.known.unlisted and not os.path.lexists(os.path.join(self.root, path)):
                self.report("missing", path, "is missing")

    def compare_contents(self, paths: list[str]) -> None:
        """Read every file once, in several threads, and compare its hashes."""
        started, done = monotonic(), 0
        chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
        for chunk, found in zip(chunks, map_in_threads(self.compare_chunk, chunks, THREADS), strict=True):
            self.differences += found
            done += len(chunk)
            if monotonic() - started > 1:
                text = f"verifying {done} of {len(paths)} files"
                self.session.progress(text, files=done, total_files=len(paths))

    def compare_chunk(self, paths: Iterable[str]) -> list[Difference]:
        return [
            Difference("modified", path, problem, self.known.expected[path].distribution)
            for path in paths
            if (problem := self.content_problem(path, self.known.expected[path])) and not self.is_tool_edit(path)
        ]

    def is_tool_edit(self, path: str) -> bool:
        """Return whether a modified script differs from what was installed only by the change of a known tool."""
        if not path.startswith(f"{self.environment.layout.bin}/"):
            return False
        content = read_at_most(os.path.join(self.root, path), 1 << 20) or b""
        return all(
            any(sha256_of(edit.undo(content)) == digest for edit in TOOL_EDITS)
            for algorithm, digest in self.known.expected[path].digests
            if algorithm == "sha256"
        )

    def content_problem(self, path: str, expected: Expected) -> str:
        """Return how the content of a file differs from what is expected; empty if it does not."""
        full_path = os.path.join(self.root, path)
        hashed: dict[str, str] = {}
        try:
            if expected.size and str(os.stat(full_path).st_size) != expected.size:
                return f"was modified: it has {os.stat(full_path).st_size} bytes instead of {expected.size}"
            for algorithm, digest in expected.digests:
                if algorithm not in hashed:
                    hashed[algorithm] = hash_file(full_path, algorithm)
                if hashed[algorithm] != digest:
                    return "was modified"
        except OSError as error:
            return f"cannot be read: {(error.strerror or str(error)).lower()}"
        except (ValueError, TypeError):
            return f"cannot be verified: its hash is not of a known kind (`{algorithm}`)"
        return ""

    def check_links(self, files: Mapping[str, File]) -> None:
        """Check that the links to the Python lead to the base interpreter, and that copies of it are equal to it."""
        environment, layout = self.environment, self.environment.layout
        for path, target in copied_links(environment):
            self.report("link", path, f"is a directory, and not a link to `{target}`")
        for path, target in layout.links:
            found = read_link(os.path.join(self.root, path))
            if path in files and found != target:
                self.report("link", path, f"leads to `{found}` instead of `{target}`")
            elif self.known.is_ours and not os.path.lexists(os.path.join(self.root, path)):
                self.report("missing", path, "is missing")
        needed = layout.names if self.known.is_ours else [posixpath.basename(layout.executable)]
        for name in needed:
            if not os.path.lexists(environment.path_to(f"{layout.bin}/{name}")):
                self.report("missing", f"{layout.bin}/{name}", "is missing")
        base = environment.interpreter.executable if environment.interpreter else ""
        if not base and not is_portable(self.settings):
            self.unverified.append(f"the links to the base interpreter, because it {self.base_problem}")
        for path in self.pythons(files):
            full_path = os.path.join(self.root, path)
            if path in self.known.expected:
                continue
            if is_portable(self.settings):
                inside = os.path.relpath(os.path.realpath(full_path), os.path.realpath(self.root)).replace(os.sep, "/")
                if inside not in self.known.expected:
                    self.report("link", path, f"leads to `{inside}`, which is not a file of its Python")
            elif is_unreadable(full_path):
                continue  # what permissions hide may exist; the base is listed as unverified
            elif not os.path.exists(full_path):
                self.report("link", path, f"leads to `{read_link(full_path)}`, which does not exist")
            elif not base:
                continue
            elif os.path.islink(full_path):
                if not os.path.samefile(full_path, base):
                    self.report("link", path, f"leads to `{os.path.realpath(full_path)}` instead of `{base}`")
            elif environment.os_name != "nt" and not is_same_content(full_path, base):
                self.report("modified", path, f"is not a copy of `{base}`")

    def pythons(self, files: Iterable[str]) -> list[str]:
        """Return the paths of the Pythons in the directory for scripts."""
        prefix = f"{self.environment.layout.bin}/"
        return [path for path in files if path.startswith(prefix) and PYTHON_NAME.fullmatch(path[len(prefix) :])]

    def unlisted_files(self, files: Iterable[str]) -> Iterator[str]:
        """Yield the files without a recorded hash in the directories that contain only installed files."""
        layout = self.environment.layout
        scheme = (layout.bin, layout.include, layout.purelib, layout.platlib)
        tops = {path.partition("/")[0] for path in scheme} | {*VERIFIED, *(link for link, _ in layout.links)}
        copies = tuple(f"{path}/" for path, _ in copied_links(self.environment))  # reported by `check_links`
        for path in files:
            if path not in self.known.expected and path.partition("/")[0] in tops and not path.startswith(copies):
                yield path

    def bytecode_files(self, files: Mapping[str, File]) -> dict[str, Compiled]:
        """Return the unlisted bytecode files by path; each belongs to the distribution of its source."""
        found = {}
        for path in self.unlisted_files(files):
            match = BYTECODE.fullmatch(path)
            if match and (files[path].kind == "file" or self.is_installed_link(files[path])):
                source = f"{match['directory'] or ''}{match['stem']}.py"
                found[path] = Compiled(path, source, match["tag"], int(match["level"] or 0))
                if source in self.known.expected and source in files:
                    self.known.owners.setdefault(path, self.known.owners.get(source, ""))
        return found

    def check_added(self, files: Mapping[str, File], bytecode: Mapping[str, Compiled]) -> None:
        """Report files in the directories of installed files that nothing lists, and bytecode without a source."""
        links = (link for link, _ in self.environment.layout.links)
        known = {*self.known.expected, *self.known.owners, *self.pythons(files), *links}
        if not self.known.is_ours:
            known |= {*self.files_of_other_tools(files), *self.directories_of_packages}  # pdm can link directories
        known |= {distribution.metadata for distribution in self.known.distributions}
        tools: Counter[str] = Counter()
        for path in self.unlisted_files(files):
            if path in bytecode:
                if bytecode[path].source not in files:
                    self.report("added", path, "is bytecode without its source")
            elif (path not in known or path.endswith(".pyc")) and not self.is_link_of_runtime(files[path]):
                if tool := tool_of_file(path):
                    tools[tool] += 1
                else:
                    self.report("added", path, "does not belong to a package or to the environment")
        self.unverified += (
            f"{counted(count, 'file')} of {tool}: nothing records their hashes" for tool, count in tools.items()
        )

    def is_installed_link(self, file: File) -> bool:
        """Return whether a package has a file that is a link to a regular file, as with `--link-mode symlink`."""
        return (
            file.kind == "link"
            and file.path in self.known.owners
            and os.path.isfile(os.path.join(self.root, file.path))
        )

    def is_link_of_runtime(self, file: File) -> bool:
        """Return whether a file is a link to a file of the interpreter in a portable environment."""
        if not is_portable(self.settings) or file.kind != "link" or "/site-packages/" in file.path:
            return False
        inside = os.path.relpath(os.path.realpath(os.path.join(self.root, file.path)), os.path.realpath(self.root))
        return inside.replace(os.sep, "/") in self.known.expected

    def files_of_other_tools(self, files: Iterable[str]) -> Iterator[str]:
        """Yield the files that other tools write without recording them."""
        names = [path for path in files if path.startswith(f"{self.environment.layout.bin}/")]
        scripts = shells_by_script([posixpath.basename(path) for path in names], self.environment, self.session)
        for path in names:
            name = posixpath.basename(path).lower()
            if name in scripts or name.startswith(OTHERS_SCRIPTS):
                yield path
        if created_by(self.settings).startswith("virtualenv"):
            yield from (path for path in files if posixpath.basename(path) in STARTUP_FILES)

    def check_bytecode(self, compiled: list[Compiled]) -> None:
        """Report bytecode that is neither that of its image nor what its source compiles to."""
        interpreter = self.environment.interpreter
        runtime = self.known.runtime_bytecode()
        left = []
        samples: dict[str, str] = {}
        """Bytecode that is exactly that of its image, by distribution."""
        for item in compiled:
            listed = self.known.images.get(self.known.owners.get(item.source, ""), {}).get(item.path)
            known = {listed} if listed else runtime.get(item.path, set())
            full_path = os.path.join(self.root, item.path)
            if known and hash_file(full_path) in known:
                samples.setdefault(self.known.owners.get(item.source, ""), full_path)
                continue
            if listed and os.stat(full_path).st_mtime_ns == self.known.times[self.known.owners[item.source]]:
                self.report("bytecode", item.path, "was modified")  # if Python had written it, the time would be later
                continue
            left.append((item, bool(listed)))
        if not left:
            return
        if interpreter is None:
            self.unverified.append(f"{counted(len(left), 'bytecode file')}: the base interpreter {self.base_problem}")
            return
        if is_portable(self.settings) and self.differences:
            self.unverified.append(
                f"{counted(len(left), 'bytecode file')}: the Python that would compile them is in the environment"
            )
            return
        self.session.progress(f"compiling {counted(len(left), 'module')} to compare their bytecode")
        site = self.environment.layout.purelib
        with_image = {item.path for item, has_image in left if has_image}
        items = [item for item, _ in left]
        verdicts = list(compare_bytecode(items, self.root, site, interpreter, self.session.host))
        counts = Counter(verdict for _, verdict in verdicts)
        for item, verdict in verdicts:
            # Bytecode that was compiled at another path either comes from the image and was modified, or was written by
            # Python before the environment was moved. In the second case, several files have that path.
            if verdict.startswith("image") and item.path in with_image:
                prefix = bytes.fromhex(verdict.partition(" ")[2])
                sample = read_at_most(samples.get(self.known.owners[item.source], ""), 1 << 24) or b""
                if prefix in sample or counts[verdict] == 1:
                    verdict = "different"
            if message := MESSAGES.get(verdict):
                self.report("bytecode", item.path, message)

    def check_modes(self, files: Mapping[str, File]) -> None:
        """Report permissions that installing does not give: to run as another user, and to be changed by every user."""
        for path in Tree(self.root).world_writable:
            self.report("mode", path, "every user can change it")
        if os.name == "nt":
            return
        scripts = f"{self.environment.layout.bin}/"
        for path, file in files.items():
            if file.kind != "file" or path not in (
                self.known.expected if path.startswith(scripts) else self.known.owners
            ):
                continue
            mode = os.lstat(os.path.join(self.root, path)).st_mode
            if mode & (stat.S_ISUID | stat.S_ISGID):
                self.report("mode", path, "it runs with the rights of its owner or group")
            is_script = path.startswith(scripts) and self.known.owners.get(path)
            if is_script and not mode & stat.S_IXUSR and is_program(os.path.join(self.root, path)):
                self.report("mode", path, "it is not executable")

    def check_lock(self) -> None:
        """Report how the packages differ from the lock file as it is now."""
        if "lock" not in self.settings:
            return
        from cloche.lifecycle.locked.comparison import LockComparison

        def image_of(distribution: InstalledDistribution) -> Image | None:
            return self.known.sources.get(f"{distribution.name} {distribution.version}")

        comparison = LockComparison(self.environment, self.settings, image_of, self.session.store)
        for path, message in comparison.differences(self.known.distributions):
            self.report("lock", path, message)
        self.unverified += comparison.unverified


MESSAGES = {
    "different": "is not what its source compiles to",
    "stale": "was not compiled from its current source",
    "other": "is for another Python, or damaged",
}
"""What is wrong with bytecode, by the verdict of `_compare_bytecode.py`."""


def read_link(path: str) -> str:
    """Return the target of a link; empty if the path is not a link."""
    try:
        return os.readlink(path)
    except OSError:
        return ""

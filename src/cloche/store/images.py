"""Images: distributions unpacked once for each ABI, published whole, and never changed afterwards.

An image is a directory `images/<byte-code ABI>/<name>-<version>-<content>`. In it, for each tree of the wheel that has
files, `purelib/…` holds the files, `purelib.manifest` lists them with size, time and hash, and `purelib.record` holds
their rows of a RECORD, relative to the tree; `shebangs/` has the scripts whose first line names the environment's
Python; `image.json` describes it, and `manifest` lists these files themselves.

Byte-code that lies about for the very same ABI is taken over. To compile what is left takes longer than all else, so it
waits until an environment has got the image and another one is to: then one with byte-code takes its place. Who makes one
environment, in a fresh container say, does not pay for the next thousand. The image's directory has the time of its files
until it was laid down for the first time (see `Store.mark_installed`).

The time of every file is the same and derived from the content, so that equal images are equal on every machine, and
byte-code of one is never taken for that of another. It is an even number of seconds, which every file system can hold.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import re
import stat
from typing import TYPE_CHECKING

from cloche.apply.file_list import FileList, format_file_list, read_file_list
from cloche.errors import SeedError, reason_of
from cloche.fs.files import read_plain, write_all
from cloche.model.distribution import EntryPoint, Image
from cloche.model.value import fields
from cloche.store import bytecode
from cloche.store.check import SEAL, check, check_tree, sealed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.model.distribution import Bytecode
    from cloche.model.interpreter import Host, Interpreter
    from cloche.store import Store
    from cloche.store.distributions import Distribution

FORMAT = 2
"""Raised when images of an earlier one must not be used."""

READ_ONLY = os.name != "nt"
"""Whether files are made read-only, so that an editor that opens one in an environment stops before it changes it in
all of them. Windows would not let such files be removed."""

SHEBANGS = "shebangs"
UNFINISHED = ".new"
DISCARDED = ".old"


def obtain(distribution: Distribution, interpreter: Interpreter, store: Store) -> Image:
    """Return the image of a distribution for an interpreter's ABI, built now if the store has no whole one.

    One without byte-code that an environment has got is compiled. Several processes may build at once: they get the same
    image, and one of them builds it.

    Where that fails, the one without is as good, and a warning says so.

    :raises SeedError: the distribution is damaged or hostile.
    """
    name = image_name(distribution)
    abi = abi_name(interpreter)
    attempts = 3
    while True:
        attempts -= 1
        found = _present(store, abi, name)
        if found and (found.bytecode == "complete" or not _was_laid(found) or not store.is_persistent):
            return found
        images = os.path.join(store.writable_directory("images"), abi)
        if found and not store.is_persistent_path(images):
            return found
        try:
            _make_own_directory(images)
            with store.lock(f"{abi}-{name}") as holder:
                meanwhile = _present(store, abi, name)
                if meanwhile and (meanwhile.bytecode == "complete" or not found):
                    return meanwhile
                if holder is None:
                    _sweep(images, name)
                elif holder:
                    store.warnings.append(f"building an image of `{name}` beside {holder}, which has it locked")
                again = os.path.lexists(os.path.join(images, name))
                doing = "compiling" if again else "unpacking"
                store.progress(f"{doing} {distribution.name} {distribution.version} for {interpreter.name}")
                _make(distribution, interpreter, store.host, images, name, compiling=again)
        except SeedError as error:
            if not found:
                raise
            store.warnings.append(f"{distribution.name} has no byte-code, because {error.message}")
            return found
        except FileNotFoundError as error:  # somebody is clearing the store under our hands
            if not attempts:
                raise _hindered(distribution, images, error) from error
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) or not store.is_persistent_path(images):
                raise _hindered(distribution, images, error) from error
            store.fall_back_to_temporary("images", f"is not writable ({reason_of(error)})")
        if not attempts:
            raise SeedError(
                f"the image `{images}/{name}` is removed or damaged as often as it is made", hint="try again"
            )


def _make(
    distribution: Distribution, interpreter: Interpreter, host: Host, images: str, name: str, *, compiling: bool
) -> None:
    """Build an image and give it its name; whatever happens, nothing unfinished is left.

    :raises FileNotFoundError: what was built has been removed meanwhile.
    """
    stage = os.path.join(images, f"{name}.{os.urandom(4).hex()}{UNFINISHED}")
    try:
        code = _build(distribution, interpreter, host, stage, compiling=compiling)
        _publish(stage, os.path.join(images, name), code)
    except SeedError as error:
        if os.path.isdir(stage):
            raise
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), stage) from error
    finally:
        remove(stage)


def _hindered(distribution: Distribution, images: str, error: OSError) -> SeedError:
    return SeedError(
        f"the image of {distribution.name} {distribution.version} cannot be made in `{images}`: {reason_of(error)}",
        hint="name another place with `--cache-dir`, or make room",
    )


def _was_laid(image: Image) -> bool:
    """Return whether an environment has got an image; one that is gone meanwhile counts as one that is to be built."""
    try:
        return os.stat(image.root).st_mtime_ns != os.stat(os.path.join(image.root, "image.json")).st_mtime_ns
    except OSError:
        return True


def load(root: str) -> Image | None:
    """Return the image in that directory; None if there is none, or it is not whole."""
    try:
        described = json.loads(read_plain(os.path.join(root, "image.json")))
        points = tuple(EntryPoint(**point) for point in described.pop("entry_points"))
        image = Image(root=root, entry_points=points, **described)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return None if check(image) else image


def verify(root: str) -> list[str]:
    """Return what is wrong with the image in that directory, every file's content compared; empty if nothing is."""
    if reason := check_tree(root):
        return [reason]
    names = sealed(root)
    wrong = []
    known = {SEAL, *names, *(parent for name in names for parent in _parents(name))}
    for name in names:
        if name.endswith(".manifest"):
            tree = name.removesuffix(".manifest")
            manifest = read_file_list(f"{root}/{name}")
            wrong += _wrong_content(f"{root}/{tree}", manifest)
            known |= {tree, *(f"{tree}/{path}" for path in (*manifest.directories, *manifest.paths))}
            directories = (f"{root}/{tree}/{path}" for path in manifest.directories)
            linked = filter(os.path.islink, directories)
            wrong += [f"`{path}` is a link" for path in linked]
    wrong += [f"`{root}/{path}` does not belong there" for path in sorted(_walk(root) - known)]
    return wrong + _wrong_content(root, read_file_list(f"{root}/{SEAL}"))


def remove(path: str) -> None:
    """Remove an image or what stands in its place, never following a link; what cannot be removed stays."""
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil

        shutil.rmtree(path, ignore_errors=True)
    else:
        try:
            os.unlink(path)
        except OSError:
            pass


def abi_name(interpreter: Interpreter) -> str:
    """Return the name of the directory for images of one byte-code: `cpython-312-cb0d0d0a`."""
    name = f"{interpreter.cache_tag}-{interpreter.magic}"
    return name if re.fullmatch(r"[A-Za-z0-9._-]{1,80}", name) else hashlib.sha256(name.encode()).hexdigest()[:32]


def image_name(distribution: Distribution) -> str:
    """Return the name of a distribution's image: its name and version, and a short one for its content."""
    content = hashlib.sha256(f"{FORMAT} {distribution.digest}".encode()).hexdigest()
    return f"{distribution.name}-{distribution.version}-{content[:16]}"


def _present(store: Store, abi: str, name: str) -> Image | None:
    for place in store.readable_directories("images"):
        if image := load(os.path.join(place, abi, name)):
            return image
    return None


def _build(
    distribution: Distribution, interpreter: Interpreter, host: Host, stage: str, *, compiling: bool
) -> Bytecode:
    """Fill the new directory `stage` with the image of a distribution; return what it has of byte-code."""
    os.mkdir(stage, 0o700)
    tree = _Trees(stage, 978307200 + 2 * (int(distribution.digest[:7], 16)))  # between 2001 and 2018
    compiler = bytecode.Compiler(interpreter, host, stage, tree.seconds, 0o444 if READ_ONLY else 0)
    code: Bytecode = "complete"
    try:
        for file, content, executable in distribution.contents():
            if file.tree == "scripts" and content.startswith((b"#!python", b"#!pythonw")):
                tree.add(SHEBANGS, file.path, content, executable=True)
                continue
            tree.add(file.tree, file.path, content, executable=executable or file.tree == "scripts")
            if file.path.endswith(".py") and file.tree in ("purelib", "platlib"):
                target = bytecode.cached_path(file.path, interpreter.cache_tag)
                if body := bytecode.existing(distribution, file, content, interpreter):
                    magic = bytes.fromhex(interpreter.magic)
                    tree.add(file.tree, target, bytecode.header(magic, tree.seconds, len(content)) + body)
                elif compiling:
                    compiler.add(f"{file.tree}/{file.path}", f"{file.tree}/{target}", len(content))
                else:
                    code = "missing"
        for name, text in (("INSTALLER", b"cloche\n"), ("REQUESTED", b"")):
            tree.add(distribution.root_tree, f"{distribution.dist_info}/{name}", text)
        for size, digest, path in compiler.results():
            name, _, inside = path.partition("/")
            tree.note(name, inside, size, digest)
    finally:
        compiler.close()
    tree.seal(distribution, code)
    os.utime(stage, (tree.seconds, tree.seconds))
    _settle(stage)
    return code


class _Trees:
    """The trees of an image that is being built."""

    def __init__(self, root: str, seconds: int) -> None:
        self.root = root
        self.seconds = seconds
        """The time of every file in it."""
        self._files: dict[str, dict[str, tuple[int, str]]] = {}
        self._made: set[str] = set()

    def add(self, tree: str, path: str, content: bytes, *, executable: bool = False) -> None:
        """Write a new file."""
        self.note(tree, path, len(content), hashlib.sha256(content).hexdigest())
        self._write(f"{tree}/{path}", content, 0o555 if executable else 0o444)

    def note(self, tree: str, path: str, size: int, sha256: str) -> None:
        """Take up a file that somebody else has written."""
        self._files.setdefault(tree, {})[path] = (size, sha256)

    def seal(self, distribution: Distribution, code: Bytecode) -> None:
        """Write the manifests, the records and the description; `code` as `Image.bytecode` has it."""
        own: dict[str, tuple[int, str]] = {}

        def write(name: str, text: str) -> None:
            content = text.encode("utf-8")
            self._write(name, content, 0o444)
            own[name] = (len(content), hashlib.sha256(content).hexdigest())

        for tree, files in self._files.items():
            if tree == SHEBANGS:
                own.update({f"{SHEBANGS}/{path}": noted for path, noted in files.items()})
                continue
            write(f"{tree}.manifest", self._manifest(files))
            write(f"{tree}.record", "".join(_record_row(path, *files[path]) for path in sorted(files)))
        described = {
            "distribution": distribution.name,
            "version": distribution.version,
            "entry_points": [fields(point) for point in distribution.entry_points],
            "dist_info": distribution.dist_info,
            "bytecode": code,
            "files": sum(len(files) for tree, files in self._files.items() if tree != SHEBANGS),
            "size": sum(size for tree, files in self._files.items() if tree != SHEBANGS for size, _ in files.values()),
        }
        write("image.json", json.dumps(described, indent=1, sort_keys=True) + "\n")
        self._write(SEAL, self._manifest(own).encode("utf-8"), 0o444)

    def _manifest(self, files: dict[str, tuple[int, str]]) -> str:
        directories = {parent for path in files for parent in _parents(path)}
        paths = sorted(files)
        sizes, hashes = zip(*(files[path] for path in paths), strict=True) if paths else ((), ())
        return format_file_list(FileList(sorted(directories), paths, sizes, hashes, self.seconds * 10**9))

    def _write(self, path: str, content: bytes, mode: int) -> None:
        self._make_parent(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(f"{self.root}/{path}", flags, mode if READ_ONLY else 0o666)
        try:  # without a file object, of which there would be a thousand
            write_all(descriptor, content)
            if READ_ONLY:
                os.fchmod(descriptor, mode)  # whatever the umask: it is the environment's file too
        finally:
            os.close(descriptor)
        os.utime(f"{self.root}/{path}", (self.seconds, self.seconds))

    def _make_parent(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent and parent not in self._made:  # and never the root: if that is gone, somebody wants it to be
            self._make_parent(parent)
            _make_directory(f"{self.root}/{parent}", 0o777)
            self._made.add(parent)


def _make_directory(path: str, mode: int) -> None:
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def _make_own_directory(path: str) -> None:
    """Make a directory that is none of others': a link in its place would lead a builder out of the store."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            os.mkdir(path, 0o700)


def _parents(path: str) -> Iterable[str]:
    parent = path.rpartition("/")[0]
    while parent:
        yield parent
        parent = parent.rpartition("/")[0]


def _record_row(path: str, size: int, sha256: str) -> str:
    """Return a row of a RECORD; byte-code has no hash there, because Python makes it anew when it likes."""
    quoted = f'"{path.replace(chr(34), chr(34) * 2)}"' if "," in path or '"' in path else path
    if path.endswith(".pyc"):
        return f"{quoted},,\n"
    return f"{quoted},sha256={base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip('=')},{size}\n"


def _settle(stage: str) -> None:
    """Have the system write everything in `stage` to the disk, in one request where it knows one (`syncfs`, Linux)."""
    descriptor = os.open(stage, os.O_RDONLY) if os.name != "nt" else -1
    try:
        if descriptor >= 0 and _sync_file_system(descriptor):
            return
        for parent, _, names in os.walk(stage):
            for name in names:
                _sync(os.path.join(parent, name))
            _sync(parent)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _sync_file_system(descriptor: int) -> bool:
    try:
        import ctypes

        failed: int = ctypes.CDLL(None).syncfs(descriptor)  # 20 ms, where 900 times `fsync` takes 500
    except (ImportError, AttributeError, OSError, TypeError):
        return False
    return failed == 0


def _sync(path: str) -> None:
    """Write one file or directory to the disk; on Windows only files opened for writing can be, so nothing is."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish(stage: str, place: str, code: Bytecode) -> None:
    """Give a finished image its name; one that is there is kept if it is whole and has as much byte-code."""
    if os.path.lexists(place):
        if (there := load(place)) and there.bytecode in ("complete", code):
            remove(stage)
            return
        discarded = f"{place}.{os.urandom(4).hex()}{DISCARDED}"
        os.rename(place, discarded)
        remove(discarded)
    try:
        os.rename(stage, place)
    except OSError:
        if not load(place):  # another process was quicker, and its image is as good
            raise
        remove(stage)
    _sync(os.path.dirname(place))


def _sweep(images: str, name: str) -> None:
    """Remove what builders of this image left that were killed; the lock says that none of them lives."""
    for entry in os.listdir(images):
        if entry.startswith(f"{name}.") and entry.endswith((UNFINISHED, DISCARDED)):
            remove(os.path.join(images, entry))


def _wrong_content(root: str, manifest: FileList) -> list[str]:
    wrong = []
    for path, digest in zip(manifest.paths, manifest.hashes, strict=True):
        if hashlib.sha256(read_plain(f"{root}/{path}")).hexdigest() != digest:
            wrong.append(f"`{root}/{path}` has other content than when it was made")
    return wrong


def _walk(root: str) -> set[str]:
    """Return every file and directory below `root`, relative and with `/`."""
    found = set()
    for parent, directories, names in os.walk(root):
        inside = os.path.relpath(parent, root).replace(os.sep, "/")
        found |= {name if inside == "." else f"{inside}/{name}" for name in [*directories, *names]}
    return found

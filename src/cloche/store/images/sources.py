"""What images are built from: distributions, and images without bytecode that get it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from cloche.apply.file_list import DamagedImage, FileList, read_file_list
from cloche.fs import read_regular_file
from cloche.model.value import Value, fields
from cloche.store import bytecode
from cloche.store.check import FILE_LIST_SUFFIX, OWN_FILE_LIST, own_files
from cloche.store.contents import contents_of
from cloche.store.images.writer import SHEBANGS, ImageWriter
from cloche.store.startup_code import is_startup_file, path_in_site

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche.model.aliases import Bytecode
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.store.archives import Archive
    from cloche.store.bytecode import Validation
    from cloche.store.distributions import Distribution, File


LARGE = 1 << 24
"""The number of bytes above which a file is written in pieces: some packages have libraries of more than a gigabyte."""


class ImageSource(Protocol):
    """What an image is built from."""

    @property
    def name(self) -> str:
        """The name of the distribution, or of the implementation: `pip`, `cpython`."""

    @property
    def version(self) -> str: ...

    @property
    def digest(self) -> str:
        """A hash of everything that decides the content, in hexadecimal."""

    @property
    def seconds(self) -> int:
        """The modification time of every file: an even number of seconds since the epoch."""

    @property
    def validation(self) -> Validation: ...

    @property
    def description(self) -> dict[str, object]:
        """The values of `entry_points` and `dist_info` in `image.json`."""

    def write(
        self, writer: ImageWriter, compiler: bytecode.Compiler, interpreter: Interpreter, *, compiling: bool
    ) -> Bytecode:
        """Write every file, and pass the modules to the compiler; return whether the bytecode will be complete.

        :raises ClocheError: a file is damaged or missing, or cannot be edited.
        """


class DistributionSource(Value):
    """A distribution as the source of an image."""

    distribution: Distribution
    archive: Archive | None = None
    """The open archive of a wheel; without it, the wheel is opened again."""

    @property
    def name(self) -> str:
        return self.distribution.name

    @property
    def version(self) -> str:
        return self.distribution.version

    @property
    def digest(self) -> str:
        return self.distribution.digest

    @property
    def seconds(self) -> int:
        return 978307200 + 2 * (int(self.digest[:7], 16))  # between 2001 and 2018

    @property
    def validation(self) -> Validation:
        return "time"

    @property
    def description(self) -> dict[str, object]:
        points = [fields(point) for point in self.distribution.entry_points]
        return {"entry_points": points, "dist_info": self.distribution.dist_info}

    def write(
        self, writer: ImageWriter, compiler: bytecode.Compiler, interpreter: Interpreter, *, compiling: bool
    ) -> Bytecode:
        """Unpack the distribution. Bytecode that is installed with it is reused.

        Bytecode in a wheel is left out: it does not fit the times of the sources, and may not be what they compile to.
        """
        distribution = self.distribution
        code: Bytecode = "complete"
        modules = (file.path for file in distribution.files if file.path.endswith(".py"))
        compiled = {bytecode.bytecode_path(path, interpreter.cache_tag) for path in modules}
        for opened in contents_of(distribution, self.archive):
            file = opened.file
            if file.path in compiled:
                continue
            if opened.size > LARGE and not is_examined(file):
                writer.add_large(opened)
                continue
            content = opened.read()
            if file.tree == "scripts" and content.startswith((b"#!python", b"#!pythonw")):
                writer.add(SHEBANGS, file.path, content, executable=True, sha256=opened.sha256)
                continue
            executable = opened.is_executable or file.tree == "scripts"
            writer.add(file.tree, file.path, content, executable=executable, sha256=opened.sha256)
            if file.path.endswith(".py") and file.tree in ("purelib", "platlib"):
                target = bytecode.bytecode_path(file.path, interpreter.cache_tag)
                if body := bytecode.reusable_bytecode(distribution, file, content, interpreter):
                    magic = bytes.fromhex(interpreter.magic)
                    header = bytecode.bytecode_header(magic, writer.seconds, len(content))
                    writer.add(file.tree, target, header + body)
                elif compiling:
                    compiler.add(f"{file.tree}/{file.path}", f"{file.tree}/{target}", file.path, len(content))
                else:
                    code = "missing"
        for name, text in (("INSTALLER", b"cloche\n"), ("REQUESTED", b"")):
            writer.add(distribution.root_tree, f"{distribution.dist_info}/{name}", text)
        return code


def is_examined(file: File) -> bool:
    """Return whether the content of a file decides how an image is built."""
    is_code = file.tree == "scripts" or file.path.endswith(".py")
    return is_code or is_startup_file(path_in_site(file.tree, file.path)[1])


class StoredSource(Value):
    """An image as the source of the same image with bytecode, for which nothing is unpacked again."""

    image: Image
    file_lists: Mapping[str, FileList]
    """By the name of the tree."""

    @property
    def name(self) -> str:
        return self.image.distribution

    @property
    def version(self) -> str:
        return self.image.version

    @property
    def digest(self) -> str:
        return ""  # the image has its name already

    @property
    def seconds(self) -> int:
        return next(iter(self.file_lists.values())).mtime_ns // 10**9

    @property
    def validation(self) -> Validation:
        return "time"

    @property
    def description(self) -> dict[str, object]:
        points = [fields(point) for point in self.image.entry_points]
        return {"entry_points": points, "dist_info": self.image.dist_info}

    def write(
        self, writer: ImageWriter, compiler: bytecode.Compiler, interpreter: Interpreter, *, compiling: bool
    ) -> Bytecode:
        """Link every file whose hash is still right, and compile the modules.

        :raises DamagedImage: a file was modified.
        """
        for tree, files in self.file_lists.items():
            root, known = f"{self.image.root}/{tree}", set(files.paths)
            for path, digest in zip(files.paths, files.hashes, strict=True):
                source = f"{root}/{path}"
                content = read_regular_file(source)
                if hashlib.sha256(content).hexdigest() != digest:
                    raise DamagedImage(f"`{root}/{path}` was modified")
                writer.add_link(tree, path, source, content, digest)
                target = bytecode.bytecode_path(path, interpreter.cache_tag)
                if path.endswith(".py") and tree in ("purelib", "platlib") and target not in known:
                    compiler.add(f"{tree}/{path}", f"{tree}/{target}", path, len(content))
        return "complete"


def stored_source(image: Image) -> StoredSource:
    """Return an image as the source of the same image with bytecode."""
    own = own_files(image.root)
    trees = [name.removesuffix(FILE_LIST_SUFFIX) for name in own if name.endswith(FILE_LIST_SUFFIX)]
    lists = {tree: read_file_list(f"{image.root}/{tree}{FILE_LIST_SUFFIX}") for tree in trees}
    if scripts := [path.partition("/")[2] for path in own if path.startswith(f"{SHEBANGS}/")]:
        lists[SHEBANGS] = _file_list_of_scripts(image.root, scripts)
    return StoredSource(image, lists)


def _file_list_of_scripts(root: str, scripts: Sequence[str]) -> FileList:
    """Return a file list of the scripts in an image that need a first line; the image lists them among its own files."""
    own = read_file_list(f"{root}/{OWN_FILE_LIST}")
    entries = {path: (size, digest) for path, size, digest in zip(own.paths, own.sizes, own.hashes, strict=True)}
    sizes, hashes = zip(*(entries[f"{SHEBANGS}/{path}"] for path in scripts), strict=True)
    return FileList((), scripts, sizes, hashes, own.mtime_ns)

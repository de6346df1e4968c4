"""What the files of an environment must be: their hashes, and the distribution that each file belongs to.

It is recorded in the environment: in the RECORD of each distribution, in the manifest of what cloche generated, and in that of
a portable interpreter. A RECORD can be changed together with its files, so it is compared with the image in the store that it
was installed from, if there is one. Of the files that the records name, this module looks only at those that name installers.
"""

from __future__ import annotations

import os
import posixpath
import re

from cloche.errors import counted
from cloche.fs import list_names
from cloche.fs.installed_records import decode_digest, read_record
from cloche.fs.manifests import (
    MANIFEST,
    RUNTIME_MANIFEST,
    files_from_other_tools,
    format_manifest,
    hash_file,
    parse_manifest,
    read_manifest,
)
from cloche.lifecycle.installed import InstalledDistribution, distributions_in, installed_distributions, read_text
from cloche.lifecycle.tree import walk_files
from cloche.model.metadata import parse_metadata_name
from cloche.model.value import TYPE_CHECKING, Value
from cloche.planning.pyvenv_cfg import is_portable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cloche.model.distribution import Image
    from cloche.model.environment import Environment
    from cloche.session import Session
    from cloche.store.images.listing import ImageListing


class Expected(Value):
    """What a file must be."""

    digests: tuple[tuple[str, str], ...]
    """(algorithm, hash in hexadecimal), all of which must match."""
    size: str
    """Bytes; empty if it is not recorded."""
    distribution: str


class Expectations:
    """Collects what the files of one environment must be."""

    def __init__(
        self,
        environment: Environment,
        settings: Mapping[str, str],
        session: Session,
        report: Callable[[str, str, str], None],
        unverified: list[str],
    ) -> None:
        """Prepare to collect.

        :param settings: the settings in `pyvenv.cfg`.
        :param report: called with the kind, the path and the message of a difference between two records.
        :param unverified: gets a line for everything that cannot be verified.
        """
        self.environment = environment
        self.session = session
        self.root = environment.location
        self.settings = settings
        self.report = report
        self.unverified = unverified
        self.distributions = list(every_distribution(environment))
        self.expected: dict[str, Expected] = {}
        self.owners: dict[str, str] = {}
        """The distribution of each file that RECORD lists, whether or not with a hash."""
        self.unlisted: list[str] = []
        """The distributions without a list of their files."""
        self.sources: dict[str, Image] = {}
        """The image of each distribution."""
        self.images: dict[str, dict[str, str]] = {}
        """The hashes of files in images, in hexadecimal, by path and by distribution."""
        self.times: dict[str, int] = {}
        """The time of every file of an image, in nanoseconds, by distribution."""
        self._listing: ImageListing | None = None

    def collect(self) -> None:
        """Collect from every record, and report how they contradict each other."""
        self.expect_recorded()
        self.expect_generated()
        self.compare_records()

    @property
    def is_ours(self) -> bool:
        """Whether cloche created the environment, so that it has a manifest."""
        return "cloche" in self.settings or os.path.exists(os.path.join(self.root, MANIFEST))

    def expect(self, path: str, algorithm: str, digest: str, size: str = "") -> None:
        """Add a hash that a file must have; it may have several, from its RECORD and from the manifest."""
        known = self.expected.get(path)
        digests = (*(known.digests if known else ()), (algorithm, digest))
        sizes = size or (known.size if known else "")
        self.expected[path] = Expected(tuple(dict.fromkeys(digests)), sizes, self.owners.get(path, ""))

    def expect_recorded(self) -> None:
        """Expect what each RECORD lists."""
        outside, unhashed = 0, 0
        for distribution in self.distributions:
            owner = f"{distribution.name} {distribution.version}"
            if not distribution.rows:
                self.unlisted.append(owner)
                self.owners.update(dict.fromkeys(unlisted_files(distribution, self.root), owner))
            for row in distribution.rows:
                if row.path.startswith(("/", "../")) or row.path[1:2] == ":":
                    outside += 1
                    continue
                path = self.through_links(row.path)
                self.owners[path] = owner
                if row.digest:
                    self.expect(path, *decode_digest(row.digest), row.size)
                elif not row.path.endswith((".pyc", "__pycache__")) and row.path != distribution.record:
                    unhashed += 1
                    self.unverified += [f"`{row.path}`: its RECORD has no hash"] if unhashed <= 3 else []
        if self.unlisted:
            self.unverified.append(f"{', '.join(self.unlisted)}: no RECORD with hashes")
        if outside:
            self.unverified.append(f"{counted(outside, 'file')} outside the environment")
        if unhashed > 3:
            self.unverified.append(f"{counted(unhashed - 3, 'more file')} without a hash in their RECORD")

    def through_links(self, path: str) -> str:
        """Return where a file really is: in `lib` if its RECORD says `lib64`, which is a link to it."""
        for link, target in self.environment.layout.links or (("lib64", "lib"),):
            if path.startswith(f"{link}/") and os.path.islink(os.path.join(self.root, link)):
                return posixpath.normpath(posixpath.join(posixpath.dirname(link), target, path[len(link) + 1 :]))
        return path

    def expect_generated(self) -> None:
        """Expect what the manifests list."""
        for name, is_needed in ((MANIFEST, self.is_ours), (RUNTIME_MANIFEST, is_portable(self.settings))):
            text = read_manifest(self.root, name)
            hashes = parse_manifest(text)
            replaced = self.replaced_files(hashes)
            for path, digest in hashes.items():
                if path not in replaced:
                    self.expect(path, "sha256", digest)
            if is_needed and not hashes:
                self.report("missing", name, "is missing, or has no hashes")
            elif hashes and format_manifest(hashes, files_from_other_tools(text)) != text.encode(
                "utf-8", "surrogateescape"
            ):
                self.report("modified", name, "differs from what cloche wrote")
        if not self.is_ours:
            self.unverified.append("activation scripts and `pyvenv.cfg`: only cloche records their hashes")

    def replaced_files(self, generated: Iterable[str]) -> set[str]:
        """Return the files of packages that pip or uv installed later in place of those from cloche: scripts and RECORDs."""
        later = [item for item in self.distributions if item.installer not in ("", "cloche") and self.is_signed(item)]
        names = {item.key for item in later}
        replaced = {row.path for item in later for row in item.rows if row.digest} | {item.record for item in later}
        for path in generated:
            metadata, _, name = path.rpartition("/")
            if name == "RECORD" and parse_metadata_name(posixpath.basename(metadata))[0] in names:
                replaced |= {path} if not os.path.lexists(os.path.join(self.root, metadata)) else set()
        return replaced

    def is_signed(self, distribution: InstalledDistribution) -> bool:
        """Return whether the RECORD of a distribution has the hash of the file that names its installer."""
        place = f"{distribution.metadata}/INSTALLER"
        digests = [decode_digest(row.digest) for row in distribution.rows if row.path == place]
        try:
            return bool(digests) and all(
                hash_file(os.path.join(self.root, place), algorithm) == digest for algorithm, digest in digests
            )
        except (OSError, ValueError, TypeError):
            return False

    def compare_records(self) -> None:
        """Compare each RECORD of a distribution that cloche installed with the image that it was installed from."""
        absent = []
        for distribution in self.distributions:
            if distribution.installer != "cloche":
                continue
            image = self.image_of(distribution)
            if image is None:
                absent.append(f"{distribution.name} {distribution.version}")
                continue
            owner = f"{distribution.name} {distribution.version}"
            self.sources[owner], self.times[owner], self.images[owner] = image
            files = self.images[owner]
            if not distribution.rows:  # its RECORD is missing or empty
                for path, digest in files.items():
                    self.owners[path] = owner
                    if not path.endswith(".pyc"):
                        self.expect(path, "sha256", digest)
                continue
            for row in distribution.rows:
                if row.path in files and row.digest and decode_digest(row.digest) != ("sha256", files[row.path]):
                    self.report("modified", distribution.record, f"has another hash of `{row.path}` than the cache")
            listed = {row.path for row in distribution.rows}
            for path in files.keys() - listed:
                if path.endswith(".pyc") or self.owners.get(path):
                    continue  # given to another distribution that has the same file
                self.report("modified", distribution.record, f"does not list `{path}`, unlike the cache")
        if absent:
            self.unverified.append(f"the RECORD of {', '.join(absent)}: the cache has no image that matches")

    def image_of(self, distribution: InstalledDistribution) -> tuple[Image, int, dict[str, str]] | None:
        """Return the image that a distribution was installed from, its time, and the hash of each file by path.

        All files of an image have the same time, which is different for each image. Installing keeps it.
        """
        interpreter = self.environment.interpreter
        if interpreter is None:
            return None
        from cloche.store.conflicts import installed_files

        times = set()
        metadata = os.path.join(self.root, distribution.metadata)
        names = [f"{distribution.metadata}/{name}" for name in list_names(metadata)]
        for path in (*names, *(row.path for row in distribution.rows)):
            try:
                times.add(os.stat(os.path.join(self.root, path)).st_mtime_ns)
            except OSError:
                continue
        for image in self.cached_images(distribution.key, distribution.version):
            time = os.stat(os.path.join(image.root, "image.json")).st_mtime_ns
            if time in times:
                members = installed_files(image, interpreter)
                return (
                    image,
                    time,
                    {path: digest for path, _, digest in members if re.fullmatch("[0-9a-f]{64}", digest)},
                )
        return None

    def cached_images(self, name: str, version: str) -> list[Image]:
        """Return the images of one version of a distribution, for the interpreter of the environment."""
        if self.environment.interpreter is None:
            return []
        from cloche.store.images.listing import ImageListing

        if self._listing is None:
            self._listing = ImageListing(self.environment.interpreter, self.session.store)
        return self._listing.images_of(name, version)

    def runtime_bytecode(self) -> dict[str, set[str]]:
        """Return the hashes that the bytecode of the standard library of a portable environment may have, by path."""
        interpreter = self.environment.interpreter
        if interpreter is None or not is_portable(self.settings):
            return {}
        from cloche.apply.file_list import read_file_list

        found: dict[str, set[str]] = {}
        for image in self.cached_images(interpreter.implementation, interpreter.version_text):
            files = read_file_list(f"{image.root}/runtime.files")
            for path, digest in zip(files.paths, files.hashes, strict=True):
                if path.endswith(".pyc"):
                    found.setdefault(path, set()).add(digest)
        return found


def every_distribution(environment: Environment) -> Iterator[InstalledDistribution]:
    """Yield the distributions of an environment, including those in the directories of other versions of Python."""
    found = installed_distributions(environment)
    yield from found
    sites = {environment.layout.purelib, environment.layout.platlib}
    known = {distribution.metadata for distribution in found}
    for site in sites:
        for name in list_names(os.path.join(environment.location, site)):
            if name.endswith(".dist-info") and f"{site}/{name}" not in known:
                yield without_metadata(environment.location, site, name)
    try:
        names = sorted(os.listdir(os.path.join(environment.location, "lib")))
    except OSError:
        return
    for name in names:
        site = f"lib/{name}/site-packages"
        if site not in sites and re.fullmatch(r"(python|pypy)\d[\d.]*t?", name):
            yield from distributions_in(environment.location, site)


def without_metadata(root: str, site: str, name: str) -> InstalledDistribution:
    """Return a distribution whose METADATA is missing or unusable: its RECORD still says what its files must be."""
    directory = os.path.join(root, site, name)
    key, version = parse_metadata_name(name)
    return InstalledDistribution(
        name=key,
        version=version,
        site=site,
        metadata=f"{site}/{name}",
        rows=tuple(read_record(read_text(os.path.join(directory, "RECORD")), site, root)),
        installer=read_text(os.path.join(directory, "INSTALLER")).strip(),
        requested=False,
        tags=(),
        requires=(),
        requires_python="",
        entry_points=(),
        origin={},
        editable="",
    )


def unlisted_files(distribution: InstalledDistribution, root: str) -> Iterator[str]:
    """Yield the files of a distribution that has no RECORD, as far as its metadata says what belongs to it."""
    metadata = os.path.join(root, distribution.metadata)
    tops = read_text(os.path.join(metadata, "top_level.txt")).split()
    if os.path.isdir(metadata):
        yield from (f"{distribution.metadata}/{file.path}" for file in walk_files(metadata))
    for top in tops:
        place = os.path.join(root, distribution.site, top)
        yield from (f"{distribution.site}/{top}/{file.path}" for file in walk_files(place))
        yield f"{distribution.site}/{top}.py"
    if distribution.editable:
        yield f"{distribution.site}/easy-install.pth"
    bin_directory = posixpath.normpath(f"{distribution.site}/../../../bin")
    yield from (f"{bin_directory}/{point.name}" for point in distribution.entry_points)

"""Search this machine for the files that a lock file names: the store, `--find-links`, and local paths and URLs.

A file that does not match its hash is skipped in a source that may have another file of the same name, such as
`--find-links`. It is an error at a path that the lock file names.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloche.errors import SeedError, reason_of
from cloche.fs import list_names, remove_path
from cloche.store.fetch.artifacts import OfferedFile, file_mismatch, obtain_error, storage_name, wrong_file
from cloche.store.fetch.pins import Pin, best_file, pin_mismatch

if TYPE_CHECKING:
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.fetch.artifacts import Artifact


class LocalSearch:
    """Finds files for artifacts and pins, and keeps the reasons why a source did not have one."""

    def __init__(self, wanted: Wanted, interpreter: Interpreter, store: Store) -> None:
        self._wanted = wanted
        self.interpreter = interpreter
        self._store = store
        self.tried: dict[Artifact | Pin, list[str]] = {}
        """Why a source did not have an item, if there is more to say than that it does not exist."""

    def find(self, item: Artifact | Pin) -> str:
        """Return the path of the file for an item; empty if no local source has it.

        :raises SeedError: the lock file names a local file that is not the artifact, or a file or directory cannot be read.
        """
        self.tried[item] = []
        if isinstance(item, Pin):
            local_only = self._wanted.network == "never" or item.form == "source"
            return self._find_pinned(item, (".whl", ".tar.gz", ".zip") if local_only else (".whl",))
        return self._find_artifact(item)

    def find_source(self, pin: Pin) -> str:
        """Return the path of a source distribution of a pin; empty if no local source has it."""
        return self._find_pinned(pin, (".tar.gz", ".zip"))

    def _find_artifact(self, artifact: Artifact) -> str:
        tried = self.tried[artifact]
        if artifact.hashes and (path := self.stored(artifact)):
            return path
        for directory in self._wanted.find_links:
            path = os.path.join(directory, artifact.file_name)
            if not artifact.hashes:
                self._store.inputs.path(directory)
            if problem := self._problem(artifact, path):
                tried.append(f"`{path}`: {problem}")
            elif problem is None:
                return path
        for path in filter(None, (artifact.path, self._path_in_url(artifact))):
            problem = self._problem(artifact, path)
            if problem is None:
                return path
            if problem:
                raise wrong_file(artifact, f"`{path}`", problem)
            tried.append(f"`{path}` does not exist")
        return ""

    def _find_pinned(self, pin: Pin, suffixes: tuple[str, ...]) -> str:
        """Return the path of the best local file of a pin whose name ends with one of these suffixes; empty if none has it."""
        directories = list(self._wanted.find_links)
        if pin.hashes:
            directories += self._store.readable_directories("wheels")
            for parent in self._store.readable_directories("artifacts"):
                directories += [os.path.join(parent, f"{name}-{digest}") for name, digest in sorted(pin.hashes)]
        else:
            for directory in directories:
                self._store.inputs.path(directory)
        files = [
            OfferedFile(name, os.path.join(directory, name), {})
            for directory in directories
            for name in list_names(directory)
            if name.endswith(suffixes)
            if not os.path.islink(os.path.join(directory, name)) or directory in self._wanted.find_links
        ]
        while best := best_file(pin, files, self.interpreter):
            if not (problem := self._pin_problem(pin, best.url)):
                return best.url
            self.tried[pin].append(f"`{best.url}`: {problem}")
            files.remove(best)
        return ""

    def _pin_problem(self, pin: Pin, path: str) -> str:
        """Return why a pin does not allow a file, empty if it does."""
        if not pin.hashes:
            self._store.inputs.path(path)
        try:
            return pin_mismatch(pin, path)
        except OSError as error:
            return f"it cannot be read ({reason_of(error)})"

    def stored(self, artifact: Artifact) -> str:
        """Return the path of an artifact in the store; empty if the store does not have it. A damaged file is removed."""
        for parent in self._store.readable_directories("artifacts"):
            directory = os.path.join(parent, storage_name(artifact))
            path = os.path.join(directory, artifact.file_name)
            if os.path.islink(directory):
                remove_path(directory)
            elif self._is_intact(artifact, path):
                self._mark_used(directory)
                return path
            else:
                remove_path(path)
        for directory in self._store.readable_directories("wheels"):
            path = os.path.join(directory, artifact.file_name)
            if self._is_intact(artifact, path):
                return path
        return ""

    def _is_intact(self, artifact: Artifact, path: str) -> bool:
        """Return whether a file in the store is the artifact; links are not followed."""
        try:
            return not os.path.islink(path) and file_mismatch(artifact, path) is None
        except OSError:
            return False

    def _problem(self, artifact: Artifact, path: str) -> str | None:
        """Return why a file is not the artifact: an empty string if it does not exist, None if it is the artifact.

        :raises SeedError: it cannot be read.
        """
        if not artifact.hashes:
            self._store.inputs.path(path)
        try:
            return file_mismatch(artifact, path)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except (OSError, ValueError) as error:
            raise SeedError(
                f"`{path}` cannot be read ({reason_of(error)})", hint="check that it is a file that you may read"
            ) from error

    def _path_in_url(self, artifact: Artifact) -> str:
        if urlsplit(artifact.url).scheme != "file":
            return ""
        from cloche.store.fetch.request_failures import RequestFailed
        from cloche.store.fetch.simple_index import local_path

        try:
            return local_path(artifact.url)
        except RequestFailed as failure:
            raise obtain_error(artifact.title, failure.reason) from failure

    def _mark_used(self, directory: str) -> None:
        """Keep `cloche cache prune` from removing a directory for another month."""
        if self._store.is_persistent_path(directory) and self._store.is_persistent:
            try:
                os.utime(directory)
            except OSError:
                pass  # another process removed it, and the caller notices

"""The packer `squashfs`: a compressed file system in one file, which can be mounted. It is written by `mksquashfs`."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import tempfile
from itertools import chain
from typing import TYPE_CHECKING

from cloche.builtin.packers.tar_stream import tar_stream
from cloche.errors import ClocheError
from cloche.model.archive import Member

if TYPE_CHECKING:
    from collections.abc import Iterable


class SquashfsPacker:
    name = "squashfs"
    suffix = ".squashfs"

    def refusal(self) -> str | None:
        found = shutil.which("mksquashfs") is not None
        return None if found else "needs the program mksquashfs, which is in the package squashfs-tools"

    def write(self, members: Iterable[Member], path: str) -> None:
        """Write the file system from a tar archive, which has the owners, times and permissions.

        :raises ClocheError: `mksquashfs` failed.
        """
        remaining = iter(members)
        first = next(remaining)
        root = Member(".", "directory", 0o755, first.time)
        options = ["-tar", "-noappend", "-no-progress", "-quiet", "-no-xattrs", "-all-root", "-comp", "zstd"]
        options += ["-root-mode", "755"]  # from a tar archive, it would be 777, whatever the archive says
        options += ["-mkfs-time", str(first.time), "-all-time", str(first.time)]
        environ = {"PATH": os.defpath, "LC_ALL": "C"}  # SOURCE_DATE_EPOCH would contradict the options
        with tempfile.TemporaryFile() as output:
            command = [shutil.which("mksquashfs") or "mksquashfs", "-", path, *options]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environ)
            assert process.stdin is not None
            try:
                for chunk in tar_stream(chain((root, first), remaining)):
                    process.stdin.write(chunk)
                process.stdin.close()
                code = process.wait()
            except BrokenPipeError:
                code = process.wait()
            except BaseException:
                process.kill()
                process.wait()
                raise
            output.seek(0)
            lines = output.read().decode("utf-8", "replace").strip().splitlines()
        if any(os.strerror(errno.ENOSPC) in line for line in lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        if code < 0 and -code == getattr(signal, "SIGXFSZ", 0):
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        if code:
            reason = lines[-1] if lines else f"exit code {code}"
            if code < 0:  # a system without memory kills it; what it printed before has another reason
                reason = f"ended by signal {-code}"
            raise ClocheError(
                f"`mksquashfs` failed: {reason}",
                hint="choose another format with `--format`",
            )


packer = SquashfsPacker()

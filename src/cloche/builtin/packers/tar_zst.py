"""The packer `tar.zst`: a tar archive, compressed with Zstandard on all processors."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from cloche.builtin.packers.tar_stream import tar_stream
from cloche.errors import ClocheError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cloche.model.archive import Member

LEVEL = 3


def zstandard() -> Any:
    """Return the module of the standard library (PEP 784) or its backport; None if there is neither."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            pass
    return None


class ZstandardPacker:
    name = "tar.zst"
    suffix = ".tar.zst"

    def refusal(self) -> str | None:
        return None if zstandard() else "needs the package backports.zstd, or Python 3.14 to run cloche"

    def write(self, members: Iterable[Member], path: str) -> None:
        """Write the archive. With at least one worker, the bytes do not depend on their number."""
        zstd = zstandard()
        parameter = zstd.CompressionParameter
        most = parameter.nb_workers.bounds()[1]  # 0 if the library was built without threads
        options: dict[int, int] = {
            parameter.compression_level: LEVEL,
            parameter.checksum_flag: 1,
            parameter.nb_workers: min(os.cpu_count() or 1, most),
        }
        compressor = zstd.ZstdCompressor(options=options)
        with open(path, "xb") as file:
            try:
                file.writelines(compressor.compress(chunk) for chunk in tar_stream(members))
                file.write(compressor.flush())
            except zstd.ZstdError as error:
                raise ClocheError(
                    f"the compressor cannot start threads, or there is not enough memory: {error}",
                    hint="choose another format with `--format`",
                ) from error


packer = ZstandardPacker()

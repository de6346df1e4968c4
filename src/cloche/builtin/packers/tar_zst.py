"""The packer `tar.zst`: a tar archive, compressed with Zstandard on all processors."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cloche.builtin.packers.tar_stream import tar_stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.model.archive import Member

LEVEL = 3


class ZstandardPacker:
    name = "tar.zst"
    suffix = ".tar.zst"

    def refusal(self) -> str | None:
        if sys.version_info >= (3, 14) or (find_spec("backports") and find_spec("backports.zstd")):
            return None
        return "needs the package backports.zstd, or Python 3.14 to run cloche"

    def write(self, members: Iterable[Member], path: str) -> None:
        """Write the archive. With at least one worker, the bytes do not depend on their number."""
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        parameter = zstd.CompressionParameter
        most = parameter.nb_workers.bounds()[1]  # 0 if the library was built without threads
        options: dict[int, int] = {
            parameter.compression_level: LEVEL,
            parameter.checksum_flag: 1,
            parameter.nb_workers: min(os.cpu_count() or 1, most),
        }
        compressor = zstd.ZstdCompressor(options=options)
        with open(path, "xb") as file:
            file.writelines(compressor.compress(chunk) for chunk in tar_stream(members))
            file.write(compressor.flush())


packer = ZstandardPacker()

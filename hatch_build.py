"""Hook of the build: puts the manual page, made from the tables of the command line, into the wheel."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualHook(BuildHookInterface):
    """Writes cloche(1) to a temporary directory for as long as the build takes."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        sys.path[:0] = [str(Path(self.root) / place) for place in ("src", "docs/_ext")]
        import cloche_manual

        self.scratch = tempfile.TemporaryDirectory()
        page = Path(self.scratch.name) / cloche_manual.NAME
        page.write_text(cloche_manual.manual(), encoding="utf-8", newline="\n")
        shared = build_data["shared_data"]
        assert isinstance(shared, dict)
        shared[str(page)] = f"share/man/man1/{cloche_manual.NAME}"

    def finalize(self, version: str, build_data: dict[str, object], artifact_path: str) -> None:
        self.scratch.cleanup()

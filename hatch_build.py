"""Build hook: add the manual page to the wheel, generated from the definitions of the commands and options."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualHook(BuildHookInterface):
    """Write cloche(1) to a temporary directory, which is removed after the build."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        sys.path[:0] = [str(Path(self.root) / directory) for directory in ("src", "docs/_ext")]
        import cloche_manual

        self.temporary = tempfile.TemporaryDirectory()
        page = Path(self.temporary.name) / cloche_manual.NAME
        page.write_text(cloche_manual.manual_page(), encoding="utf-8", newline="\n")
        shared = build_data["shared_data"]
        assert isinstance(shared, dict)
        shared[str(page)] = f"share/man/man1/{cloche_manual.NAME}"

    def finalize(self, version: str, build_data: dict[str, object], artifact_path: str) -> None:
        self.temporary.cleanup()

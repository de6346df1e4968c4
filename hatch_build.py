"""Build hooks: add the generated manual page to the wheel, and make the links of the README absolute in the metadata."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface


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


class ReadmeHook(MetadataHookInterface):
    """Use the README as the description of the package."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, object]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        urls = metadata.get("urls")
        source = urls.get("Source", "") if isinstance(urls, dict) else ""
        metadata["readme"] = {"content-type": "text/markdown", "text": with_absolute_links(text, source)}


RELATIVE_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?![a-z]+:|#)(?P<target>[^)]*)\)")


def with_absolute_links(text: str, source: str) -> str:
    """Return Markdown that can be read outside the repository.

    :param source: the URL of the repository. Without one, links become plain text, and pictures are left out.
    """

    def absolute(link: re.Match[str]) -> str:
        if not source:
            return "" if link["picture"] else link["text"]
        kind = "raw" if link["picture"] else "blob"
        return f"{link['picture']}[{link['text']}]({source.rstrip('/')}/{kind}/main/{link['target']})"

    return RELATIVE_LINK.sub(absolute, text)

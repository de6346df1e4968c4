"""The metadata of distributions: the name of its directory, and the formats of its files."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.distribution import EntryPoint


def normalize_name(name: str) -> str:
    """Return the normalized name of a distribution, for comparison (PEP 503)."""
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)


def parse_metadata_name(metadata: str) -> tuple[str, str]:
    """Return the normalized name and version of a distribution, from the name of its metadata directory.

    Installers escape `-` in names (PEP 427 and its successors). Older ones did not, so the version starts at the first `-`
    that precedes a digit.
    """
    stem = metadata.rpartition(".")[0]
    at = next((i for i in range(len(stem) - 1) if stem[i] == "-" and stem[i + 1].isdigit()), len(stem))
    version = stem[at + 1 :]
    return normalize_name(stem[:at]), version.partition("-py")[0] if metadata.endswith(".egg-info") else version


def parse_headers(text: str) -> dict[str, list[str]]:
    """Return the fields at the beginning of a METADATA or WHEEL file (in RFC 822 format), by lower-case name."""
    fields: dict[str, list[str]] = {}
    last: list[str] = []
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line, start = text[start:end].rstrip("\r"), end + 1
        if not line:
            break
        if line[0] in " \t":
            if last:
                last[-1] += f"\n{line.strip()}"
            continue
        name, _, content = line.partition(":")
        last = fields.setdefault(name.strip().lower(), [])
        last.append(content.strip())
    return fields


def parse_entry_points(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield group, name and object reference of each line of an `entry_points.txt` (entry points specification).

    It is an INI file: names are case-sensitive, and only `=` separates a name from its reference. The reference has no extras;
    it is empty if the line has no `=`.
    """
    group = ""
    for line in (line.strip() for line in text.split("\n")):
        if line.startswith("["):
            group = line.strip("[]").strip()
        elif group and line and line[0] not in "#;":
            name, _, reference = line.partition("=")
            yield group, name.strip(), ":".join(part.strip() for part in reference.partition("[")[0].split(":"))


def parse_scripts(text: str) -> Iterator[EntryPoint]:
    """Yield the scripts that an `entry_points.txt` declares, valid or not."""
    from cloche.model.distribution import EntryPoint

    for group, name, reference in parse_entry_points(text):
        if group in ("console_scripts", "gui_scripts"):
            module, _, attribute = reference.partition(":")
            yield EntryPoint(name, module, attribute, group.removesuffix("_scripts"))

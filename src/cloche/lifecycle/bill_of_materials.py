"""The bill of materials of an environment, in the format CycloneDX: its Python, and every distribution in it.

Equal environments have equal bills, wherever they are: a bill has no path of the environment, no random number, and no time
unless `SOURCE_DATE_EPOCH` sets it.
"""

from __future__ import annotations

import hashlib
import os
from datetime import datetime, timezone
from email.parser import HeaderParser
from typing import TYPE_CHECKING
from uuid import UUID

from packaging.requirements import Requirement

from cloche.errors import ClocheError, UsageError
from cloche.lifecycle.installed import parse_direct_url, read_text
from cloche.model import VERSION
from cloche.model.metadata import normalize_name
from cloche.store.markers import marker_environment

try:
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL
except ImportError:
    raise ClocheError(
        "`--format cyclonedx` needs cyclonedx-python-lib, which is not installed",
        hint="install cloche with its extra `sbom`: `pip install 'cloche[sbom]'`",
    ) from None

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from email.message import Message

    from cyclonedx.model.license import License

    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.interpreter import Interpreter

HASHES = {"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
"""The names of hash algorithms in CycloneDX, by those in `direct_url.json`."""

MAX_LICENSE_NAME = 200
"""The maximum length of a `License` that is a name; longer ones are the text of the license."""


def bill_of_materials(facts: EnvironmentInfo, environ: Mapping[str, str]) -> str:
    """Return the bill of materials of an environment as JSON (CycloneDX 1.6).

    :raises UsageError: `SOURCE_DATE_EPOCH` is not a number of seconds.
    """
    root = Component(
        name=facts.environment.prompt,
        type=ComponentType.APPLICATION,
        bom_ref="environment",
        properties=[Property(name="cloche:lock", value=facts.settings["lock"])] if "lock" in facts.settings else [],
    )
    python = python_component(facts)
    components = {
        distribution: distribution_component(distribution, facts.environment.location)
        for distribution in unique(facts.distributions)
    }
    bom = Bom(components=[python, *components.values()])
    bom.metadata.component = root
    bom.metadata.tools.components.add(Component(name="cloche", version=VERSION, type=ComponentType.APPLICATION))
    bom.register_dependency(root, [python, *components.values()])
    by_name = {distribution.key: component for distribution, component in components.items()}
    for distribution, component in components.items():
        needed = dependency_names(distribution, facts.environment.interpreter)
        bom.register_dependency(component, [by_name[name] for name in needed if name in by_name])
    seconds = source_date(environ)
    setattr(bom.metadata, "timestamp", seconds)  # its type does not say that it may be None
    bom.serial_number = UUID(bytes=bytes(16))
    draft = JsonV1Dot6(bom).output_as_string()
    bom.serial_number = UUID(bytes=hashlib.sha256(draft.encode()).digest()[:16], version=5)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def source_date(environ: Mapping[str, str]) -> datetime | None:
    """Return the time that `SOURCE_DATE_EPOCH` sets for reproducible files; None if it is not set.

    :raises UsageError: it is not a number of seconds.
    """
    text = environ.get("SOURCE_DATE_EPOCH", "")
    try:
        return datetime.fromtimestamp(int(text), timezone.utc) if text else None
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"`SOURCE_DATE_EPOCH` is `{text}`; expected a number of seconds", hint="unset it, or set it to a number"
        ) from None


def unique(distributions: Iterable[InstalledDistribution]) -> list[InstalledDistribution]:
    """Return the distributions, each name and version once: an environment may list one twice."""
    return [*{(one.key, one.version): one for one in distributions}.values()]


def python_component(facts: EnvironmentInfo) -> Component:
    """Return the component of an environment's Python; if that Python no longer exists, the version is the recorded one."""
    interpreter = facts.environment.interpreter
    name = interpreter.implementation if interpreter else "python"
    version = interpreter.version_text if interpreter else facts.version_text
    properties = {}
    if interpreter:
        properties = {"soabi": interpreter.soabi, "platform": f"{interpreter.platform} {interpreter.machine}"}
    return Component(
        name=name,
        version=version or None,
        type=ComponentType.PLATFORM,
        bom_ref="python",
        purl=PackageURL("generic", None, name, version or None),
        properties=[Property(name=f"cloche:{key}", value=text) for key, text in properties.items() if text],
    )


def distribution_component(distribution: InstalledDistribution, root: str) -> Component:
    """Return the component of a distribution.

    Its hashes are those of the archive that it was installed from, if they are recorded (PEP 610, PEP 710).

    :param root: the path of the environment.
    """
    directory = os.path.join(root, distribution.metadata)
    provenance = parse_direct_url(read_text(os.path.join(directory, "provenance_url.json")))
    origin, comment = (distribution.origin, "PEP 610") if distribution.origin else (provenance, "PEP 710")
    hashes = archive_hashes(origin)
    properties = {
        "installer": distribution.installer,
        "editable": "true" if distribution.editable else "",
        "requested": "true" if distribution.requested else "",
        "files-sha256": files_digest(distribution),
    }
    purl = PackageURL("pypi", None, distribution.key, distribution.version or None, purl_qualifiers(origin))
    return Component(
        name=distribution.name,
        version=distribution.version or None,
        type=ComponentType.LIBRARY,
        bom_ref=f"{distribution.key}=={distribution.version}",
        purl=purl,
        hashes=hashes,
        licenses=licenses(metadata_headers(directory)),
        external_references=list(external_references(origin, comment, hashes)),
        properties=[Property(name=f"cloche:{key}", value=text) for key, text in properties.items() if text],
    )


def metadata_headers(path: str) -> Message:
    """Return the headers of a distribution, from its metadata directory or its `.egg-info` file."""
    if os.path.isdir(path):
        text = read_text(os.path.join(path, "METADATA")) or read_text(os.path.join(path, "PKG-INFO"))
    else:
        text = read_text(path)
    return HeaderParser().parsestr(text)


def archive_hashes(origin: Mapping[str, object]) -> list[HashType]:
    """Return the hashes of the archive in a `direct_url.json` or `provenance_url.json`, in the current or the old form."""
    archive = origin.get("archive_info")
    if not isinstance(archive, dict):
        return []
    hashes = archive.get("hashes")
    found = dict(hashes) if isinstance(hashes, dict) else {}
    algorithm, _, digest = str(archive.get("hash") or "").partition("=")
    found.setdefault(algorithm, digest)
    return [
        HashType(alg=HashAlgorithm(HASHES[name]), content=text)
        for name, text in sorted(found.items())
        if name in HASHES and isinstance(text, str) and text
    ]


def purl_qualifiers(origin: Mapping[str, object]) -> dict[str, str]:
    """Return the qualifiers of a package URL that say where a distribution comes from, if that is not a local path."""
    url, vcs, archive = str(origin.get("url", "")), origin.get("vcs_info"), origin.get("archive_info")
    if url.startswith("file:"):
        return {}
    if isinstance(vcs, dict):
        return {"vcs_url": f"{vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}"}
    return {"download_url": url} if isinstance(archive, dict) and url else {}


def external_references(
    origin: Mapping[str, object], comment: str, hashes: Iterable[HashType]
) -> Iterator[ExternalReference]:
    """Yield the reference to where a distribution comes from, if that is recorded."""
    url, vcs = str(origin.get("url", "")), origin.get("vcs_info")
    if not url:
        return
    if isinstance(vcs, dict):
        comment += f", {vcs.get('vcs', 'git')} commit {vcs.get('commit_id', '')}"
    kind = ExternalReferenceType.VCS if isinstance(vcs, dict) else ExternalReferenceType.DISTRIBUTION
    yield ExternalReference(type=kind, url=XsUri(url), comment=comment, hashes=hashes)


def files_digest(distribution: InstalledDistribution) -> str:
    """Return a hash of the files in `site-packages` that the RECORD lists with a hash; empty without a RECORD.

    It is the SHA-256 of their rows `path,hash`, sorted, each with a newline. Scripts, which name the path of the
    environment, are left out, and so are the files that an installer adds to the metadata.
    """
    site = f"{distribution.site}/"
    added = {f"{distribution.metadata}/{name}" for name in ("INSTALLER", "REQUESTED", "direct_url.json")}
    rows = [
        f"{row.path.removeprefix(site)},{row.digest}\n"
        for row in distribution.rows
        if row.digest and row.path.startswith(site) and row.path not in added and not row.path.endswith(".pyc")
    ]
    return hashlib.sha256("".join(sorted(rows)).encode("utf-8", "surrogateescape")).hexdigest() if rows else ""


def licenses(headers: Message) -> list[License]:
    """Return the licenses that a distribution declares: an SPDX expression, else a name, else its classifiers."""
    factory, declared = LicenseFactory(), LicenseAcknowledgement.DECLARED
    expression = str(headers.get("License-Expression") or "").strip()
    if expression:
        return [factory.make_from_string(expression, license_acknowledgement=declared)]
    name = str(headers.get("License") or "").strip()
    if name and name != "UNKNOWN" and "\n" not in name and len(name) <= MAX_LICENSE_NAME:
        return [factory.make_from_string(name, license_acknowledgement=declared)]
    classifiers = [
        str(text).split("::") for text in headers.get_all("Classifier", []) if str(text).startswith("License")
    ]
    names = sorted({parts[-1].strip() for parts in classifiers if parts[-1].strip() != "OSI Approved"})
    return [DisjunctiveLicense(name=text, acknowledgement=declared) for text in names]


def dependency_names(distribution: InstalledDistribution, interpreter: Interpreter | None) -> list[str]:
    """Return the normalized names of what a distribution requires, without its extras; sorted.

    Without an interpreter, markers cannot be evaluated, and every requirement that is not of an extra counts.
    """
    values = {**marker_environment(interpreter), "extra": ""} if interpreter else None
    names = set()
    for text in distribution.requires:
        try:
            requirement = Requirement(text)
            marker = requirement.marker
            applies = marker is None or (marker.evaluate(values) if values else "extra" not in str(marker))
        except ValueError:  # not a requirement, or a marker that cannot be evaluated
            continue
        if applies:
            names.add(normalize_name(requirement.name))
    return sorted(names - {distribution.key})

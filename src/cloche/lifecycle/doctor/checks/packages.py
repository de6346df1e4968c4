"""Checks of the installed packages: their files, metadata, extension modules, and pip."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from cloche.fs import is_within, read_at_most
from cloche.fs.installed_records import Row
from cloche.lifecycle.doctor.case import ONLY_YOU, Finding, and_more, missing_directory
from cloche.lifecycle.doctor.checks.parts import has_executables
from cloche.lifecycle.doctor.checks.scripts import broken_scripts
from cloche.lifecycle.editable_modules import modules_of_editables
from cloche.lifecycle.installed import path_of_url, pip_arguments, pth_entries, pth_lines, site_files
from cloche.lifecycle.recorded_command import lock_command
from cloche.lifecycle.tool_edits import installed_form
from cloche.store.installation import script_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.lifecycle.doctor.case import Case
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.distribution import EntryPoint
    from cloche.model.interpreter import Interpreter


def check_extensions(case: Case) -> Iterator[Finding]:
    """Report packages whose extension modules are for another Python."""
    interpreter = case.environment.interpreter
    if interpreter is None or not interpreter.soabi:
        return
    for distribution in case.info.distributions:
        wrong = [
            row.path
            for row in distribution.rows
            if row.path.endswith(EXTENSIONS) and is_for_other_abi(row.path, interpreter)
        ]
        wrong = [path for path in wrong if os.path.exists(os.path.join(case.root, path))]
        if wrong and not any(runs_here(row.path, interpreter, wrong) for row in distribution.rows):
            message = (
                f"{distribution.name} {distribution.version} has extension modules for another Python ({len(wrong)})"
            )
            yield Finding("extension-for-other-abi", wrong[0], message, reinstall_command(distribution, case))


EXTENSIONS = (".so", ".pyd")
"""The ends of the file names of extension modules."""


def abi_tag(path: str) -> str | None:
    """Return the ABI tag in the file name of an extension module; None without one, or for the stable ABI."""
    if not path.endswith(EXTENSIONS):
        return None
    match = re.search(r"\.((?:cpython|pypy|graalpy)[\w-]*|cp\d+[\w-]*)\.(?:so|pyd)$", path)
    return match[1] if match else None


def is_for_other_abi(path: str, interpreter: Interpreter) -> bool:
    """Return whether a file is an extension module that an interpreter does not load."""
    tag = abi_tag(path)
    return tag is not None and tag not in loaded_abis(interpreter)


def loaded_abis(interpreter: Interpreter) -> set[str]:
    """Return the tags in the file names of the extension modules that an interpreter loads.

    Since CPython 3.8, a debug build also loads the modules of other builds, except on Windows.
    """
    own = interpreter.soabi
    loads_others = interpreter.debug and interpreter.version >= (3, 8) and interpreter.os_name != "nt"
    return {own, re.sub(r"(?<=\d)(t?)d(?=-)", r"\1", own, count=1)} if loads_others else {own}


def runs_here(path: str, interpreter: Interpreter, wrong: list[str]) -> bool:
    """Return whether a path is one of the `wrong` modules, built for this interpreter: a wheel may contain several builds."""
    return abi_tag(path) in loaded_abis(interpreter) and any(
        path.partition(".")[0] == other.partition(".")[0] for other in wrong
    )


def reinstall_command(distribution: InstalledDistribution, case: Case) -> str:
    """Return the command that reinstalls a distribution, in backticks."""
    if distribution.installer == "cloche" and (command := lock_command(case.info.settings, case.root)):
        return f"`{command}`"
    if distribution.editable:
        needs_tools = any(row.path.endswith("_editable_loader.py") for row in distribution.rows)  # of meson-python
        options = ["--no-deps", *(["--no-build-isolation"] if needs_tools else [])]
        return pip_command(case, "install", *options, "-e", distribution.editable, installer=distribution.installer)
    return overwriting_command(case, requirement_of(distribution), "--force-reinstall", distribution.installer)


def requirement_of(distribution: InstalledDistribution) -> str:
    """Return the requirement that installs a distribution again: from its recorded source if that exists, or by version."""
    url = str(distribution.origin.get("url", ""))
    if url.startswith("file:") and not os.path.exists(path_of_url(url)):
        return f"{distribution.key}=={distribution.version}"
    return (pip_arguments(distribution) or [distribution.key])[-1]


def overwriting_command(case: Case, requirement: str, option: str, installer: str = "") -> str:
    """Return the command that installs a requirement over the files that are there.

    :param option: the option of pip that does this; uv has one for all cases.
    """
    option = "--reinstall" if program_of(case, installer) == "uv" else option
    return pip_command(case, "install", option, "--no-deps", requirement, installer=installer)


def pip_command(case: Case, action: str, *arguments: str, installer: str = "") -> str:
    """Return a command of an installer that works in this environment from any directory, in backticks.

    :param installer: the tool that installed the package; uv can do without a pip in the environment.
    """
    python = case.environment.path_to(case.environment.layout.executable)
    program = program_of(case, installer)
    if program == "uv":
        return case.command("uv", "pip", action, "--python", python, *(word for word in arguments if word != "-y"))
    words = [python, "-m", "pip"] if program == "own pip" else ["pip", "--python", python]
    return case.command(*words, action, *arguments)


def program_of(case: Case, installer: str) -> str:
    """Return the installer for a command: `own pip` if the environment has one, else `uv`, or the `pip` on PATH."""
    if any(distribution.key == "pip" for distribution in case.info.distributions):
        return "own pip"
    return "uv" if installer == "uv" else "pip"


def check_metadata(case: Case) -> Iterator[Finding]:
    """Report unusable metadata, and the directories (`~ame`) that a killed pip leaves."""
    known = {distribution.metadata for distribution in case.info.distributions}
    known |= {path for target in case.lost_targets for path in target.metadata}  # reported by `check_links`
    paths = site_files(case.environment, ".dist-info")
    if interrupted := [path for path in paths if path.rpartition("/")[2].startswith("~")]:
        message = f"pip was interrupted while it replaced a package{and_more(len(interrupted))}"
        remnants = [path for path in site_files(case.environment, "") if is_remnant(path)]
        remove = case.command("rm", "-r", *map(case.environment.path_to, remnants))
        remedy = (
            f"{ONLY_YOU}, because the files that pip left are the only copy of the old version: {remove} removes them"
        )
        yield Finding("metadata-broken", interrupted[0], message, remedy)
    for path in paths:
        if is_remnant(path) or path in known:
            continue
        message = "it does not name its package, so pip can neither list nor uninstall it"
        name, _, version = path.rpartition("/")[2].removesuffix(".dist-info").partition("-")
        install = overwriting_command(case, f"{name}=={version}" if version else name, "--ignore-installed")
        yield Finding("metadata-broken", path, message, f"{install} installs the package again")
    for distribution in case.info.distributions:
        if distribution.installer and distribution.metadata.endswith(".dist-info") and not distribution.rows:
            message = f"{distribution.name} {distribution.version} has no list of its files, so pip cannot uninstall it"
            requirement = requirement_of(distribution)
            remedy = overwriting_command(case, requirement, "--ignore-installed", distribution.installer)
            if distribution.editable:
                remedy = reinstall_command(distribution, case)
            if distribution.installer == "cloche" and (command := lock_command(case.info.settings, case.root)):
                remedy = f"`{command}`"
            record = case.environment.path_to(distribution.record)
            if os.path.isdir(record):
                remedy = f"remove the directory with {case.command('rm', '-r', record)}, then run {remedy}"
            yield Finding("record-missing", distribution.record, message, remedy)


def is_remnant(path: str) -> bool:
    """Return whether a path in `site-packages` is a file or directory that pip renamed while it replaced a package."""
    return path.rpartition("/")[2].startswith("~")


def check_records(case: Case) -> Iterator[Finding]:
    """Report files of packages that are missing or were modified, according to RECORD."""
    reported = {path for target in case.lost_targets for path in target.links}  # by `check_links`
    reported |= {path for paths in broken_scripts(case).values() for path in paths}  # by `check_scripts`
    duplicates = {distribution.metadata for group in duplicates_in(case) for distribution in group}
    bin_directory = case.environment.layout.bin
    has_bin = has_executables(case)
    lost_scripts = missing_scripts(case)
    relocation = case.relocation  # rows that name an old root are part of what `check_moved` reports
    for distribution in case.info.distributions:
        if distribution.metadata in duplicates:
            continue  # reported by `check_duplicates`
        if is_source_lost(distribution, case):
            continue  # reported by `check_paths`; nothing can install it again
        if distribution.key == "pip" and case.examination.seed and case.can_be_rebased:
            continue  # reported by `check_pip`
        missing, modified = [], []
        metadata = f"{distribution.metadata}/METADATA"
        for row in case.tree.doubtful(distribution.rows, metadata):
            if row.path.endswith((".pyc", "/__pycache__")) or row.path.startswith("../"):
                continue  # Python creates and removes bytecode at any time; files above the root may be shared
            if row.path in reported or (not has_bin and row.path.startswith(f"{bin_directory}/")):
                continue
            here = Row(relocation.path(row.path), row.digest, row.size) if os.path.isabs(row.path) else row
            if case.tree.status(here.path) is None:
                if distribution.key != "pip":  # reported by `check_pip`
                    missing.append(row.path)
            elif (
                row.digest.startswith("sha256=")
                and case.tree.is_altered(here, metadata)
                and installed_form(read_at_most(os.path.join(case.root, here.path), 1 << 20) or b"", row.digest) is None
            ):
                modified.append(row.path)
        for code, paths, state in (("record-missing", missing, "missing"), ("record-altered", modified, "modified")):
            if not paths:
                continue
            message = f"a file of {distribution.name} {distribution.version} is {state}{and_more(len(paths))}"
            if code == "record-missing" and case.can_be_rebased and lost_scripts.keys() >= {*paths}:
                yield Finding(code, paths[0], message, f"{case.fix} writes its scripts again", repairable=True)
            else:
                yield Finding(code, paths[0], message, reinstall_command(distribution, case))


def missing_scripts(case: Case) -> dict[str, tuple[str, EntryPoint]]:
    """Return the missing scripts that can be written again, by path: the name of each, and the entry point that it runs."""
    interpreter, layout = case.environment.interpreter or case.replacement, case.environment.layout
    version = interpreter.python_version if interpreter else ""
    found = {}
    for distribution in case.info.distributions:
        points = script_names(distribution.entry_points, version)
        for row in (row for row in distribution.rows_outside if row.path.startswith(f"{layout.bin}/")):
            directory, _, name = row.path.rpartition("/")
            name = name.removesuffix(".exe")
            is_missing = directory == layout.bin and not os.path.lexists(case.environment.path_to(row.path))
            if is_missing and name in points:
                found[row.path] = name, points[name]
    return found


def check_paths(case: Case) -> Iterator[Finding]:
    """Report `.pth` files and editable installs that name a missing directory; one missing parent is one finding.

    Paths that were moved together with the environment are reported by `check_moved`.
    """
    relocation = case.relocation
    sources: dict[str, list[InstalledDistribution]] = {}
    for distribution in case.info.distributions:
        if is_source_lost(distribution, case):
            sources.setdefault(missing_directory(distribution.editable), []).append(distribution)
    entries: dict[str, list[tuple[str, str]]] = {}
    for path, directory in missing_entries(case):
        cause = missing_directory(directory)
        if cause not in sources and relocation.path(directory) == directory:
            entries.setdefault(cause, []).append((path, directory))
    owners = {
        row.path: distribution
        for distribution in case.info.distributions
        for row in (distribution.rows if entries else ())
    }
    for cause, named in entries.items():
        path, directory = named[0]
        message = f"it adds a directory to the search path that does not exist: `{directory}`{and_more(len(named))}"
        restored = directory if len(named) == 1 else cause
        remedy = f"{ONLY_YOU}: restore `{restored}`, or {removal_of(path, owners.get(path), case)}"
        yield Finding("path-dead", path, message, remedy)
    for cause, distributions in sources.items():
        first = distributions[0]
        message = f"the source directory of {first.name} {first.version}, `{first.editable}`, does not exist"
        if len(distributions) > 1:
            message = f"`{cause}`, with the sources of {len(distributions)} packages, does not exist"
        links = [item.metadata for item in distributions if item.metadata.endswith(".egg-link")]
        remove = case.command("rm", *map(case.environment.path_to, links))
        names = [item.key for item in distributions if item.metadata not in links]
        uninstall = pip_command(case, "uninstall", "-y", *names, installer=first.installer)
        removal = " and ".join([uninstall] * bool(names) + [remove] * bool(links))
        remedy = f"{ONLY_YOU}: restore `{cause}`, or uninstall what was in it with {removal}"
        yield Finding("editable-dead", first.metadata, message, remedy)


def is_source_lost(distribution: InstalledDistribution, case: Case) -> bool:
    """Return whether the source directory of an editable install is gone, and not only moved with the environment."""
    source = distribution.editable
    return os.path.isabs(source) and not os.path.exists(source) and case.relocation.path(source) == source


def missing_entries(case: Case) -> Iterator[tuple[str, str]]:
    """Yield each missing directory that a `.pth` file adds to the search path, after the path of the file."""
    for path in site_files(case.environment, ".pth"):
        site = os.path.dirname(os.path.join(case.root, path))
        for entry in pth_entries(case.files.text(path), case.environment):
            directory = os.path.normpath(os.path.join(site, entry))
            if not os.path.exists(directory) and not any(is_within(entry, root) for root, _ in case.relocation.roots):
                yield path, directory


def removal_of(path: str, owner: InstalledDistribution | None, case: Case) -> str:
    """Return how to remove a `.pth` file: with the package that owns it, or by itself."""
    if owner is not None:
        return (
            f"uninstall {owner.name} with {pip_command(case, 'uninstall', '-y', owner.key, installer=owner.installer)}"
        )
    lines = [line for line in pth_lines(case.files.text(path), case.environment) if line.strip()]
    if len(lines) > 1:
        return "remove its line from the file"
    return f"remove the file with {case.command('rm', case.environment.path_to(path))}"


def duplicates_in(case: Case) -> list[list[InstalledDistribution]]:
    """Return the groups of distributions of one name in one directory, each with the order of `distributions`."""
    found: dict[tuple[str, str], list[InstalledDistribution]] = {}
    for distribution in case.info.distributions:
        if not distribution.metadata.endswith(".egg-link"):
            found.setdefault((distribution.key, distribution.site), []).append(distribution)
    return [group for group in found.values() if len(group) > 1]


def check_editables(case: Case) -> Iterator[Finding]:
    """Report editable installs whose source directory exists, but whose modules cannot be imported.

    The source may have moved within its project, or the build directory that a build backend uses may be gone. Finding a
    module does not run it, but some backends build their extension modules then, as for every import.
    """
    if case.examination.failure or case.examination.obstacle or case.old_roots:
        return
    problems = case.examination.problems
    modules = modules_of_editables(case.info.distributions, case.files)
    for distribution in case.info.distributions:
        broken = [module for module in modules.get(distribution.metadata, ()) if problems.get(module)]
        if broken:
            message = (
                f"{distribution.name} {distribution.version} is installed from `{distribution.editable}`, "
                f"but `import {broken[0]}` fails: {problems[broken[0]]}"
            )
            reinstall = reinstall_command(distribution, case)
            remedy = f"restore the module, or install the project as it is now with {reinstall}"
            yield Finding("editable-dead", distribution.metadata, message, f"{ONLY_YOU}: {remedy}")


def check_duplicates(case: Case) -> Iterator[Finding]:
    """Report packages that are installed more than once in the same directory."""
    for group in duplicates_in(case):
        last, key = group[-1], group[-1].key
        versions = [distribution.version for distribution in group]
        message = f"{last.name} is installed more than once, as {', '.join(versions[:-1])} and {versions[-1]}"
        removes_itself = key == "pip" and program_of(case, last.installer) == "own pip"
        removals = [
            pip_command(case, "uninstall", "-y", key, installer=last.installer)
            if distribution.rows and not removes_itself
            else case.command("rm", "-r", case.environment.path_to(distribution.metadata))
            for distribution in sorted(group, key=lambda distribution: bool(distribution.rows))
            if distribution is not last or not removes_itself
        ]
        install = pip_command(case, "install", "--no-deps", requirement_of(last), installer=last.installer)
        if removes_itself:
            install = overwriting_command(case, requirement_of(last), "--force-reinstall", last.installer)
        remedy = f"{ONLY_YOU} which version to keep; for {last.version}, run {', then '.join([*removals, install])}"
        yield Finding("installed-twice", last.metadata, message, remedy)


def check_pip(case: Case) -> Iterator[Finding]:
    """Report a pip that does not run or lacks files, and seeds that are links to a cache that was removed."""
    if not case.can_be_rebased:
        return  # reported by `check_base`
    lost = case.lost_seeds
    for seed in lost:
        message = f"{seed.name} {seed.version} consists of links to a cache that was removed"
        source = "" if seed.name == "pip" else "; if it is no longer on this machine, that needs the package index"
        yield Finding("seed-broken", seed.links[0], message, f"{case.fix} installs it again{source}", repairable=True)
    if any(seed.name == "pip" for seed in lost):
        return
    pips = [distribution for distribution in case.info.distributions if distribution.key == "pip"]
    missing = [
        row.path
        for distribution in pips
        if has_executables(case)
        for row in distribution.rows
        if not row.path.endswith((".pyc", "/__pycache__")) and case.tree.status(row.path) is None
    ]
    if case.examination.seed:
        site = case.environment.layout.purelib
        message = f"pip does not run: {case.examination.seed}"
        yield Finding("seed-broken", f"{site}/pip", message, f"{case.fix} installs it again", repairable=True)
    elif missing:
        message = f"a file of pip is missing{and_more(len(missing))}"
        yield Finding("seed-broken", missing[0], message, f"{case.fix} installs it again", repairable=True)

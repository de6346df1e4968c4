"""Checks of the installed packages: their files, metadata, extension modules, and pip."""

from __future__ import annotations

import ast
import os
import re
from shlex import quote
from typing import TYPE_CHECKING

from cloche.fs import read_at_most
from cloche.fs.checksums import is_modified
from cloche.lifecycle import embedded_paths
from cloche.lifecycle.case import FIX, Finding
from cloche.lifecycle.examination import ask_python
from cloche.lifecycle.recorded_command import lock_command
from cloche.lifecycle.relocation import is_within
from cloche.lifecycle.tool_edits import installed_form
from cloche.store.startup_code import split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.lifecycle.case import Case
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter


def check_extensions(case: Case) -> Iterator[Finding]:
    """Report packages whose extension modules are for another Python."""
    interpreter = case.environment.interpreter
    if interpreter is None or not interpreter.soabi:
        return
    for distribution in case.info.distributions:
        wrong = [row.path for row in distribution.rows if is_for_other_abi(row.path, interpreter)]
        wrong = [path for path in wrong if os.path.exists(os.path.join(case.root, path))]
        if wrong and not any(runs_here(row.path, interpreter, wrong) for row in distribution.rows):
            message = (
                f"{distribution.name} {distribution.version} has extension modules for another Python ({len(wrong)})"
            )
            yield Finding("extension-for-other-abi", wrong[0], message, reinstall_command(distribution, case))


def abi_tag(path: str) -> str | None:
    """Return the ABI tag in the file name of an extension module; None without one, or for the stable ABI."""
    match = re.search(r"\.((?:cpython|pypy|graalpy)[\w-]*|cp\d+[\w-]*)\.(?:so|pyd)$", path)
    return match[1] if match else None


def is_for_other_abi(path: str, interpreter: Interpreter) -> bool:
    """Return whether a file is an extension module that an interpreter does not load."""
    tag = abi_tag(path)
    return tag is not None and tag != interpreter.soabi


def runs_here(path: str, interpreter: Interpreter, wrong: list[str]) -> bool:
    """Return whether a path is one of the `wrong` modules, built for this interpreter: a wheel may contain several builds."""
    return abi_tag(path) == interpreter.soabi and any(
        path.partition(".")[0] == other.partition(".")[0] for other in wrong
    )


def reinstall_command(distribution: InstalledDistribution, case: Case) -> str:
    """Return the command that reinstalls a distribution, in backticks."""
    if distribution.installer == "cloche" and (command := lock_command(case.info.settings, case.root)):
        return f"`{command}`"
    if distribution.editable:
        return f"`python -m pip install --no-deps -e {quote(distribution.editable)}`"
    return f"`python -m pip install --force-reinstall --no-deps {distribution.key}=={distribution.version}`"


def check_metadata(case: Case) -> Iterator[Finding]:
    """Report unusable metadata, and the directories (`~ame`) that a killed pip leaves."""
    known = {distribution.metadata for distribution in case.info.distributions}
    known |= {path for target in case.lost_targets for path in target.metadata}  # reported by `check_links`
    for path in embedded_paths.site_files(case.environment, ".dist-info"):
        name = path.rpartition("/")[2]
        if name.startswith("~"):
            message = "pip was interrupted while it replaced a package"
            yield Finding(
                "metadata-broken",
                path,
                message,
                "remove it, and the other files and directories beside it whose names start with `~`",
            )
        elif path not in known:
            message = "it does not name its package, so pip can neither list nor uninstall it"
            project = name.partition("-")[0]
            remedy = (
                f"remove it, and reinstall the package: `python -m pip install --ignore-installed --no-deps {project}`"
            )
            yield Finding("metadata-broken", path, message, remedy)
    for distribution in case.info.distributions:
        if distribution.installer and distribution.metadata.endswith(".dist-info") and not distribution.rows:
            message = f"{distribution.name} {distribution.version} has no list of its files, so pip cannot uninstall it"
            remedy = f"`python -m pip install --ignore-installed --no-deps {distribution.key}=={distribution.version}`"
            if distribution.installer == "cloche" and (command := lock_command(case.info.settings, case.root)):
                remedy = f"`{command}`"
            yield Finding("record-missing", distribution.record, message, remedy)


def check_records(case: Case) -> Iterator[Finding]:
    """Report files of packages that are missing or were modified, according to RECORD."""
    lost = {path for target in case.lost_targets for path in target.links}
    relocation = case.relocation  # rows that name an old root are part of what `check_moved` reports
    for distribution in case.info.distributions:
        missing, modified = [], []
        for row in distribution.rows:
            path = relocation.path(os.path.join(case.root, row.path))
            if row.path.endswith((".pyc", "/__pycache__")) or row.path.startswith("../"):
                continue  # Python creates and removes bytecode at any time; files above the root may be shared
            if row.path in lost:
                continue  # reported by `check_links`
            if not os.path.lexists(path):
                if distribution.key != "pip":  # reported by `check_pip`
                    missing.append(row.path)
            elif (
                row.digest.startswith("sha256=")
                and is_modified(path, row.digest, row.size)
                and installed_form(read_at_most(path, 1 << 20) or b"", row.digest) is None
            ):
                modified.append(row.path)
        for code, paths, state in (("record-missing", missing, "missing"), ("record-altered", modified, "modified")):
            if paths:
                more = f", and {len(paths) - 1} more" if len(paths) > 1 else ""
                message = f"a file of {distribution.name} {distribution.version} is {state}{more}"
                yield Finding(code, paths[0], message, reinstall_command(distribution, case))


def pth_lines(text: str, environment: Environment) -> list[str]:
    """Return the lines of a `.pth` file as `site` reads them: since Python 3.13, it also splits at other characters."""
    return split_lines(text, environment.interpreter.version if environment.interpreter else (3, 13))


def check_paths(case: Case) -> Iterator[Finding]:
    """Report `.pth` files and editable installs that name a missing directory."""
    relocation = case.relocation
    for path in embedded_paths.site_files(case.environment, ".pth"):
        site = os.path.dirname(os.path.join(case.root, path))
        for line in pth_lines(case.overlay.text(path), case.environment):
            entry = line.rstrip()
            if not entry or entry.startswith("#") or line.startswith(("import ", "import\t")):
                continue
            directory = os.path.join(site, entry)
            if not os.path.exists(directory) and not any(is_within(entry, root) for root, _ in relocation.roots):
                message = f"it adds a directory to the search path that does not exist: `{entry}`"
                remedy = "restore the directory, or uninstall the package that this file belongs to"
                yield missing_path_finding("path-dead", path, message, remedy, relocation.path(directory), directory)
    for distribution in case.info.distributions:
        source = distribution.editable
        if source and not os.path.exists(source):
            message = f"the source directory of {distribution.name} {distribution.version}, `{source}`, does not exist"
            remedy = (
                f"reinstall it from its new path with `python -m pip install --no-deps -e`, "
                f"or remove it with `python -m pip uninstall {distribution.key}`"
            )
            yield missing_path_finding(
                "editable-dead", distribution.metadata, message, remedy, relocation.path(source), source
            )


def missing_path_finding(code: str, path: str, message: str, remedy: str, new: str, old: str) -> Finding:
    """Return the finding for a path that does not exist; repairable if it was moved with the environment.

    :param new: the path after relocation, the same as `old` if it was not moved.
    """
    return (
        Finding(code, path, message, remedy)
        if new == old
        else Finding(code, path, message, f"{FIX} changes it to `{new}`", "yes")
    )


def check_editables(case: Case) -> Iterator[Finding]:
    """Report editable installs whose source directory exists, but whose modules cannot be imported.

    The source may have moved within its project, or the build directory that a build backend uses may be gone. Finding a
    module does not run it, but some backends build their extension modules then, as for every import.
    """
    if case.examination.failure or case.examination.obstacle or case.old_roots:
        return
    modules = {
        distribution.metadata: editable_modules(case, distribution)
        for distribution in case.info.distributions
        if distribution.editable and os.path.exists(distribution.editable)
    }
    wanted = sorted({module for found in modules.values() for module in found})
    if not wanted:
        return
    executable = case.environment.path_to(case.environment.layout.executable)
    problems = ask_python(executable, case.host, [f"--import={module}" for module in wanted]).problems
    for distribution in case.info.distributions:
        broken = [module for module in modules.get(distribution.metadata, ()) if problems.get(module)]
        if broken:
            message = (
                f"{distribution.name} {distribution.version} is installed from `{distribution.editable}`, "
                f"but `import {broken[0]}` fails: {problems[broken[0]]}"
            )
            yield Finding("editable-dead", distribution.metadata, message, reinstall_command(distribution, case))


def editable_modules(case: Case, distribution: InstalledDistribution) -> list[str]:
    """Return the top-level modules of an editable install, as far as its metadata and the files of its backend name them."""
    names = {point.module for point in distribution.entry_points}
    names.update(case.overlay.text(f"{distribution.metadata}/top_level.txt").split())
    for row in distribution.rows:
        if os.path.dirname(row.path) == distribution.site and row.path.endswith(".py"):
            names.update(modules_in_loader(case.overlay.text(row.path)))
    return sorted({name.partition(".")[0] for name in names if name.partition(".")[0].isidentifier()})


def modules_in_loader(source: str) -> Iterator[str]:
    """Yield the modules that the loader of an editable install names.

    setuptools assigns a dictionary to `MAPPING`; meson-python and scikit-build-core pass a set or a dictionary to `install`.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        found: list[ast.expr | None] = []
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "MAPPING" for target in targets):
                found = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "install":
            found = [*node.args]
        for literal in found:
            items = (
                literal.keys if isinstance(literal, ast.Dict) else literal.elts if isinstance(literal, ast.Set) else []
            )
            yield from (item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str))


def check_duplicates(case: Case) -> Iterator[Finding]:
    """Report packages that are installed more than once in the same directory."""
    seen: dict[tuple[str, str], InstalledDistribution] = {}
    for distribution in case.info.distributions:
        if distribution.metadata.endswith(".egg-link"):
            continue
        other = seen.setdefault((distribution.key, distribution.site), distribution)
        if other is not distribution:
            message = f"{distribution.name} is installed twice, as {other.version} and {distribution.version}"
            yield Finding(
                "installed-twice",
                distribution.metadata,
                message,
                f"uninstall it with `python -m pip uninstall {distribution.key}`, then install it again",
            )


def check_pip(case: Case) -> Iterator[Finding]:
    """Report a pip that does not run or lacks files, and seeds that are links to a cache that was removed."""
    lost = case.lost_seeds
    for seed in lost:
        message = f"{seed.name} {seed.version} consists of links to a cache that was removed"
        source = "" if seed.name == "pip" else "; if it is no longer on this machine, that needs the package index"
        yield Finding("seed-broken", seed.links[0], message, f"{REINSTALLS}{source}", "yes")
    if any(seed.name == "pip" for seed in lost):
        return
    missing = [
        row.path
        for distribution in case.info.distributions
        if distribution.key == "pip"
        for row in distribution.rows
        if not row.path.endswith((".pyc", "/__pycache__")) and not os.path.lexists(os.path.join(case.root, row.path))
    ]
    if case.examination.seed:
        site = case.environment.layout.purelib
        message = f"pip does not run: {case.examination.seed}"
        yield Finding("seed-broken", f"{site}/pip", message, REINSTALLS, "yes")
    elif missing:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        yield Finding("seed-broken", missing[0], f"a file of pip is missing{more}", REINSTALLS, "yes")


REINSTALLS = f"{FIX} installs it again"

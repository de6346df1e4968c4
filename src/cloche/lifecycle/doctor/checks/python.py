"""Checks of the Python of an environment: `pyvenv.cfg`, the base interpreter, the executable, their versions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.errors import counted
from cloche.fs import forbids_execution, is_same_file, list_names
from cloche.fs.manifests import RUNTIME_MANIFEST, parse_manifest, was_edited
from cloche.lifecycle.doctor.case import ONLY_YOU, Finding, and_more
from cloche.lifecycle.doctor.checks.parts import missing_parts, recorded_setting, refresh_remedy, upgrade_command
from cloche.lifecycle.reader import LIBRARY_NAME, recorded_version
from cloche.lifecycle.rebase import PYTHON_NAME, version_like

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.lifecycle.doctor.case import Case
    from cloche.model.interpreter import Interpreter


def check_base(case: Case) -> Iterator[Finding]:
    """Report a base interpreter that no longer exists or has changed, and settings that contradict it."""
    settings, interpreter = case.info.settings, case.environment.interpreter
    if interpreter is None:
        if not case.info.is_portable and not case.has_moved_base:  # else reported by `check_start` or `check_moved`
            yield lost_base_finding(case, settings.get("home", ""))
        return
    problems = list(wrong_settings(case, interpreter))
    if problems:
        code = "base-upgraded" if all(code == "base-upgraded" for code, _ in problems) else "config-disagrees"
        message = "; ".join(message for _, message in problems)
        remedy = f"{case.fix} corrects `{case.environment.layout.config}`"
        yield Finding(code, case.environment.layout.config, message, remedy, repairable=True)


def lost_base_finding(case: Case, home: str) -> Finding:
    """Return the finding about a base interpreter that no longer exists, is another one now, or cannot be used."""
    version, replacement = case.info.version_text or "an unknown version", case.replacement
    if replacement is not None:
        remedy = f"{case.fix} switches to {replacement.name} at `{replacement.executable}`"
    else:
        switch = f"switch to another Python with {upgrade_command(case, '3')}"
        install = f"install Python {case.info.version_text}".rstrip()
        is_unusable = case.info.base is None and case.info.unusable_base is not None
        choice = f"repair that Python, or {switch}" if is_unusable else f"{install} again, or {switch}"
        remedy = f"{ONLY_YOU}: {choice}"
    repairable = replacement is not None
    if (found := case.info.base) is not None:
        message = f"its base in `{home}` is now {found.name}, but it was created for {version}"
        return Finding("base-replaced", home, message, remedy, repairable)
    if case.info.unusable_base is not None:
        executable, reason = case.info.unusable_base
        return Finding("base-unusable", home or executable, f"its base `{executable}` {reason}", remedy, repairable)
    message = f"its base, Python {version}{f' in `{home}`' if home else ''}, no longer exists"
    return Finding("base-gone", home or case.environment.layout.executable, message, remedy, repairable)


def wrong_settings(case: Case, interpreter: Interpreter) -> Iterator[tuple[str, str]]:
    """Yield what in `pyvenv.cfg` contradicts the base interpreter: the code of the finding, and a message."""
    settings, home = case.info.settings, case.info.settings.get("home", "")
    outdated = []
    for key in ("version_info", "version", "python-version"):
        if not (recorded := settings.get(key)):
            continue
        actual = version_like(recorded, interpreter) if key != "python-version" else interpreter.python_version
        if recorded != actual:
            outdated.append(f"`{key}` is {recorded}")
    if outdated and recorded_version(settings) != interpreter.python_version:
        yield "config-disagrees", f"all its files belong to {interpreter.name}, but {', '.join(outdated)}"
    elif outdated:
        yield "base-upgraded", f"its base is now {interpreter.name}, but {', '.join(outdated)}"
    if home and not has_interpreter(home, interpreter):
        yield (
            "config-disagrees",
            f"`home` is `{home}`, which has no {interpreter.name}; it runs `{interpreter.executable}`",
        )
    keys = ("executable", "base-executable", "base-prefix", "base-exec-prefix")
    gone = [f"`{key}` is `{settings[key]}`" for key in keys if settings.get(key) and not os.path.exists(settings[key])]
    if gone:
        yield "config-disagrees", f"{' and '.join(gone)}, which does not exist, although `home` does"


def has_interpreter(home: str, interpreter: Interpreter) -> bool:
    """Return whether a directory contains an interpreter, or another executable of its name or version."""
    directory, name = os.path.split(interpreter.executable)
    kind = "pypy" if interpreter.implementation == "pypy" else "python"
    names = (name, f"{kind}{interpreter.python_version}")
    return is_same_file(directory, home) or any(os.path.isfile(os.path.join(home, candidate)) for candidate in names)


def check_start(case: Case) -> Iterator[Finding]:
    """Report a Python that is missing, does not start, or does not match the environment."""
    layout, examination, interpreter = case.environment.layout, case.examination, case.environment.interpreter
    executable = case.environment.path_to(layout.executable)
    if not os.path.lexists(executable):
        return  # reported by `check_parts`
    if examination.obstacle:
        message = "it is a pipe or a device, and every Python that starts here blocks on reading it"
        remove = case.command("rm", case.environment.path_to(examination.obstacle))
        remedy = f"{ONLY_YOU}, because it may belong to another program: {remove} removes it"
        yield Finding("start-held-up", examination.obstacle, message, remedy)
    elif examination.failure and forbids_execution(os.path.realpath(executable)):
        pass  # reported by `check_mount`
    elif examination.failure and case.can_be_rebased and layout.config in missing_parts(case):
        pass  # reported by `check_parts`
    elif examination.failure and os.path.isdir(executable):
        remove = case.command("rm", "-r", executable)
        remedy = (
            f"{ONLY_YOU}: move the directory elsewhere, or remove it with {remove}; then {case.fix} restores its Python"
        )
        yield Finding("python-dead", layout.executable, "it is a directory", remedy)
    elif examination.failure and examination.starts_without_site:
        yield startup_finding(case)
    elif examination.failure and case.info.is_portable:
        if any(damaged_runtime_files(case)):
            return  # reported by `check_runtime`
        message = f"its Python does not start: {examination.failure}"
        yield Finding("python-dead", layout.executable, message, f"{ONLY_YOU}: {refresh_remedy(case)}")
    elif examination.failure and interpreter is not None:
        message = f"its Python does not start: {examination.failure}"
        remedy = f"{case.fix} switches to `{interpreter.executable}`"
        yield Finding("python-dead", layout.executable, message, remedy, repairable=True)
    elif (
        not examination.failure
        and not is_same_file(examination.prefix, case.root)
        and (case.info.is_portable or recorded_setting(layout.config, "home", case))
    ):
        message = f"its Python reports `{examination.prefix}` as its prefix"
        yield Finding("prefix-wrong", layout.executable, message, prefix_remedy(case))
    elif is_half_upgraded(case) and interpreter is not None:
        actual = version_text(examination.version)
        message = f"its Python is {actual}, but `pyvenv.cfg` says {interpreter.version_text}"
        commands = [upgrade_command(case, python) for python in (interpreter.python_version, actual)]
        yield Finding("half-upgraded", layout.executable, message, f"{ONLY_YOU}: {' or '.join(commands)}")


def is_half_upgraded(case: Case) -> bool:
    """Return whether the Python of an environment has another version than its `pyvenv.cfg`."""
    interpreter, examination = case.environment.interpreter, case.examination
    if interpreter is None or examination.failure or not is_same_file(examination.prefix, case.root):
        return False
    return examination.version[:2] != interpreter.version[:2]


def version_text(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


def startup_finding(case: Case) -> Finding:
    """Return the finding for a Python that starts, but not with the code that its `site` module runs at startup."""
    from cloche.lifecycle.installed_startup_code import installed_startup_code

    site = case.environment.layout.purelib
    paths = list(dict.fromkeys(item.code.path for item in installed_startup_code(case.info)))
    message = f"its Python does not start, because code that runs at startup fails: {case.examination.failure}"
    remedy = f"{ONLY_YOU}: correct or remove the code in {' or '.join(f'`{path}`' for path in paths) or f'`{site}`'}"
    if len(paths) == 1:
        remedy = (
            f"{ONLY_YOU}: correct the file, or remove it with {case.command('rm', case.environment.path_to(paths[0]))}"
        )
    return Finding("python-dead", paths[0] if paths else site, message, remedy)


def prefix_remedy(case: Case) -> str:
    """Return the remedy for a Python that does not recognize its environment."""
    environment, layout = case.environment, case.environment.layout
    nested = f"{layout.bin}/pyvenv.cfg"  # Python prefers it to the one above
    if os.path.lexists(environment.path_to(nested)):
        remove = case.command("rm", environment.path_to(nested))
        return f"{ONLY_YOU}: Python reads `{nested}` instead of `{layout.config}`; {remove} removes it"
    if case.info.is_portable:
        return f"{ONLY_YOU}: {refresh_remedy(case)}"
    link = case.command("rm", environment.path_to(layout.executable))
    return f"{ONLY_YOU}, because it may be intended: to use its base again, run {link}, then {case.fix}"


def check_runtime(case: Case) -> Iterator[Finding]:
    """Report files of the interpreter in a portable environment that are missing or were modified."""
    missing, altered = damaged_runtime_files(case)
    remedy = f"{ONLY_YOU}: {refresh_remedy(case)}"
    for code, paths, problem in (
        ("record-missing", missing, "is missing"),
        ("record-altered", altered, "was modified after it was installed"),
    ):
        if paths:
            message = f"this file of its Python {problem}{and_more(len(paths))}"
            yield Finding(code, paths[0], message, remedy)


def damaged_runtime_files(case: Case) -> tuple[list[str], list[str]]:
    """Return the files of the interpreter in a portable environment that are missing, and those that were modified."""
    recorded = parse_manifest(case.files.text(RUNTIME_MANIFEST))
    contents = {path: case.files.content(path) for path in recorded}
    missing = [path for path, content in contents.items() if content is None]
    altered = [
        path for path, content in contents.items() if content is not None and was_edited(content, recorded[path])
    ]
    return missing, altered


def check_libraries(case: Case) -> Iterator[Finding]:
    """Report the libraries of the system that a portable environment needs and does not find."""
    if not case.info.is_portable or case.host.platform != "linux":
        return
    from cloche.lifecycle.needs import find_missing, find_needs

    executable = case.environment.layout.executable
    own = {path.rpartition("/")[2] for path in damaged_runtime_files(case)[0]}  # reported by `check_runtime`
    for missing in find_missing(case.root, find_needs(case.root, executable), case.host.environ):
        if missing.library in own:
            continue
        remedy = (
            f"{ONLY_YOU}: install it on this system, or use an environment that was created with `--carry-libraries`"
        )
        if missing.library == "glibc" or not missing.path:
            remedy = f"{ONLY_YOU}: create the environment on the oldest system that it will be used on"
        yield Finding("library-missing", missing.path or executable, f"`{missing.library}` {missing.reason}", remedy)


def check_mount(case: Case) -> Iterator[Finding]:
    """Report a file system that is mounted with `noexec`: no file in the environment can be executed."""
    layout = case.environment.layout
    if not forbids_execution(case.environment.path_to(layout.bin)):
        return
    starts = not case.examination.failure
    effect = "its scripts can be run only as `python SCRIPT`" if starts else "its Python cannot start"
    message = f"its file system is mounted with `noexec`, so {effect}"
    remedy = f"{ONLY_YOU}: mount it with `exec`, or create the environment on another file system"
    yield Finding("mount-noexec", layout.bin, message, remedy)


def check_other_versions(case: Case) -> Iterator[Finding]:
    """Report executables and library directories of another version."""
    layout, interpreter = case.environment.layout, case.environment.interpreter
    if interpreter is None or case.environment.os_name == "nt" or is_half_upgraded(case):
        return
    for name in list_names(case.environment.path_to(layout.bin)):
        match = PYTHON_NAME.fullmatch(name)
        if match and match["version"] and "." in match["version"] and match["version"] != interpreter.python_version:
            message = f"it is named after another version, but starts {interpreter.name}"
            yield Finding(
                "name-of-other-version", f"{layout.bin}/{name}", message, f"{case.fix} removes it", repairable=True
            )
    own = layout.purelib.split("/")[1] if layout.purelib.count("/") >= 2 else ""
    for name in list_names(case.environment.path_to("lib")):
        site = f"lib/{name}/site-packages"
        if name == own or not LIBRARY_NAME.fullmatch(name):
            continue
        if os.path.isdir(case.environment.path_to(site)) and own:
            count = sum(entry.endswith(".dist-info") for entry in list_names(case.environment.path_to(site)))
            message = f"it is for another version, and has {counted(count, 'package')} that this Python does not find"
            transfer = upgrade_command(case, interpreter.python_version)
            remove = case.command("rm", "-r", case.environment.path_to(f"lib/{name}"))
            remedy = f"{ONLY_YOU}: {transfer} transfers them, or {remove} removes them"
            yield Finding("lib-of-other-version", f"lib/{name}", message, remedy)

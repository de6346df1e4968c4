"""What is wrong with an environment: findings with a name, an explanation and a remedy. It looks, and changes nothing.

Each check is a function from a case to findings; `CHECKS` is the order in which they are made and reported.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from cloche.lifecycle import places
from cloche.lifecycle.basing import NAME, in_style, replacement
from cloche.lifecycle.draft import Draft, digest
from cloche.lifecycle.examination import Examined, examine, same
from cloche.lifecycle.portrait import Portrait, portray
from cloche.lifecycle.relocation import within
from cloche.lifecycle.shebangs import header_of
from cloche.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloche.lifecycle.installed import Installed
    from cloche.model import Environment, Host, Interpreter
    from cloche.session import Session


@value
class Finding:
    """Something that is wrong."""

    code: str
    """Which kind of trouble; the reference has them all."""
    path: str
    """What has it: relative to the root where it is inside."""
    message: str
    """What is wrong, as a lower-case fragment."""
    remedy: str
    """What would mend it."""
    mendable: str = "no"
    """`yes` if `cloche doctor --fix` does it."""


@value
class Case:
    """An environment that is looked into."""

    portrait: Portrait
    host: Host
    examined: Examined
    replacement: Interpreter | None
    """What could take the place of a base that is gone."""

    @property
    def environment(self) -> Environment:
        return self.portrait.environment

    @property
    def root(self) -> str:
        return self.portrait.environment.location

    @property
    def draft(self) -> Draft:
        return Draft(self.root)

    @property
    def old_roots(self) -> list[str]:
        """The places that files in it take for its root and that are another."""
        return [root for root in self.portrait.recorded_roots if not same(root, self.root)]


FIX = "`cloche doctor --fix`"


def take_up(path: str, session: Session) -> Case:
    """Look at an environment and start its Python.

    :raises DestinationError: there is none.
    """
    portrait = portray(path, session.host, session.probes)
    environment = portrait.environment
    examined = examine(environment, session.host)
    alive = environment.interpreter is not None and not examined.failure
    other = None if alive else environment.interpreter or replacement(portrait.settings, session)
    return Case(portrait, session.host, examined, other)


def diagnose(case: Case) -> list[Finding]:
    """Return everything that is wrong."""
    return [finding for check in CHECKS for finding in check(case)]


# The checks


def base(case: Case) -> Iterator[Finding]:
    settings, interpreter = case.portrait.settings, case.environment.interpreter
    other = case.replacement
    if interpreter is None:
        version = case.portrait.recorded_version or "an unknown version"
        if other is not None:
            remedy, mendable = f"{FIX} has it use {other.name} at `{other.executable}`", "yes"
        else:
            remedy, mendable = f"install Python {version} again, or `cloche upgrade -p` to one that is there", "no"
        if (standing := case.portrait.base) is not None:
            message = f"its base in `{settings['home']}` is {standing.name} now, and it was made for {version}"
            yield Finding("base-replaced", settings["home"], message, remedy, mendable)
        else:
            message = f"its base, Python {version} in `{settings['home']}`, is gone"
            yield Finding("base-gone", settings["home"], message, remedy, mendable)
        return
    disagreeing = []
    for key in ("version_info", "version", "python-version"):
        if not (recorded := settings.get(key)):
            continue
        actual = in_style(recorded, interpreter) if key != "python-version" else interpreter.python_version
        if recorded != actual:
            disagreeing.append(f"`{key}` is {recorded}")
    if disagreeing:
        message = f"its base is {interpreter.name} by now, and {', '.join(disagreeing)}"
        yield Finding("base-upgraded", case.environment.layout.config, message, FIX, "yes")
    for key in ("executable", "base-executable", "base-prefix", "base-exec-prefix"):
        if settings.get(key) and not os.path.exists(settings[key]):
            message = f"`{key}` is `{settings[key]}`, which does not exist, while `home` is alive"
            yield Finding("config-disagrees", case.environment.layout.config, message, FIX, "yes")


def start(case: Case) -> Iterator[Finding]:
    layout, examined, interpreter = case.environment.layout, case.examined, case.environment.interpreter
    executable = case.environment.place(layout.executable)
    if not os.path.isdir(case.environment.place(layout.purelib)):
        remedy = "`cloche upgrade` makes it whole, and takes along what is installed elsewhere in it"
        yield Finding("half-made", layout.purelib, "there is no directory for packages", remedy)
    if not os.path.lexists(executable):
        yield Finding(
            "half-made", layout.executable, "there is no Python in it", FIX, "yes" if case.replacement else "no"
        )
    elif examined.failure and interpreter is not None:
        message = f"its Python does not start: {examined.failure}"
        yield Finding("python-dead", layout.executable, message, f"{FIX} has it use {interpreter.executable}", "yes")
    elif not examined.failure and not same(examined.prefix, case.root):
        message = f"its Python takes `{examined.prefix}` for its place"
        yield Finding("prefix-wrong", layout.executable, message, "see what else is in `pyvenv.cfg` and beside it")
    elif not examined.failure and interpreter and examined.version[:2] != interpreter.version[:2]:
        runs = ".".join(str(part) for part in examined.version)
        message = f"its Python is {runs}, and `pyvenv.cfg` says {interpreter.version_text}"
        remedy = f"`cloche upgrade -p {interpreter.python_version}` or `-p {runs}` makes it one of them"
        yield Finding("half-upgraded", layout.executable, message, remedy)


def other_versions(case: Case) -> Iterator[Finding]:
    """Names and directories that another version left behind."""
    layout, interpreter = case.environment.layout, case.environment.interpreter
    if interpreter is None or case.environment.os_name == "nt":
        return
    for name in places.listed(case.environment.place(layout.bin)):
        match = NAME.fullmatch(name)
        if match and match["version"] and "." in match["version"] and match["version"] != interpreter.python_version:
            message = f"it is named for another version, and starts {interpreter.name}"
            yield Finding("name-of-other-version", f"{layout.bin}/{name}", message, f"{FIX} removes it", "yes")
    own = layout.purelib.split("/")[1] if layout.purelib.count("/") >= 2 else ""
    for name in places.listed(case.environment.place("lib")):
        site = f"lib/{name}/site-packages"
        if name == own or not re.fullmatch(r"(python|pypy)\d[\d.]*t?", name):
            continue
        if os.path.isdir(case.environment.place(site)) and own:
            count = sum(entry.endswith(".dist-info") for entry in places.listed(case.environment.place(site)))
            message = f"a directory of another version, with {count} packages that this Python does not see"
            remedy = "`cloche upgrade` takes them along; remove it if they are not needed"
            yield Finding("lib-of-other-version", f"lib/{name}", message, remedy)


def moved(case: Case) -> Iterator[Finding]:
    old_roots = case.old_roots
    if not old_roots:
        return
    recorded = places.roots(case.environment, case.portrait.settings, list(case.portrait.distributions), case.draft)
    for root in old_roots:
        files = recorded.get(root, [])
        what = "copied" if os.path.isfile(os.path.join(root, "pyvenv.cfg")) else "moved"
        message = f"it was {what} from there: {len(files)} files name `{root}`, among them `{files[0]}`"
        yield Finding("moved", root, message, f"{FIX} has all of them name `{case.root}`", "yes")


def scripts(case: Case) -> Iterator[Finding]:
    environment, draft = case.environment, case.draft
    own = set(places.own_scripts(environment, list(case.portrait.distributions)))
    for name in places.listed(environment.place(environment.layout.bin)):
        path = f"{environment.layout.bin}/{name}"
        if draft.target(path) is not None or NAME.fullmatch(name):
            continue
        header = header_of(head(draft.on_disk(path)))
        if header is None or not header.program.startswith("/"):
            continue
        root = places.root_of_program(header.program, environment.layout.bin)
        if root in case.old_roots:
            continue  # `moved` says so
        if not os.path.exists(header.program) and not same(root, case.root):
            mendable = "yes" if path in own else "no"
            remedy = (
                f"{FIX} has it started by its own Python" if path in own else "reinstall what brought it, or remove it"
            )
            yield Finding("script-dead", path, f"it is started by `{header.program}`, which is gone", remedy, mendable)
        elif not os.path.exists(header.program) and os.path.basename(header.program) not in environment.layout.names:
            yield Finding(
                "script-dead",
                path,
                f"it is started by `{os.path.basename(header.program)}`, which this environment has not",
                f"{FIX} has it started by `{os.path.basename(environment.layout.executable)}`",
                "yes",
            )
        elif path in own and (not root or not same(root, case.root)) and os.path.basename(header.program) != "env":
            message = f"it is of a package here, and is started by `{header.program}`"
            yield Finding("script-foreign", path, message, f"{FIX} has it started by its own Python", "yes")
        elif path in own and environment.placement == "relocatable" and environment.os_name != "nt":
            message = "the environment is relocatable, and this script names the place where it is"
            yield Finding("script-fixed", path, message, f"{FIX} lets it find its Python when it runs", "yes")


def head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(8192)
    except OSError:
        return b""


def extensions(case: Case) -> Iterator[Finding]:
    interpreter = case.environment.interpreter
    if interpreter is None or not interpreter.soabi:
        return
    for one in case.portrait.distributions:
        wrong = [row.path for row in one.rows if is_for_other_abi(row.path, interpreter)]
        wrong = [path for path in wrong if os.path.exists(os.path.join(case.root, path))]
        if wrong and not any(runs_here(row.path, interpreter, wrong) for row in one.rows):
            message = f"{len(wrong)} extension modules of {one.name} {one.version} are for another Python"
            yield Finding("extension-for-other-abi", wrong[0], message, reinstall(one))


def abi_tag(path: str) -> str | None:
    """Return the ABI tag in an extension module's name; None for one without, or with the stable ABI's."""
    match = re.search(r"\.((?:cpython|pypy|graalpy)[\w-]*|cp\d+[\w-]*)\.(?:so|pyd)$", path)
    return match[1] if match else None


def is_for_other_abi(path: str, interpreter: Interpreter) -> bool:
    tag = abi_tag(path)
    return tag is not None and tag != interpreter.soabi


def runs_here(path: str, interpreter: Interpreter, wrong: list[str]) -> bool:
    """Return whether a path is the same extension module for this interpreter: a wheel may bring several."""
    return abi_tag(path) == interpreter.soabi and any(
        path.partition(".")[0] == other.partition(".")[0] for other in wrong
    )


def reinstall(one: Installed) -> str:
    if one.editable:
        return f"`python -m pip install --no-deps -e {one.editable}`"
    return f"`python -m pip install --force-reinstall --no-deps {one.key}=={one.version}`"


def records(case: Case) -> Iterator[Finding]:
    """What RECORD lists and is not there, or is not what was installed."""
    for one in case.portrait.distributions:
        missing, altered = [], []
        for row in one.rows:
            there = os.path.join(case.root, row.path)
            if row.path.endswith((".pyc", "/__pycache__")) or row.path.startswith("../"):
                continue  # Python makes and removes byte-code as it likes; what lies outside is another's
            if not os.path.lexists(there):
                missing.append(row.path)
            elif row.digest.startswith("sha256=") and is_altered(there, row.digest, row.size):
                altered.append(row.path)
        for code, paths, what in (("record-missing", missing, "missing"), ("record-altered", altered, "altered")):
            if paths:
                more = f", and {len(paths) - 1} more" if len(paths) > 1 else ""
                message = f"a file of {one.name} {one.version} is {what}{more}"
                yield Finding(code, paths[0], message, reinstall(one))


def is_altered(path: str, recorded: str, size: str) -> bool:
    try:
        if os.path.isdir(path):
            return True
        if size.isdigit() and os.path.getsize(path) != int(size):
            return True
        with open(path, "rb") as file:
            return digest(file.read()) != recorded.rstrip("=")
    except OSError:
        return True


def links(case: Case) -> Iterator[Finding]:
    bin_of = f"{case.environment.layout.bin}/"
    for file in places.files(case.root):
        if file.kind != "link" or os.path.exists(os.path.join(case.root, file.path)):
            continue
        is_python = file.path.startswith(bin_of) and NAME.fullmatch(file.path.removeprefix(bin_of))
        if is_python and (case.environment.interpreter is None or case.examined.failure):
            continue  # `base` or `start` says so
        target = os.readlink(os.path.join(case.root, file.path))
        if any(within(target, root) for root in case.old_roots):
            continue
        message = f"a link to `{target}`, where nothing is"
        yield Finding("link-dangling", file.path, message, "remove it, or put back what it points to")


def paths(case: Case) -> Iterator[Finding]:
    """`.pth` files and editable installs that lead nowhere."""
    for path in places.site_files(case.environment, ".pth"):
        site = os.path.dirname(os.path.join(case.root, path))
        for line in case.draft.text(path).splitlines():
            entry = line.strip()
            if not entry or entry.startswith("#") or line.startswith(("import ", "import\t")):
                continue
            there = os.path.join(site, entry)
            if not os.path.exists(there) and not any(within(entry, root) for root in case.old_roots):
                message = f"it adds `{entry}` to the search path, and nothing is there"
                yield Finding("path-dead", path, message, "put that directory back, or uninstall what brought the file")
    for one in case.portrait.distributions:
        if one.editable and not os.path.exists(one.editable):
            message = f"{one.name} {one.version} is developed in `{one.editable}`, and nothing is there"
            remedy = f"`python -m pip install --no-deps -e` with its place, or `python -m pip uninstall {one.key}`"
            yield Finding("editable-dead", one.metadata, message, remedy)


def doubles(case: Case) -> Iterator[Finding]:
    seen: dict[tuple[str, str], Installed] = {}
    for one in case.portrait.distributions:
        if one.metadata.endswith(".egg-link"):
            continue
        other = seen.setdefault((one.key, one.site), one)
        if other is not one:
            message = f"{one.name} is there twice, as {other.version} and {one.version}"
            yield Finding(
                "installed-twice", one.metadata, message, f"`python -m pip uninstall {one.key}`, and install it"
            )


def permissions(case: Case) -> Iterator[Finding]:
    open_to_all = world_writable(case.root)
    if open_to_all:
        more = f", and {len(open_to_all) - 1} more" if len(open_to_all) > 1 else ""
        message = f"every user may write to it{more}: what stands there runs as whoever uses the environment"
        yield Finding("world-writable", open_to_all[0], message, FIX, "yes")


def world_writable(root: str) -> list[str]:
    """Return files and directories that every user may write to, relative to the root (`.` is the root itself)."""
    if os.name == "nt":
        return []
    found = ["."] if stat.S_IMODE(os.stat(root).st_mode) & stat.S_IWOTH else []
    for parent, directories, names in os.walk(root):
        for name in [*directories, *names]:
            status = os.lstat(os.path.join(parent, name))
            if status.st_mode & stat.S_IWOTH and not stat.S_ISLNK(status.st_mode):
                found.append(os.path.relpath(os.path.join(parent, name), root).replace(os.sep, "/"))
    return sorted(found)


def seed(case: Case) -> Iterator[Finding]:
    if case.examined.seed:
        site = case.environment.layout.purelib
        message = f"pip does not run: {case.examined.seed}"
        yield Finding("seed-broken", f"{site}/pip", message, f"{FIX} lays it down anew", "yes")


def left_behind(case: Case) -> Iterator[Finding]:
    for path in leftovers(case.root):
        message = "a run of cloche was ended here before it was done"
        yield Finding("left-behind", path, message, f"{FIX} undoes and removes it", "yes")


def leftovers(root: str) -> list[str]:
    """Return the staging directories in and beside an environment, absolute."""
    parent, name = os.path.split(root)
    inside = [os.path.join(root, one) for one in places.listed(root) if re.fullmatch(r"\.cloche-\d+", one)]
    stem = re.compile(rf"\.{re.escape(name)}\.cloche-\d+")
    return inside + [os.path.join(parent, one) for one in places.listed(parent) if stem.fullmatch(one)]


CHECKS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    base,
    start,
    moved,
    other_versions,
    scripts,
    links,
    extensions,
    records,
    doubles,
    paths,
    permissions,
    seed,
    left_behind,
)

CODES = {
    "base-gone": "the interpreter that the environment was made from is no longer there",
    "base-replaced": "an interpreter of another version stands where its base was",
    "base-upgraded": "its base has become another patch release, and `pyvenv.cfg` has not",
    "config-disagrees": "`pyvenv.cfg` names things that do not exist",
    "editable-dead": "a package is developed in a directory that is gone",
    "extension-for-other-abi": "extension modules cannot be loaded by this Python",
    "half-made": "there is no Python in it, or no directory for packages",
    "half-upgraded": "its Python and its `pyvenv.cfg` are of different versions",
    "installed-twice": "two versions of one package lie over each other",
    "left-behind": "a killed run has left its staging directory",
    "lib-of-other-version": "packages lie where this Python does not look",
    "link-dangling": "a symbolic link leads nowhere",
    "moved": "files in it name another place as its own",
    "name-of-other-version": "an executable has the name of another version than it starts",
    "path-dead": "a `.pth` file adds a directory that is not there",
    "prefix-wrong": "its Python does not find the environment",
    "python-dead": "its Python does not start, although the base is alive",
    "record-altered": "a file is not what was installed",
    "record-missing": "a file that was installed is gone",
    "script-dead": "a script's Python is gone",
    "script-fixed": "a script in a relocatable environment would not survive a move",
    "script-foreign": "a script of a package here is started by another environment's Python",
    "seed-broken": "pip does not run",
    "world-writable": "every user may change what the environment runs",
}
"""Every code of a finding, and what it stands for."""

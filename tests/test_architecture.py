"""The rules of the architecture, read from the imports; docs/explanation/architecture.md says what they are for."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parent.parent
SOURCES = REPOSITORY / "src"

LAYERS = (
    ("errors", "cpython"),
    ("model",),
    ("fs",),
    ("shells",),
    ("apply",),
    ("plugins",),
    ("store",),
    ("planning",),
    ("discovery",),
    ("session",),
    ("lifecycle",),
    ("api",),
    ("facade", "testing"),
    ("cli",),
    ("__main__",),
)
"""The packages and loose modules of cloche, lowest first. Each imports only what is below it."""

PUBLIC = frozenset(("facade", "model", "errors", "shells", "testing", "cloche.plugins.hookspecs"))
"""What plugins may import: packages and loose modules by name, one module of a package by its full name."""

WARM = frozenset(
    (
        "cloche",
        "cloche.__main__",
        "cloche.api",
        "cloche.apply",
        "cloche.apply.executor",
        "cloche.apply.file_list",
        "cloche.apply.signals",
        "cloche.apply.staging",
        "cloche.apply.transaction",
        "cloche.cli",
        "cloche.cli.commands",
        "cloche.cli.create",
        "cloche.cli.dispatch",
        "cloche.cli.invocation",
        "cloche.cli.parser",
        "cloche.cli.report",
        "cloche.cli.request",
        "cloche.cli.settings",
        "cloche.cli.user_shell",
        "cloche.cpython",
        "cloche.discovery",
        "cloche.discovery.base_interpreter",
        "cloche.discovery.cache",
        "cloche.discovery.describe",
        "cloche.discovery.project",
        "cloche.discovery.serialization",
        "cloche.errors",
        "cloche.fs",
        "cloche.fs.checksums",
        "cloche.fs.files",
        "cloche.fs.inputs",
        "cloche.fs.locks",
        "cloche.model",
        "cloche.model.distribution",
        "cloche.model.environment",
        "cloche.model.interpreter",
        "cloche.model.operations",
        "cloche.model.options",
        "cloche.model.plan",
        "cloche.model.request",
        "cloche.model.value",
        "cloche.planning",
        "cloche.planning.destination",
        "cloche.planning.layout",
        "cloche.planning.plan_at",
        "cloche.planning.plan_cache",
        "cloche.planning.pyvenv_cfg",
        "cloche.plugins",
        "cloche.plugins.entry_points",
        "cloche.plugins.guard",
        "cloche.plugins.hookspecs",
        "cloche.session",
        "cloche.shells",
        "cloche.shells.csh",
        "cloche.shells.family",
        "cloche.shells.fish",
        "cloche.shells.posix",
        "cloche.shells.powershell",
        "cloche.shells.python",
        "cloche.shells.template",
        "cloche.store",
        "cloche.store.check",
        "cloche.store.directories",
        "cloche.store.installation",
    )
)
"""Modules that an ordinary `cloche DEST` loads, with plugins or without; everything else waits until it is needed."""

DEAR = frozenset(
    "re enum typing dataclasses pathlib json argparse subprocess shutil tempfile collections functools importlib "
    "inspect pluggy filelock platformdirs distlib packaging hashlib ctypes threading logging urllib".split()
)
"""Modules that cost milliseconds, each of them more than making an environment should."""


class Import(NamedTuple):
    """One import statement, as far as it names one module."""

    importer: str
    imported: str
    names: tuple[str, ...]
    when: str
    """`at once`, `if need be` (in a function, or where another import failed), or `for types`."""
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported} {self.when}"


def modules(root: Path) -> dict[str, ast.Module]:
    """Return every module below a directory by its dotted name."""
    parsed = {}
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        parsed[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return parsed


TREES = modules(SOURCES)


def imports(importer: str, trees: dict[str, ast.Module] = TREES) -> Iterator[Import]:
    """Yield what one module imports; `from cloche import config` is an import of `cloche.planning.pyvenv_cfg`."""

    def visit(node: ast.AST, when: str) -> Iterator[Import]:
        match node:
            case ast.Import(names):
                for alias in names:
                    yield Import(importer, alias.name, (), when, node.lineno)
            case ast.ImportFrom(module, names, level):
                assert level == 0, f"{importer}:{node.lineno} has a relative import"
                submodules = [alias.name for alias in names if f"{module}.{alias.name}" in trees]
                others = tuple(alias.name for alias in names if alias.name not in submodules)
                for name in submodules:
                    yield Import(importer, f"{module}.{name}", (), when, node.lineno)
                if others:
                    yield Import(importer, str(module), others, when, node.lineno)
            case ast.If(ast.Name("TYPE_CHECKING"), body, orelse):
                for child in body:
                    yield from visit(child, "for types")
                for child in orelse:
                    yield from visit(child, when)
            case _:
                later = isinstance(node, (ast.FunctionDef, ast.ExceptHandler)) and when == "at once"
                for child in ast.iter_child_nodes(node):
                    yield from visit(child, "if need be" if later else when)

    return visit(trees[importer], "at once")


def part(module: str) -> str:
    """Return the part of the program that a module belongs to: `cloche.cli.report` to `cli`."""
    return module.split(".")[1] if "." in module else "facade"


def own_imports() -> Iterator[Import]:
    """Yield every import of one module of cloche by another; the version number is for everybody."""
    for module in TREES:
        for one in imports(module):
            if one.imported.partition(".")[0] == "cloche" and one.names != ("__version__",):
                yield one


LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def test_every_part_of_the_program_has_a_layer() -> None:
    assert {part(module) for module in TREES} - {"builtin"} <= LEVEL.keys()


def test_imports_point_one_way() -> None:
    """A part imports from lower layers only, at the top of a module, inside a function, and for annotations."""
    against = [
        str(one)
        for one in own_imports()
        if part(one.importer) not in ("builtin", part(one.imported))
        and not LEVEL[part(one.imported)] < LEVEL[part(one.importer)]
    ]
    assert against == []


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of a graph that have more than one node (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
            if other in stack:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def graph_of(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Return which modules import which, at any time and for any reason."""
    return {module: {one.imported for one in imports(module, trees)} & trees.keys() - {module} for module in trees}


def test_no_modules_import_each_other() -> None:
    """Annotations and imports inside functions count as well."""
    assert cycles(graph_of(TREES)) == []


DOCUMENTED = (("os", "_exit"), ("_thread", ""))
"""A function and a module whose names have an underscore, and that every Python has."""


def is_private(one: Import) -> bool:
    """Return whether an import is of a module that CPython keeps to itself, or of such a name in a public module."""
    names = [name for name in one.names if (one.imported, name) not in DOCUMENTED]
    package, *modules = one.imported.split(".")
    if (package, "") in DOCUMENTED:
        return False
    return package in (*sys.stdlib_module_names, "_sha2") and any(map(is_underscored, (package, *modules, *names)))


def is_underscored(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def test_only_one_module_uses_what_is_private_to_cpython() -> None:
    """A program for another interpreter uses what that interpreter has, and cannot import the module."""
    others = {name: tree for name, tree in TREES.items() if name != "cloche.cpython" and not in_the_target(name)}
    against = [str(one) for module in others for one in imports(module) if is_private(one)]
    for module, tree in others.items():
        for name, line in attributes(tree):
            owner, _, attribute = name.partition(".")
            if owner in sys.stdlib_module_names and is_underscored(attribute) and (owner, attribute) not in DOCUMENTED:
                against.append(f"{module}:{line} uses {name}")
    assert against == []


def test_at_most_six_modules_lie_loose_beside_the_packages() -> None:
    assert len([path for path in (SOURCES / "cloche").iterdir() if path.suffix == ".py"]) <= 6


def is_public(module: str) -> bool:
    return part(module) in PUBLIC or module in PUBLIC


def test_the_plugins_in_the_box_import_only_what_is_public() -> None:
    against = [
        str(one)
        for one in own_imports()
        if part(one.importer) == "builtin" and part(one.imported) != "builtin" and not is_public(one.imported)
    ]
    assert against == []


def test_only_the_plugin_table_names_what_comes_in_the_box() -> None:
    """No import and no other text names `cloche.builtin`: any of it could be a third party's."""
    against = []
    for module, tree in TREES.items():
        if part(module) == "builtin":
            continue
        against += [str(one) for one in imports(module) if one.imported.startswith("cloche.builtin")]
        against += [
            f"{module}:{node.lineno} names {node.value!r}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "cloche.builtin" in node.value
        ]
    table = next(
        node.lineno
        for node in ast.walk(TREES["cloche.plugins.registry"])
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and "BUILTIN" in ast.unparse(node).partition("=")[0]
    )
    assert against == [f"cloche.plugins.registry:{table} names 'cloche.builtin.plugin'"]


def distributions() -> list[Path]:
    return sorted(path.parent for path in (REPOSITORY / "plugins").glob("*/pyproject.toml"))


@pytest.mark.parametrize("distribution", distributions(), ids=lambda path: path.name)
def test_a_distribution_imports_only_what_is_public(distribution: Path) -> None:
    trees = modules(distribution / "src")
    against = [
        str(one)
        for module in trees
        for one in imports(module, trees | TREES)
        if one.imported.partition(".")[0] == "cloche" and not is_public(one.imported)
    ]
    assert against == []


@pytest.mark.parametrize("distribution", distributions(), ids=lambda path: path.name)
def test_no_modules_of_a_distribution_import_each_other(distribution: Path) -> None:
    assert cycles(graph_of(modules(distribution / "src"))) == []


def in_the_target(module: str) -> bool:
    """Return whether a module is a program for another interpreter, which knows nothing of cloche: `_probe`, say."""
    name = module.rpartition(".")[2]
    return name == "activate_this" or (name[0] == "_" and name != "__main__")


def attributes(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every `module.attribute` that is looked at, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}", node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "sys"):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


READ_AT_THE_BORDER = ("cloche.__main__", "cloche.api", "cloche.cli.", "cloche.testing")


def test_environment_variables_are_read_once_at_the_border() -> None:
    """Everything further in gets a `Host`, so that a test, or another program, can give it another world."""
    against = [
        f"{module}:{line} reads {name}"
        for module, tree in TREES.items()
        if not module.startswith(READ_AT_THE_BORDER) and not in_the_target(module)
        for name, line in attributes(tree)
        if name in ("os.environ", "os.environb", "os.getenv", "os.getcwd")
    ]
    assert against == []


DECIDE_ABOUT_ENVIRONMENTS = frozenset("model shells planning builtin".split())


def test_what_an_environment_is_like_follows_the_target_and_never_this_machine() -> None:
    """An environment for Windows can be planned on Linux, since nothing on the way asks where it runs."""
    ours = "os.name os.sep os.pathsep os.linesep os.uname sys.platform sys.version_info sys.maxsize".split()
    against = [
        f"{module}:{line} asks for {name}"
        for module, tree in TREES.items()
        if part(module) in DECIDE_ABOUT_ENVIRONMENTS
        and not module.startswith(("cloche.builtin.finders", "cloche.planning.destination"))
        and not in_the_target(module)
        for name, line in attributes(tree)
        if name in ours
    ]
    assert against == []


def test_warm_modules_import_nothing_dear_at_once() -> None:
    against = [
        str(one)
        for module in WARM & TREES.keys()
        for one in imports(module)
        if one.when == "at once" and one.imported.partition(".")[0] in DEAR
    ]
    assert against == []


def test_warm_modules_import_only_warm_modules_at_once() -> None:
    against = [
        str(one)
        for module in WARM & TREES.keys()
        for one in imports(module)
        if one.when == "at once" and one.imported.partition(".")[0] == "cloche" and one.imported not in WARM
    ]
    assert against == []


def test_the_list_of_warm_modules_names_only_modules_that_there_are() -> None:
    assert TREES.keys() >= WARM


def declared() -> set[str]:
    """Return the names of the distributions that cloche says it needs; each has a package of the same name."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[^\w]", requirement)[0] for requirement in project["dependencies"]}


def test_nothing_is_imported_that_is_not_declared() -> None:
    """What only annotations need is not needed to run; the contract kit has pytest, because it is run by it."""
    there = {"cloche", "_sha2", *sys.stdlib_module_names, *declared()}  # Python 3.12 renamed it
    against = [
        str(one)
        for module in TREES
        for one in imports(module)
        if one.when != "for types"
        and one.imported.partition(".")[0] not in there | ({"pytest"} if part(module) == "testing" else set())
    ]
    assert against == []


APPLY = frozenset(("cloche.apply", "cloche.apply.file_list", "cloche.apply.staging"))
"""What other packages may import of `apply`: the way to disk itself, and no part of it."""


def test_apply_is_the_only_way_to_disk() -> None:
    """No other package opens a transaction, or calls the executor or a journal."""
    against = [
        str(one)
        for one in own_imports()
        if part(one.imported) == "apply" and part(one.importer) != "apply" and one.imported not in APPLY
    ]
    assert against == []


def test_only_one_module_takes_locks() -> None:
    against = [
        str(one)
        for module in TREES
        for one in imports(module)
        if module != "cloche.fs.locks" and (one.imported == "filelock" or "flock" in one.names or "lockf" in one.names)
    ]
    assert against == []


def test_one_module_names_the_staging_directory_and_one_the_manifest() -> None:
    named = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(".cloche-")
    }
    assert named == {"cloche.apply.staging", "cloche.fs.checksums"}


def test_every_module_says_what_it_is_for() -> None:
    assert [module for module, tree in TREES.items() if not ast.get_docstring(tree)] == []

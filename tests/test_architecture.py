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
    ("value",),
    ("errors", "options"),
    ("model", "operations", "files"),
    ("spec", "layout", "config", "template", "soundness", "holder", "manifest"),
    ("ground",),
    ("hookspecs",),
    ("extension",),
    ("entrypoints", "provided"),
    ("shortcut",),
    ("plugins", "discovery", "store", "destination", "transaction"),
    ("drawing", "planning", "driver", "memory"),
    ("session",),
    ("lifecycle",),
    ("api",),
    ("facade", "testing"),
    ("cli",),
    ("__main__",),
)
"""The parts of the program, lowest first. A part imports from lower layers and itself; neighbours are strangers."""

TYPES_ONLY = {
    ("hookspecs", "store"): "a seeder is handed the store, and its contract has to say so",
}
"""Names that a part needs in annotations from a higher one; nothing is imported when the program runs."""

FOR_PLUGINS = frozenset(
    ("facade", "hookspecs", "operations", "template", "errors", "model", "value", "options", "spec")
)
"""What a plugin builds on, those in the box included."""

MORE_FOR_BUILTIN = {"seeders": frozenset(("store",))}
"""What parts of the box work hand in hand with: the seeder with the store, which it fills."""

STAND_INS = frozenset(("cloche-virtualenv",))
"""Distributions that are no plugins but programs of their own on top of cloche, as its command line is one."""

EVERYTHING = frozenset(name for names in LAYERS for name in names)

WARM = frozenset(
    (
        "cloche",
        "cloche.__main__",
        "cloche.api",
        "cloche.cli",
        "cloche.cli.command",
        "cloche.cli.create",
        "cloche.cli.parser",
        "cloche.cli.report",
        "cloche.cli.request",
        "cloche.cli.sources",
        "cloche.cli.vocabulary",
        "cloche.config",
        "cloche.destination",
        "cloche.discovery",
        "cloche.discovery.cache",
        "cloche.discovery.home",
        "cloche.discovery.project",
        "cloche.discovery.record",
        "cloche.driver",
        "cloche.entrypoints",
        "cloche.errors",
        "cloche.extension",
        "cloche.files",
        "cloche.ground",
        "cloche.hookspecs",
        "cloche.layout",
        "cloche.manifest",
        "cloche.memory",
        "cloche.model",
        "cloche.operations",
        "cloche.options",
        "cloche.planning",
        "cloche.provided",
        "cloche.session",
        "cloche.shortcut",
        "cloche.store",
        "cloche.store.check",
        "cloche.store.laying",
        "cloche.store.place",
        "cloche.template",
        "cloche.transaction",
        "cloche.value",
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
    """Yield what one module imports; `from cloche import config` is an import of `cloche.config`."""

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
    """A part imports from lower layers only, whether at once or later: there are no cycles to be careful about."""
    against = [
        str(one)
        for one in own_imports()
        if one.when != "for types"
        and part(one.importer) not in ("builtin", part(one.imported))
        and not LEVEL[part(one.imported)] < LEVEL[part(one.importer)]
    ]
    assert against == []


def test_annotations_do_not_point_upwards() -> None:
    """What a part has to know of others to be read is below it or beside it."""
    against = [
        str(one)
        for one in own_imports()
        if one.when == "for types"
        and part(one.importer) not in ("builtin", part(one.imported))
        and LEVEL[part(one.imported)] > LEVEL[part(one.importer)]
        and (part(one.importer), part(one.imported)) not in TYPES_ONLY
    ]
    assert against == []


def test_the_list_of_exceptions_has_no_more_than_are_made() -> None:
    made = {(part(one.importer), part(one.imported)) for one in own_imports() if one.when == "for types"}
    assert made >= TYPES_ONLY.keys()


def test_what_comes_in_the_box_builds_on_what_any_plugin_can_build_on() -> None:
    against = []
    for one in own_imports():
        if part(one.importer) == "builtin" and part(one.imported) != "builtin":
            _, _, kind, *_ = f"{one.importer}..".split(".")
            if part(one.imported) not in FOR_PLUGINS | MORE_FOR_BUILTIN.get(kind, frozenset()):
                against.append(str(one))
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
        for node in ast.walk(TREES["cloche.plugins"])
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and "BUILTIN" in ast.unparse(node).partition("=")[0]
    )
    assert against == [f"cloche.plugins:{table} names 'cloche.builtin.plugin'"]


def distributions() -> list[Path]:
    return sorted(path.parent for path in (REPOSITORY / "plugins").glob("*/pyproject.toml"))


@pytest.mark.parametrize("distribution", distributions(), ids=lambda path: path.name)
def test_a_distribution_builds_on_what_any_plugin_can_build_on(distribution: Path) -> None:
    trees = modules(distribution / "src")
    allowed = EVERYTHING if distribution.name in STAND_INS else FOR_PLUGINS | {"testing"}
    against = [
        str(one)
        for module in trees
        for one in imports(module, trees | TREES)
        if one.imported.partition(".")[0] == "cloche" and part(one.imported) not in allowed
    ]
    assert against == []


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


DECIDE_ABOUT_ENVIRONMENTS = frozenset("model spec layout config template hookspecs planning builtin".split())


def test_what_an_environment_is_like_follows_the_target_and_never_this_machine() -> None:
    """An environment for Windows can be planned on Linux, since nothing on the way asks where it runs."""
    ours = "os.name os.sep os.pathsep os.linesep os.uname sys.platform sys.version_info sys.maxsize".split()
    against = [
        f"{module}:{line} asks for {name}"
        for module, tree in TREES.items()
        if part(module) in DECIDE_ABOUT_ENVIRONMENTS
        and not module.startswith("cloche.builtin.finders")
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


def test_every_module_says_what_it_is_for() -> None:
    assert [module for module, tree in TREES.items() if not ast.get_docstring(tree)] == []

"""Test the rules of the architecture on the source code; docs/explanation/architecture.md gives the reasons for them."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
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
    ("programs",),
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
"""The packages and top-level modules of cloche, lowest layer first. Each may import only from lower layers."""

PUBLIC = frozenset(("facade", "model", "errors", "shells", "testing", "cloche.plugins.hookspecs", "cloche.fs.records"))
"""What plugins may import: packages and top-level modules by name, a single module of a package by its full name."""

WARM = frozenset(
    (
        "cloche",
        "cloche.__main__",
        "cloche.api",
        "cloche.api.arguments",
        "cloche.apply",
        "cloche.apply.executor",
        "cloche.apply.file_list",
        "cloche.apply.staging",
        "cloche.apply.transaction",
        "cloche.cli",
        "cloche.cli.command_spec",
        "cloche.cli.create",
        "cloche.cli.dispatch",
        "cloche.cli.invocation",
        "cloche.cli.parser",
        "cloche.cli.report",
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
        "cloche.fs.inputs",
        "cloche.fs.signatures",
        "cloche.fs.locks",
        "cloche.fs.manifests",
        "cloche.fs.records",
        "cloche.lifecycle",
        "cloche.lifecycle.cached_blueprints",
        "cloche.lifecycle.create",
        "cloche.model",
        "cloche.model.distribution",
        "cloche.model.environment",
        "cloche.model.interpreter",
        "cloche.model.metadata",
        "cloche.model.operations",
        "cloche.model.options",
        "cloche.model.plan",
        "cloche.model.value",
        "cloche.planning",
        "cloche.planning.destination",
        "cloche.planning.kept_options",
        "cloche.planning.layout",
        "cloche.planning.plan_at",
        "cloche.planning.plan_cache",
        "cloche.planning.pyvenv_cfg",
        "cloche.plugins",
        "cloche.plugins.entry_points",
        "cloche.plugins.hookspecs",
        "cloche.session",
        "cloche.shells",
        "cloche.shells.csh",
        "cloche.shells.fish",
        "cloche.shells.posix",
        "cloche.shells.powershell",
        "cloche.shells.python",
        "cloche.shells.template",
        "cloche.store",
        "cloche.store.check",
        "cloche.store.installation",
        "cloche.store.installed_images",
    )
)
"""Modules that an ordinary `cloche DEST` loads now or in some cases; their imports have to be cheap."""

EXPENSIVE = frozenset(
    "re enum typing dataclasses pathlib json argparse subprocess shutil tempfile collections functools importlib "
    "inspect pluggy filelock platformdirs distlib packaging hashlib ctypes threading logging urllib prettytable "
    "wcwidth".split()
)
"""Modules whose import takes milliseconds, more than creating an environment should."""


class Import(NamedTuple):
    """The import of one module by an import statement."""

    importer: str
    imported: str
    names: tuple[str, ...]
    when: str
    """`on import`, `on demand` (in a function, or after another import failed), or `for types`."""
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported} {self.when}"


def parse_modules(root: Path) -> dict[str, ast.Module]:
    """Return the syntax tree of every module below a directory, by its dotted name."""
    parsed = {}
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        parsed[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return parsed


TREES = parse_modules(SOURCES)


@cache
def imports_of(importer: str) -> tuple[Import, ...]:
    """Return the imports of a module of cloche."""
    return tuple(imports_in(importer, TREES))


def imports_in(importer: str, trees: dict[str, ast.Module]) -> Iterator[Import]:
    """Yield the imports of a module; `from cloche.planning import pyvenv_cfg` imports `cloche.planning.pyvenv_cfg`."""

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
                later = isinstance(node, (ast.FunctionDef, ast.ExceptHandler)) and when == "on import"
                for child in ast.iter_child_nodes(node):
                    yield from visit(child, "on demand" if later else when)

    return visit(trees[importer], "on import")


def part(module: str) -> str:
    """Return the package or top-level module that a module belongs to: `cli` for `cloche.cli.report`."""
    return module.split(".")[1] if "." in module else "facade"


def own_imports() -> Iterator[Import]:
    """Yield every import of one module of cloche by another, except those of `__version__`, which are always allowed."""
    for module in TREES:
        for found in imports_of(module):
            if found.imported.partition(".")[0] == "cloche" and found.names != ("__version__",):
                yield found


LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def test_every_package_has_a_layer() -> None:
    assert {part(module) for module in TREES} - {"builtin"} <= LEVEL.keys()


def test_packages_import_only_from_lower_layers() -> None:
    """The rule includes imports inside functions and for annotations."""
    violations = [
        str(found)
        for found in own_imports()
        if part(found.importer) not in ("builtin", part(found.imported))
        and not LEVEL[part(found.imported)] < LEVEL[part(found.importer)]
    ]
    assert violations == []


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
            start = stack.index(node)
            if len(stack) - start > 1:
                found.append(sorted(stack[start:]))
            del stack[start:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def import_graph(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Return the modules that each module imports, including imports inside functions and for annotations.

    The import of `a.b.c` also runs `a.b`, unless the importer is in it.
    """
    graph = {}
    for module in trees:
        imported = {found.imported for found in imports_in(module, trees)}
        parents = {name.rpartition(".")[0] for name in imported if name.count(".") > 1}
        outer = {name for name in parents if not f"{module}.".startswith(f"{name}.")}
        graph[module] = (imported | outer) & trees.keys() - {module}
    return graph


def test_there_are_no_import_cycles() -> None:
    assert cycles(import_graph(TREES)) == []


DOCUMENTED = (("os", "_exit"), ("_thread", ""))
"""A function and a module that are public despite their underscore."""


def is_private(found: Import) -> bool:
    """Return whether an import is of a private module of CPython, or of a private name in a public module."""
    names = [name for name in found.names if (found.imported, name) not in DOCUMENTED]
    package, *modules = found.imported.split(".")
    if (package, "") in DOCUMENTED:
        return False
    return package in (*sys.stdlib_module_names, "_sha2") and any(map(is_underscored, (package, *modules, *names)))


def is_underscored(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def test_only_one_module_uses_private_parts_of_cpython() -> None:
    """Programs for the target interpreter are exempt, because they cannot import that module."""
    others = {name: tree for name, tree in TREES.items() if name != "cloche.cpython" and not runs_in_target(name)}
    violations = [str(found) for module in others for found in imports_of(module) if is_private(found)]
    for module, tree in others.items():
        for name, line in attributes(tree):
            owner, _, attribute = name.partition(".")
            if owner in sys.stdlib_module_names and is_underscored(attribute) and (owner, attribute) not in DOCUMENTED:
                violations.append(f"{module}:{line} uses {name}")
    assert violations == []


def test_there_are_at_most_six_top_level_modules() -> None:
    assert len([path for path in (SOURCES / "cloche").iterdir() if path.suffix == ".py"]) <= 6


def is_public(module: str) -> bool:
    return part(module) in PUBLIC or module in PUBLIC


def test_built_in_plugins_import_only_public_modules() -> None:
    violations = [
        str(found)
        for found in own_imports()
        if part(found.importer) == "builtin" and part(found.imported) != "builtin" and not is_public(found.imported)
    ]
    assert violations == []


def test_only_the_plugin_registry_names_the_built_in_plugin() -> None:
    """No other import or string contains `cloche.builtin`: the core treats built-in components like those of others."""
    mentions = []
    for module, tree in TREES.items():
        if part(module) == "builtin":
            continue
        mentions += [str(found) for found in imports_of(module) if found.imported.startswith("cloche.builtin")]
        mentions += [
            f"{module}:{node.lineno} names {node.value!r}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "cloche.builtin" in node.value
        ]
    (line,) = (
        node.lineno
        for node in ast.walk(TREES["cloche.plugins"])
        if isinstance(node, ast.Assign) and ast.unparse(node).startswith("BUILT_IN = ")
    )
    assert mentions == [f"cloche.plugins:{line} names 'cloche.builtin.plugin'"]


def plugin_directories() -> list[Path]:
    return sorted(path.parent for path in (REPOSITORY / "plugins").glob("*/pyproject.toml"))


@pytest.mark.parametrize("directory", plugin_directories(), ids=lambda path: path.name)
def test_a_plugin_imports_only_public_modules(directory: Path) -> None:
    trees = parse_modules(directory / "src")
    violations = [
        str(found)
        for module in trees
        for found in imports_in(module, trees | TREES)
        if found.imported.partition(".")[0] == "cloche" and not is_public(found.imported)
    ]
    assert violations == []


@pytest.mark.parametrize("directory", plugin_directories(), ids=lambda path: path.name)
def test_a_plugin_has_no_import_cycles(directory: Path) -> None:
    assert cycles(import_graph(parse_modules(directory / "src"))) == []


def runs_in_target(module: str) -> bool:
    """Return whether a module is a program for the target interpreter, which runs without cloche, such as `_probe`."""
    name = module.rpartition(".")[2]
    return name == "activate_this" or (name[0] == "_" and name != "__main__")


def attributes(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every `name.attribute` in a module, and every name imported from `os` and `sys`, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}", node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "sys"):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


ENTRANCES = ("cloche.__main__", "cloche.session", "cloche.cli.", "cloche.testing", "cloche.programs")


def test_only_the_outermost_layers_read_environment_variables() -> None:
    """All others get a `Host`, so that tests and other programs can pass other values."""
    violations = [
        f"{module}:{line} reads {name}"
        for module, tree in TREES.items()
        if not module.startswith(ENTRANCES) and not runs_in_target(module)
        for name, line in attributes(tree)
        if name in ("os.environ", "os.environb", "os.getenv", "os.getcwd")
    ]
    assert violations == []


WITH_THE_VARIABLES_OF_THE_USER = ("cloche.lifecycle.run", "cloche.testing.")
"""Modules that start a command of the user, or only run in tests."""

WITHOUT_VARIABLES = (
    "cloche.builtin.creators.portable.libraries",
    "cloche.builtin.packers.squashfs",
)
"""Modules that start programs of the system with no variable of the user."""


def test_every_module_that_starts_a_program_cleans_its_variables() -> None:
    """`cloche.programs` knows which variables and settings must not reach an interpreter, pip or a shell."""
    imported = {
        module: {found.imported for found in imports_of(module) if found.when != "for types"} for module in TREES
    }
    violations = [
        module
        for module, names in imported.items()
        if "subprocess" in names
        and not any(name.startswith(("cloche.programs", "cloche.store.pip")) for name in names)
        and not module.startswith(WITH_THE_VARIABLES_OF_THE_USER)
        and module not in WITHOUT_VARIABLES
    ]
    assert violations == []


PLANNING = frozenset("model shells planning builtin".split())


def test_planning_depends_on_the_target_and_not_on_this_machine() -> None:
    """An environment for Windows can be planned on Linux."""
    host_facts = "os.name os.sep os.pathsep os.linesep os.uname sys.platform sys.version_info sys.maxsize".split()
    violations = [
        f"{module}:{line} reads {name}"
        for module, tree in TREES.items()
        if part(module) in PLANNING
        and not module.startswith(("cloche.builtin.finders", "cloche.planning.destination"))
        and not runs_in_target(module)
        for name, line in attributes(tree)
        if name in host_facts
    ]
    assert violations == []


def test_warm_modules_import_no_expensive_modules() -> None:
    violations = [
        str(found)
        for module in WARM & TREES.keys()
        for found in imports_of(module)
        if found.when == "on import" and found.imported.partition(".")[0] in EXPENSIVE
    ]
    assert violations == []


def test_warm_modules_import_only_warm_modules() -> None:
    violations = [
        str(found)
        for module in WARM & TREES.keys()
        for found in imports_of(module)
        if found.when == "on import" and found.imported.partition(".")[0] == "cloche" and found.imported not in WARM
    ]
    assert violations == []


def test_every_warm_module_exists() -> None:
    assert TREES.keys() >= WARM


def dependencies() -> set[str]:
    """Return the names of the packages in the declared dependencies, also those of extras.

    They are the names of the dependencies, or their first words, with few exceptions.
    """
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    names = {re.split(r"[^\w]", requirement)[0] for requirement in declared}
    exceptions = {"pyelftools": "elftools", "pyproject": "pyproject_hooks"}
    return {exceptions.get(name, name) for name in names}


def test_only_declared_dependencies_are_imported() -> None:
    """Imports for annotations are exempt, because they do not run; so is pytest in the contract kit, which pytest runs."""
    available = {"cloche", "_sha2", *sys.stdlib_module_names, *dependencies()}  # `_sha2` is `_sha256` before 3.12
    violations = [
        str(found)
        for module in TREES
        for found in imports_of(module)
        if found.when != "for types"
        and found.imported.partition(".")[0] not in available | ({"pytest"} if part(module) == "testing" else set())
    ]
    assert violations == []


APPLY_INTERFACE = frozenset(
    ("cloche.apply", *(f"cloche.apply.{name}" for name in ("file_list", "obstacles", "output", "processes", "staging")))
)
"""What other packages may import from `apply`."""


def test_other_packages_write_only_through_the_interface_of_apply() -> None:
    """No other package opens a transaction, or calls the executor or a journal."""
    violations = [
        str(found)
        for found in own_imports()
        if part(found.imported) == "apply" and part(found.importer) != "apply" and found.imported not in APPLY_INTERFACE
    ]
    assert violations == []


def test_no_code_that_resolves_a_spec_knows_a_destination() -> None:
    """`resolve` and `plan_cache` import no type that contains a destination, so a blueprint cannot depend on one."""
    from cloche.model.plan import Blueprint

    names = {
        name
        for module in ("resolve", "plan_cache")
        for found in imports_of(f"cloche.planning.{module}")
        for name in found.names
    }
    assert "EnvironmentSpec" in names
    assert not names & {"Request", "Target", "Plan", "Environment"}
    assert not {"target", "destination", "environment"} & {*Blueprint.__match_args__}


def test_each_kind_of_lock_is_taken_in_one_module() -> None:
    """Directories by `flock`, because every warm run locks one, and filelock is expensive to import; files by filelock."""
    taken = {
        (module, "filelock" if found.imported == "filelock" else "flock")
        for module in TREES
        for found in imports_of(module)
        if found.imported == "filelock" or not {"flock", "lockf"}.isdisjoint(found.names)
    }
    assert taken == {("cloche.fs", "flock"), ("cloche.fs.locks", "filelock")}


SHLEX = {
    "cloche.store.lock_files.requirement_lines": "pip splits the options in a requirements file with `shlex`",
    "cloche_virtualenv.standin.virtualenv.util.subprocess": "virtualenv's log messages, which do not concern cloche",
}
"""Modules that need `shlex` itself, with the reason."""


def importers_of(module: str) -> set[str]:
    """Return the modules of cloche and of its plugins that import a module of the standard library."""
    trees = TREES.copy()
    for directory in plugin_directories():
        trees |= parse_modules(directory / "src")
    return {importer for importer in trees for found in imports_in(importer, trees) if found.imported == module}


def test_only_the_package_of_shells_quotes_and_splits_words_of_a_shell() -> None:
    assert {module for module in importers_of("shlex") if not module.startswith("cloche.shells")} == SHLEX.keys()


def test_only_one_module_reads_and_writes_records() -> None:
    assert importers_of("csv") == {"cloche.fs.records"}


def test_only_one_module_chooses_a_toml_parser() -> None:
    """The others raise and catch one exception, and work on Python 3.10 with or without tomli."""
    importers = {found.importer for module in TREES for found in imports_of(module) if found.imported in TOML_PARSERS}
    assert importers == {"cloche.fs.toml"}


TOML_PARSERS = ("tomllib", "tomli")


def test_one_module_names_the_staging_directory_and_one_the_manifest() -> None:
    modules = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(".cloche-")
    }
    assert modules == {"cloche.apply.staging", "cloche.fs.manifests"}


def test_every_module_has_a_docstring() -> None:
    assert [module for module, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_no_test_module_is_empty() -> None:
    assert [str(path) for path in (REPOSITORY / "tests").rglob("*.py") if not path.read_text(encoding="utf-8")] == []

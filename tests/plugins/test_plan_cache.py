"""Test that a cached plan never changes the result: each run uses the current content of the files that components read."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests.distributions import make_wheel
from tests.integration.test_plan_cache import RUNNING, resolves
from tests.interpreters import pyenv
from tests.plugins.site import Site, offering
from tests.run import Cloche, clean_environ
from tests.trees import Tree, snapshot

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def user(tmp_path: Path, site: Site) -> Cloche:
    """A user with plugins and a cache of their own. Bytecode beside the plugins would count as a change."""
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    (tmp_path / "home").mkdir()
    return Cloche(tmp_path, {**environ, "PYTHONPATH": str(site.directory), "PYTHONDONTWRITEBYTECODE": "1"})


def remove_plans(user: Cloche) -> None:
    """Empty the plan cache."""
    shutil.rmtree(user.cwd / "cache" / "cloche" / "plans", ignore_errors=True)


def create(user: Cloche, *argv: str, **variables: str) -> tuple[bool, Tree]:
    """Create an environment; return whether its plan was resolved instead of cached, and its tree."""
    resolved = resolves(Cloche(user.cwd, {**user.environ, **variables}), "./env", *argv)
    tree = snapshot(user.cwd / "env")
    shutil.rmtree(user.cwd / "env")
    return resolved, tree


COMPONENTS = """
import os
from pathlib import Path

SOURCE = Path(os.environ["SOURCE"])

class Component:
    name = "acme"
    def refusal(self, interpreter):
        return (SOURCE / "refusal").read_text() or None

class Creator(Component):
    def operations(self, interpreter, layout):
        yield cloche.MakeDir("bin")
        yield cloche.Link("bin/python", interpreter.executable)
        for path in ("include", "lib", *(layout.purelib.rsplit("/", count)[0] for count in (1, 0))):
            yield cloche.MakeDir(path)
        yield cloche.Write("note", (SOURCE / "text").read_bytes())

class Seeder(Component):
    def images(self, interpreter, wanted, store):
        wheels = (SOURCE / "wheels").glob("*.whl")
        yield store.image_of(str(max(wheels, key=os.path.getmtime)), interpreter)

class Activator(Component):
    def quote(self, text):
        return repr(text)
    def scripts(self, environment):
        yield cloche.Script("activate.acme", (SOURCE / "text").read_text())

class Finder:
    name = "acme"
    def candidates(self, spec, host):
        yield cloche.Candidate((SOURCE / "python").read_text(), "acme")

creator, seeder, activator, finder = Creator(), Seeder(), Activator(), Finder()

def declared(self, *_):
    return [str(SOURCE / "text"), str(SOURCE / "refusal"), str(SOURCE / "wheels")]
"""

DECLARED = "\nCreator.inputs = Seeder.inputs = declared\n"

OFFERED = {
    "object": "@cloche.hookimpl\ndef cloche_KINDs(): return [KIND]",
    "descriptor": "@cloche.hookimpl\ndef cloche_KINDs(): return [cloche.Descriptor('acme', 'THIS:KIND')]",
}

ARGUMENTS = {
    "creator": ["--creator", "acme", "--no-seed"],
    "seeder": ["--seeder", "acme"],
    "activator": ["--no-seed"],
    "finder": ["--no-seed", "-p", "<3.10,>=3.8"],
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory with the files that the components read."""
    directory = tmp_path / "source"
    directory.mkdir()
    (directory / "text").write_text("first")
    (directory / "refusal").write_text("")
    make_wheel(directory / "wheels", "spam", "1.16")
    (directory / "python").write_text(sys.executable)
    return directory


def stable_part(tree: Tree) -> Tree:
    """Return a tree without bytecode and the files that list it: a seed is compiled for the second environment."""
    return Tree({path: entry for path, entry in tree.without_bytecode().items() if not path.endswith(LISTING_BYTECODE)})


LISTING_BYTECODE = ("/RECORD", ".cloche-manifest")


def change(source: Path, kind: str) -> None:
    """Change the file that a component of this kind reads, as an ordinary edit does."""
    if kind == "seeder":
        shutil.rmtree(source / "wheels")
        make_wheel(source / "wheels", "spam", "1.17")
    elif kind == "finder":
        (source / "python").write_text(pyenv("3.9"))
    else:
        (source / "text").write_text("other")


@pytest.mark.parametrize("declared", ["", DECLARED], ids=["undeclared inputs", "declared inputs"])
@pytest.mark.parametrize("offered", OFFERED)
@pytest.mark.parametrize("kind", ARGUMENTS)
def test_a_change_of_the_input_of_a_component_changes_the_environment(
    site: Site, user: Cloche, source: Path, kind: str, offered: str, declared: str
) -> None:
    site.install("acme", mine=COMPONENTS + declared + OFFERED[offered].replace("KIND", kind))
    nowhere = {"PATH": str(user.cwd / "home"), "PYENV_ROOT": str(user.cwd / "home")} if kind == "finder" else {}
    if kind == "finder":
        (source / "python").write_text(pyenv("3.8"))
    variables = {"SOURCE": str(source), **nowhere}
    trees = [stable_part(create(user, *ARGUMENTS[kind], **variables)[1]) for _ in range(3)]
    assert trees[0] == trees[1] == trees[2]

    change(source, kind)
    later = [stable_part(create(user, *ARGUMENTS[kind], **variables)[1]) for _ in range(2)]
    remove_plans(user)

    assert later[0] != trees[0]
    assert [*later, stable_part(create(user, *ARGUMENTS[kind], **variables)[1])] == [later[0]] * 3


@pytest.mark.parametrize("offered", OFFERED)
@pytest.mark.parametrize(
    "declared", ["", "Activator.inputs = declared\n"], ids=["undeclared inputs", "declared inputs"]
)
def test_a_changed_refusal_of_an_activator_takes_effect(
    site: Site, user: Cloche, source: Path, declared: str, offered: str
) -> None:
    site.install("acme", mine=COMPONENTS + declared + OFFERED[offered].replace("KIND", "activator"))
    found = []
    for refusal in ("", "", "not today", "not today", ""):
        (source / "refusal").write_text(refusal)
        _, tree = create(user, "--no-seed", SOURCE=str(source))
        found.append("bin/activate.acme" in tree)

    assert found == [True, True, False, False, True]


@pytest.mark.parametrize("offered", OFFERED)
@pytest.mark.parametrize("declared", ["", DECLARED], ids=["undeclared inputs", "declared inputs"])
def test_a_changed_refusal_of_a_default_creator_takes_effect(
    site: Site, user: Cloche, source: Path, declared: str, offered: str
) -> None:
    """While it refuses, the next default creator is used."""
    replacing = "\nCreator.replaces = 'symlink'\n"
    hook = OFFERED[offered].replace("KIND", "creator").replace("'THIS:creator'", "'THIS:creator', replaces='symlink'")
    site.install("acme", mine=COMPONENTS + declared + replacing + hook)
    config = user.cwd / "config.toml"
    config.write_text('replace = ["symlink=acme"]\n')
    found = []
    for refusal in ("not today", "not today", "not today", "", "", "not today"):
        (source / "refusal").write_text(refusal)
        _, tree = create(user, "--no-seed", SOURCE=str(source), CLOCHE_CONFIG_FILE=str(config))
        found.append("note" in tree)

    assert found == [False, False, False, True, True, False]


@pytest.mark.parametrize("kind", ["creator", "seeder"])
@pytest.mark.parametrize("declared", ["", DECLARED], ids=["undeclared inputs", "declared inputs"])
def test_a_plan_is_cached_only_if_components_declare_their_inputs(
    site: Site, user: Cloche, source: Path, kind: str, declared: str
) -> None:
    site.install("acme", mine=COMPONENTS + declared + OFFERED["descriptor"].replace("KIND", kind))

    resolved = [create(user, *ARGUMENTS[kind], SOURCE=str(source))[0] for _ in range(4)]

    assert resolved[-2:] == ([False, False] if declared else [True, True])


def test_a_change_of_a_file_in_a_declared_directory_takes_effect(site: Site, user: Cloche, source: Path) -> None:
    text = COMPONENTS.replace('(SOURCE / "text").read_bytes()', '(SOURCE / "more" / "text").read_bytes()')
    (source / "more").mkdir()
    (source / "more" / "text").write_text("first")
    declared = "\nCreator.inputs = lambda *_: [str(SOURCE / 'more')]\n"
    site.install("acme", mine=text + declared + OFFERED["descriptor"].replace("KIND", "creator"))
    before = [create(user, *ARGUMENTS["creator"], SOURCE=str(source))[1] for _ in range(2)][-1]

    (source / "more" / "text").write_text("other")  # the directory itself keeps its times

    after = create(user, *ARGUMENTS["creator"], SOURCE=str(source))[1]
    assert (before["note"][2], after["note"][2]) == (b"first", b"other")


BROKEN_INPUTS = {
    "a number": ("lambda *_: [5]", "`inputs` returned 5: expected a path as a string"),
    "an exception": ("lambda *_: 1 / 0", "ZeroDivisionError"),
}


@pytest.mark.parametrize(("inputs", "message"), BROKEN_INPUTS.values(), ids=BROKEN_INPUTS)
def test_a_component_with_invalid_inputs_is_reported(
    site: Site, user: Cloche, source: Path, inputs: str, message: str
) -> None:
    broken = f"\nCreator.inputs = {inputs}\n"
    site.install("acme", mine=COMPONENTS + broken + OFFERED["object"].replace("KIND", "creator"))

    ran = user("./env", *ARGUMENTS["creator"], SOURCE=str(source))

    assert ran.code == 6
    assert "creator `acme` of plugin `mine` of acme 1.0" in ran.err
    assert message in ran.err


def test_a_change_of_a_module_that_a_plugin_imports_takes_effect(site: Site, user: Cloche, source: Path) -> None:
    helper = site.module("TEXT = b'first'\n")
    text = COMPONENTS.replace('(SOURCE / "text").read_bytes()', f"__import__({helper!r}).TEXT")
    declared = "\nCreator.inputs = lambda *_: []\n"
    site.install("acme", mine=text + declared + OFFERED["descriptor"].replace("KIND", "creator"))
    before = [create(user, *ARGUMENTS["creator"], SOURCE=str(source)) for _ in range(2)][-1]
    assert not before[0]

    site.module("TEXT = b'other'\n", helper)

    assert create(user, *ARGUMENTS["creator"], SOURCE=str(source))[1]["note"][2] == b"other"


OBJECT = """
import os
class Shell:
    def __init__(self, name, text="true", refusal=None): self.name, self.text, self.why = name, text, refusal
    def refusal(self, interpreter): return self.why
    def quote(self, text): return repr(text)
    def scripts(self, environment): return [cloche.Script("activate." + self.name, self.text + environment.prompt)]
"""

HOOK = "@cloche.hookimpl\ndef cloche_activators(): "

later = "'LATER' in os.environ"

ANSWERS = {
    "another name": HOOK + f"return [Shell('late' if {later} else 'early')]",
    "one more object": HOOK + f"return [Shell('first'), Shell('second')][:1 + ({later})]",
    "another order": HOOK + f"return [Shell('first'), Shell('second')][::-1 if {later} else 1]",
    "a descriptor instead of an object": HOOK
    + f"return [cloche.Descriptor('one', 'THIS:shell') if {later} else Shell('one')]\nshell = Shell('one', 'x')",
    "a refusal": HOOK + f"return [Shell('one', refusal='too late' if {later} else None)]",
    "no refusal": HOOK + f"return [Shell('one', refusal=None if {later} else 'too early'), Shell('two')]",
    "nothing": HOOK + f"return None if {later} else [Shell('one')]",
    "one hook fewer": f"if not {later}:\n    @cloche.hookimpl\n    def cloche_activators(): return [Shell('one')]",
    "an option": HOOK
    + f"return [Shell('one')]\nif {later}: Shell.options = (cloche.Option('color', 'of the prompt'),)",
    "a replacement": HOOK + f"return [Shell('one')]\nif {later}: Shell.replaces = 'bash'",
    "another script": HOOK + "return [Shell('mine', os.environ.get('LATER', ''))]",
}


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS)
def test_hooks_that_return_objects_are_called_on_every_run(site: Site, user: Cloche, text: str) -> None:
    site.install("acme", mine=OBJECT + text)
    for _ in range(2):
        create(user, "--no-seed")

    again = create(user, "--no-seed", LATER="1")[1]
    remove_plans(user)

    assert again == create(user, "--no-seed", LATER="1")[1]


FAILING = {
    "while it is imported": f"if {later}: raise SystemExit('late')\n{HOOK}return [Shell('one')]",
    "while its hook is called": HOOK + f"return [Shell('one')] if not {later} else 1 / 0",
    "while it refuses": HOOK + "return [Late('one')]\nclass Late(Shell):\n"
    f"    def refusal(self, interpreter): return None if not {later} else 1 / 0",
    "after creation": f"{HOOK}return []\n@cloche.hookimpl\ndef cloche_created(result): assert not {later}, 'late'",
    "by exiting after creation": f"{HOOK}return []\n@cloche.hookimpl\n"
    f"def cloche_created(result): {later} and __import__('sys').exit('late')",
}


@pytest.mark.parametrize("text", FAILING.values(), ids=FAILING)
def test_the_failure_of_a_plugin_is_the_same_warning_with_a_cached_plan(site: Site, user: Cloche, text: str) -> None:
    site.install("acme", mine=OBJECT + text)
    user("./env", "--no-seed")

    again = user("./env", "--no-seed", LATER="1")
    remove_plans(user)

    assert again.code == 0
    assert "`mine` of acme 1.0" in again.err
    assert again.err == user("./env", "--no-seed", LATER="1").err


def test_an_edited_plugin_is_loaded_again(site: Site, user: Cloche) -> None:
    descriptor = HOOK + "return [cloche.Descriptor('mine', 'THIS:shell')]\n"
    module = site.module(OBJECT + descriptor + "shell = Shell('mine')")
    site.metadata("acme", "1.0", {"mine": module})
    resolved = [create(user, "--no-seed")[0] for _ in range(2)]

    site.module(OBJECT + descriptor + "shell = Shell('mine', 'edited')", module)

    assert [*resolved, create(user, "--no-seed")[0]] == [True, False, True]


def test_installing_or_removing_a_plugin_takes_effect(site: Site, user: Cloche) -> None:
    for _ in range(2):
        create(user, "--no-seed")
    site.install("acme", mine=OBJECT + HOOK + "return [Shell('mine')]")

    with_plugin = create(user, "--no-seed")[1]
    shutil.rmtree(site.directory / "acme-1.0.dist-info")
    without = create(user, "--no-seed")[1]

    assert "bin/activate.mine" in with_plugin
    assert "bin/activate.mine" not in without


def test_a_run_with_a_finder_that_is_an_object_can_be_repeated(site: Site, user: Cloche) -> None:
    site.install("acme", mine=offering("finder", "mine"))
    argv = ("--no-seed", "-p", RUNNING)

    trees = [create(user, *argv)[1] for _ in range(2)]

    assert trees[0] == trees[1]


NOTE = "open(os.environ['NOTES'], 'a').write(result.environment.location + '\\n')"

CREATED_HOOKS = {
    "a function": f"@cloche.hookimpl\ndef cloche_created(result): {NOTE}",
    "a wrapper": f"@cloche.hookimpl(wrapper=True)\ndef cloche_created(result):\n    {NOTE}\n    return (yield)",
    "an old wrapper": f"@cloche.hookimpl(hookwrapper=True)\ndef cloche_created(result):\n    {NOTE}\n    yield",
    "another name": f"@cloche.hookimpl(specname='cloche_created')\ndef more(result): {NOTE}",
    "without arguments": "@cloche.hookimpl\ndef cloche_created(): open(os.environ['NOTES'], 'a').write('called\\n')",
}


@pytest.mark.parametrize("text", CREATED_HOOKS.values(), ids=CREATED_HOOKS)
def test_cloche_created_is_called_for_every_environment(site: Site, user: Cloche, text: str) -> None:
    notes = user.cwd / "notes"
    site.install("acme", mine="import os\n" + text)

    for _ in range(3):
        create(user, "--no-seed", NOTES=str(notes))

    assert len(notes.read_text().splitlines()) == 3


def in_directory(user: Cloche, name: str, **files: str) -> Cloche:
    """Return the command line in a directory of the user with these files, given by their names without the dot."""
    directory = user.cwd / name
    directory.mkdir()
    for file, text in files.items():
        (directory / f".{file.replace('_', '-')}").write_text(text)
    return Cloche(directory, user.environ)


def minor_version(directory: Cloche) -> str:
    """Return the version of the environment `env` in a directory: `3.9`."""
    settings = (directory.cwd / "env" / "pyvenv.cfg").read_text()
    return re.search(r"^version_info = (\d+\.\d+)", settings, re.MULTILINE)[1]


def test_a_plan_is_used_in_other_directories(user: Cloche) -> None:
    """People create one environment in each project."""
    assert resolves(in_directory(user, "a"), "./env", "--no-seed")
    assert not resolves(in_directory(user, "b"), "./env", "--no-seed")


def test_a_plan_is_used_in_projects_that_request_the_same_python(user: Cloche) -> None:
    pyenv("3.9")
    first, same = (in_directory(user, name, python_version=RUNNING) for name in ("a", "b"))
    other = in_directory(user, "c", python_version="3.9")

    assert resolves(first, "./env", "--no-seed")
    assert not resolves(same, "./env", "--no-seed")
    assert resolves(other, "./env", "--no-seed")
    assert [minor_version(directory) for directory in (first, same, other)] == [RUNNING, RUNNING, "3.9"]
    for _ in range(2):  # from the entry for requests, and from that for the directory
        shutil.rmtree(same.cwd / "env")
        assert f"(from `.python-version` in {same.cwd})" in same("./env", "--no-seed").out
    assert "(from " not in in_directory(user, "d")("./env", "--no-seed", "-p", RUNNING).out
    (same.cwd / ".python-version").write_text("3.9")
    shutil.rmtree(same.cwd / "env")
    assert not resolves(same, "./env", "--no-seed"), "that of the third directory"
    assert minor_version(same) == "3.9"


def test_a_plan_that_may_depend_on_the_directory_is_used_only_there(site: Site, user: Cloche) -> None:
    """A plugin may declare a path that it found relative to the current directory."""
    site.install("acme", mine=COMPONENTS + DECLARED + OFFERED["descriptor"].replace("KIND", "creator"))
    notes = []
    for name, text in {"a": "first", "b": "other"}.items():
        here = in_directory(user, name)
        (here.cwd / "source").mkdir()
        (here.cwd / "source" / "refusal").write_text("")
        (here.cwd / "source" / "text").write_text(text)
        relative = Cloche(here.cwd, {**here.environ, "SOURCE": "source"})
        assert resolves(relative, "./env", *ARGUMENTS["creator"])
        assert not resolves(relative, "./other", *ARGUMENTS["creator"])
        notes += [(here.cwd / env / "note").read_text() for env in ("env", "other")]
    assert notes == ["first", "first", "other", "other"]

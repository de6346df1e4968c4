"""Test plans without creating environments: they are plain values, and any platform can plan for any other."""

from __future__ import annotations

import os
from pathlib import PurePosixPath

import pytest

from cloche.apply.file_list import FileList, format_file_list
from cloche.builtin.creators.copy import creator as copy_creator
from cloche.errors import ClocheError, DestinationError, Inexpressible, PluginError, UsageError
from cloche.fs.inputs import UNRECORDED
from cloche.model.distribution import EntryPoint, Image
from cloche.model.environment import Script
from cloche.model.interpreter import Host
from cloche.model.operations import Copy, InstallTree, Link, MakeDir, Run, Write
from cloche.model.plan import EnvironmentSpec, Target, Wanted
from cloche.model.value import fields, replace
from cloche.planning.destination import absolute_path
from cloche.planning.layout import layout_of
from cloche.planning.plan_at import plan_at
from cloche.planning.resolve import resolve
from cloche.plugins import Source
from cloche.plugins.components import Component
from cloche.plugins.registry import Registry, load_sources
from cloche.store.seeds import SeedStore
from tests.recorded import RECORDED_NAMES, recorded_interpreter

BUILTIN = Source("builtin", "cloche.builtin.plugin", "cloche", "")


@pytest.fixture
def host(tmp_path):
    return Host({}, str(tmp_path), "linux", "posix", "/usr/bin/python3")


@pytest.fixture(scope="module")
def registry():
    return load_sources([BUILTIN])


def plan(name, host, registry, **options):
    """Return the plan for a recorded interpreter, without seeds."""
    spec, target = requested(**{"destination": os.path.join(host.cwd, "env"), "wanted": None, **options})
    return plan_at(resolve(spec, recorded_interpreter(name), "", registry, SeedStore(None), UNRECORDED), target, host)


def requested(**options):
    """Return the two parts of a request with these options."""
    spec_options = {name: options.pop(name) for name in list(options) if name in fields(EnvironmentSpec())}
    return EnvironmentSpec(**spec_options), Target(**options)


def paths(plan, kind):
    return [operation.path for operation in plan.operations if isinstance(operation, kind)]


def links(plan):
    return {operation.path: operation.target for operation in plan.operations if isinstance(operation, Link)}


def settings(plan):
    (config,) = [write for write in plan.operations if isinstance(write, Write) and write.path == "pyvenv.cfg"]
    return dict(line.split(" = ", 1) for line in config.content.decode().splitlines())


@pytest.mark.parametrize("name", RECORDED_NAMES)
def test_every_path_is_relative_and_its_directory_is_created_before(name, host, registry):
    directories = {""}
    for operation in plan(name, host, registry).operations:
        if isinstance(operation, Run):  # the interpreter's own `venv` creates all directories
            continue
        assert not os.path.isabs(operation.path)
        assert ".." not in operation.path.split("/")
        assert os.path.dirname(operation.path) in directories
        if isinstance(operation, MakeDir):
            directories.add(operation.path)


@pytest.mark.parametrize("name", RECORDED_NAMES)
def test_the_same_request_gives_the_same_plan(name, host, registry):
    assert plan(name, host, registry) == plan(name, host, registry)


def test_the_complete_content_of_an_environment_of_cpython_on_linux(host, registry):
    planned = plan("cpython-3.12-linux", host, registry, activators=("bash",))
    base = recorded_interpreter("cpython-3.12-linux").executable
    assert paths(planned, MakeDir) == ["bin", "include", "lib", "lib/python3.12", "lib/python3.12/site-packages"]
    assert links(planned) == {"lib64": "lib", "bin/python": base, "bin/python3": "python", "bin/python3.12": "python"}
    assert paths(planned, Write) == ["bin/activate", ".gitignore", "CACHEDIR.TAG", "pyvenv.cfg", ".cloche-manifest"]


def test_windows_gets_copies_of_cpython_launchers(host, registry):
    planned = plan("cpython-3.12-windows", host, registry)
    assert planned.creator == "copy"
    launchers = {copy.path: copy.source for copy in planned.operations if isinstance(copy, Copy)}
    nt = recorded_interpreter("cpython-3.12-windows").stdlib + "\\venv\\scripts\\nt\\"
    assert launchers["Scripts/python.exe"] == nt + "python.exe"
    assert launchers["Scripts/pythonw.exe"] == nt + "pythonw.exe"
    assert "Lib/site-packages" in paths(planned, MakeDir)
    assert "lib64" not in links(planned)
    assert {"Scripts/activate.bat", "Scripts/activate.ps1"} <= set(paths(planned, Write))


def test_launchers_since_3_13_have_other_names_and_free_threaded_ones(host, registry):
    planned = plan("cpython-3.13t-windows", host, registry)
    sources = {copy.path: copy.source.rpartition("\\")[2] for copy in planned.operations if isinstance(copy, Copy)}
    assert sources["Scripts/python.exe"] == "venvlaunchert.exe"
    assert sources["Scripts/pythonw.exe"] == "venvwlaunchert.exe"
    assert "Scripts/python3.13t.exe" in sources


def test_a_windows_python_without_launchers_is_copied_with_its_libraries(host):
    """CPython's embeddable package has no `venv`, and PyPy for Windows has no launchers."""
    home = os.path.join(host.cwd, "embedded")
    os.mkdir(home)
    for name in (
        "python.exe", "pythonw.exe", "python3.dll", "python312.dll", "VCRUNTIME140.dll", "python312.zip",
        "python312._pth", "libssl-3.dll", "_ssl.pyd", "other.zip",
    ):  # fmt: skip
        open(os.path.join(home, name), "w").close()
    embedded = replace(recorded_interpreter("cpython-3.12-windows"), executable=f"{home}\\python.exe", has_venv=False)

    def copied(interpreter):
        operations = copy_creator.operations(interpreter, layout_of(interpreter))
        return {copy.path.removeprefix("Scripts/"): copy.source for copy in operations if isinstance(copy, Copy)}

    assert copied(embedded) == {
        **dict.fromkeys(("python.exe", "python3.exe", "python3.12.exe"), f"{home}\\python.exe"),
        **{
            name: f"{home}\\{name}"
            for name in ("pythonw.exe", "python3.dll", "python312.dll", "VCRUNTIME140.dll", "python312.zip")
        },
    }
    pypy = copied(replace(embedded, implementation="pypy", has_venv=True))
    assert pypy["pypyw.exe"] == f"{home}\\pythonw.exe"
    assert "libssl-3.dll" in pypy


def test_a_scheme_with_lib64_gets_no_link_of_that_name(host, registry):
    planned = plan("cpython-3.12-fedora", host, registry)
    assert {"lib/python3.12/site-packages", "lib64/python3.12/site-packages"} <= set(paths(planned, MakeDir))
    assert "lib64" not in links(planned)


def test_the_patched_scheme_of_debian_is_not_used_for_environments(host, registry):
    planned = plan("cpython-3.11-debian", host, registry)
    assert planned.environment.layout.purelib == "lib/python3.11/site-packages"


def test_a_free_threaded_python_has_its_own_name_and_directory(host, registry):
    planned = plan("cpython-3.14t-linux", host, registry)
    assert "bin/python3.14t" in links(planned)
    assert planned.environment.layout.purelib == "lib/python3.14t/site-packages"


def test_pypy_has_its_own_names(host, registry):
    planned = plan("pypy-3.10-linux", host, registry)
    assert {"bin/pypy", "bin/pypy3", "bin/pypy3.10", "bin/python3.10"} <= set(links(planned))
    assert planned.environment.layout.purelib == "lib/pypy3.10/site-packages"


def test_another_implementation_is_created_by_its_own_venv(host, registry):
    planned = plan("graalpy-3.11-linux", host, registry)
    assert planned.creator == "venv"
    assert isinstance(planned.operations[0], Run)
    with pytest.raises(UsageError, match="needs CPython or PyPy"):
        plan("graalpy-3.11-linux", host, registry, creator="symlink")


def test_macos_gets_no_lib64_and_frameworks_are_not_copied(host, registry):
    assert "lib64" not in links(plan("cpython-3.12-homebrew", host, registry))
    with pytest.raises(UsageError, match="framework"):
        plan("cpython-3.13-macos-framework", host, registry, creator="copy")


def test_a_refusal_of_a_component_is_in_the_message(host, registry):
    with pytest.raises(UsageError, match="Windows"):
        plan("cpython-3.12-windows", host, registry, creator="symlink")
    with pytest.raises(UsageError, match=r"activator `batch` does not support CPython 3\.12"):
        plan("cpython-3.12-linux", host, registry, activators=("batch",))


def test_pyvenv_cfg_has_the_keys_that_other_tools_rely_on(host, registry):
    written = settings(plan("cpython-3.12-linux", host, registry, prompt="my prompt", site_packages="system"))
    interpreter = recorded_interpreter("cpython-3.12-linux")
    assert list(written) == [
        "home", "implementation", "python-version", "version_info", "version", "executable", "command", "cloche", "prompt",
        "include-system-site-packages", "base-prefix", "base-exec-prefix", "base-executable",
    ]  # fmt: skip
    assert written["home"] == os.path.dirname(interpreter.executable)
    assert written["version_info"] == ".".join(map(str, interpreter.version))
    assert written["implementation"] == "CPython"
    assert written["prompt"] == "'my prompt'"
    assert written["include-system-site-packages"] == "true"


def test_home_on_windows_is_a_windows_path(host, registry):
    interpreter = recorded_interpreter("cpython-3.12-windows")
    assert settings(plan("cpython-3.12-windows", host, registry))["home"] == interpreter.executable.rpartition("\\")[0]


def test_a_dot_as_prompt_means_the_name_of_the_current_directory(host, registry):
    planned = plan("cpython-3.12-linux", host, registry, prompt=".")
    assert planned.environment.prompt == os.path.basename(host.cwd)
    assert plan("cpython-3.12-linux", host, registry).environment.prompt == "env"


class Shell:
    """An activator of a plugin."""

    def __init__(self, name, scripts=("activate.mine",), problem=None):
        self.name, self._scripts, self._problem = name, scripts, problem

    def refusal(self, interpreter):
        return None

    def quote(self, text):
        return text

    def scripts(self, environment):
        if self._problem:
            raise self._problem
        return [Script(name, "text") for name in self._scripts]


def with_shells(*shells):
    builtin = load_sources([BUILTIN])
    mine = [Component("activator", shell.name, Source("mine", "mine", "acme", "1.0"), shell) for shell in shells]
    return Registry([*(component for kind in ("creator", "seeder") for component in builtin.all(kind)), *mine])


def test_an_activator_that_cannot_express_a_value_is_left_out_unless_chosen_by_name(host):
    registry = with_shells(Shell("good"), Shell("bad", problem=Inexpressible("bad cannot express a newline")))
    planned = plan("cpython-3.12-linux", host, registry)
    assert planned.activators == ("good",)
    assert planned.notes == ("activator `bad` was left out: bad cannot express a newline",)
    with pytest.raises(Inexpressible):
        plan("cpython-3.12-linux", host, registry, activators=("bad",))


def test_two_activators_that_write_the_same_file_are_an_error(host):
    with pytest.raises(PluginError, match=r"`one`.*acme 1.0.*`two`.*both write `activate.mine`"):
        plan("cpython-3.12-linux", host, with_shells(Shell("one"), Shell("two")))


@pytest.mark.parametrize("name", ["../escape", "a/b", "", "..", "a\\b", "C:x", "python3", None, 3])
def test_an_invalid_script_name_is_refused(host, name):
    with pytest.raises(PluginError, match=r"activator `one` of plugin .*failed: "):
        plan("cpython-3.12-linux", host, with_shells(Shell("one", scripts=(name,))), activators=("one",))


def test_an_exception_of_an_activator_is_reported_with_its_plugin(host):
    registry = with_shells(Shell("one", problem=ZeroDivisionError("x")))
    with pytest.raises(PluginError, match=r"activator `one` of plugin .*failed: ZeroDivisionError"):
        plan("cpython-3.12-linux", host, registry, activators=("one",))


class Broken(Shell):
    """An activator with methods that return these values, or raise them if they are exceptions."""

    def __init__(self, name, **results):
        super().__init__(name)
        for method, result in results.items():
            setattr(self, method, lambda _, result=result: self.answer(result))

    def answer(self, result):
        if isinstance(result, Exception):
            raise result
        return result


@pytest.mark.parametrize(
    ("results", "cause"),
    [
        ({"refusal": KeyError("x")}, "KeyError: 'x'"),
        ({"refusal": False}, "TypeError: `refusal` returned False: expected a sentence or None"),
        ({"refusal": ""}, "TypeError: `refusal` returned '': expected a sentence or None"),
        ({"refusal": FileNotFoundError(2, "No such file or directory", "data")}, "FileNotFoundError: "),
        ({"scripts": KeyError("x")}, "KeyError: 'x'"),
        ({"scripts": FileNotFoundError(2, "No such file or directory", "data")}, "FileNotFoundError: "),
        ({"scripts": None}, "TypeError: `scripts` returned None: expected a list of `cloche.Script`"),
        ({"scripts": "text"}, "TypeError: `scripts` returned 'text': expected a list of `cloche.Script`"),
        ({"scripts": [("activate.bad", "text")]}, "TypeError: `scripts` returned ('activate.bad', 'text'): expected"),
        (
            {"scripts": [Script("activate.bad", b"text")]},
            "TypeError: `scripts` returned Script(name='activate.bad', text=b",
        ),
        ({"scripts": [Script("activate.bad", "a\nb", newline=3)]}, "TypeError: "),
        ({"scripts": [Script("python", "text")]}, "ValueError: `python` cannot be the name of a script"),
        ({"scripts": [Script("bad\udcff", "text")]}, "ValueError: `bad\udcff` cannot be the name of a script"),
        ({"scripts": [Script("a\nbad", "text")]}, "ValueError: `a bad` cannot be the name of a script"),
        ({"scripts": [Script("ß" * 128, "text")]}, "ValueError: `" + "ß" * 128 + "` cannot be the name of a script"),
    ],
)
def test_a_broken_activator_is_left_out_and_reported_unless_chosen_by_name(host, results, cause):
    registry = with_shells(Shell("good"), Broken("bad", **results))

    planned = plan("cpython-3.12-linux", host, registry)

    assert planned.activators == ("good",)
    assert planned.notes[0].startswith(f"activator `bad` of plugin `mine` of acme 1.0 was left out: {cause}")
    with pytest.raises(ClocheError):
        plan("cpython-3.12-linux", host, registry, activators=("bad",))


def test_a_script_with_a_name_that_is_not_unicode_is_not_a_failure_of_its_plugin(host):
    registry = with_shells(Shell("good"), Broken("bad", scripts=[Script("activate.bad", "cd \udcff")]))

    planned = plan("cpython-3.12-linux", host, registry)

    assert planned.activators == ("good",)
    assert "cannot contain a name that is not Unicode" in planned.notes[0]


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("a:b", "separates"),
        ("nul\0byte", "NUL"),
        ("\udcff", "UTF-8"),
        ("d" * 250 + ("/" + "d" * 250) * 17, "too long"),
    ],
)
def test_an_invalid_destination_is_refused(host, registry, destination, message):
    with pytest.raises(DestinationError, match=message):
        plan("cpython-3.12-linux", host, registry, destination=os.path.join(host.cwd, destination))


def test_an_image_is_installed_with_scripts_and_a_record(host, registry, tmp_path):
    image = Image(
        "demo", "1.0", str(tmp_path / "image"), (EntryPoint("demo", "demo", "main"),), "demo-1.0.dist-info", 1, 2
    )
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "purelib.record").write_text("demo.py,sha256=x,2\n")
    own_files = format_file_list(FileList([], ["purelib.files", "purelib.record"], [0, 0], ["", ""], 0))
    (tmp_path / "image" / "image.files").write_text(own_files)
    spec, target = requested(destination=str(tmp_path / "env"), activators=(), wanted=None)
    blueprint = resolve(spec, recorded_interpreter("cpython-3.12-linux"), "", registry, None, UNRECORDED)
    planned = plan_at(replace(blueprint, images=(image,)), target, host)
    (tree,) = [operation for operation in planned.operations if isinstance(operation, InstallTree)]
    assert tree.path == "lib/python3.12/site-packages"
    files = {write.path: write for write in planned.operations if isinstance(write, Write)}
    assert files["bin/demo"].executable == "yes"
    record = files["lib/python3.12/site-packages/demo-1.0.dist-info/RECORD"].content.decode()
    assert record.startswith("demo.py,sha256=x,2\n../../../bin/demo,sha256=")


class SampleCreator:
    """A creator of a plugin that returns these operations."""

    name = "overlay"

    def __init__(self, *operations, with_python=True):
        python = (MakeDir("bin"), Write("bin/python", b"", "yes")) if with_python else ()
        self._operations = [*python, *operations]

    def refusal(self, interpreter):
        return None

    def operations(self, interpreter, layout):
        return self._operations


@pytest.mark.parametrize(
    ("creator", "problem"),
    [
        (SampleCreator("mkdir"), "'mkdir' is not an operation"),
        (SampleCreator(MakeDir("../../elsewhere")), "'../../elsewhere' is not a plain path inside the environment"),
        (SampleCreator(MakeDir("/elsewhere")), "`/elsewhere` is an absolute path"),
        (SampleCreator(MakeDir(3)), "3 is not a path"),
        (SampleCreator(MakeDir("a\nb")), "'a\\nb' contains a character that cannot be printed"),
        (SampleCreator(Write("\udcff", b"")), "'\\udcff' contains a character that cannot be printed"),
        (SampleCreator(MakeDir("ß" * 128)), "contains a name of more than 255 bytes"),
        (SampleCreator(Link("a", 3)), "the target of link `a` is of type int: expected a string"),
        (
            SampleCreator(Copy("a", PurePosixPath("/b"))),
            "the source of `a` is of type PurePosixPath: expected a string",
        ),
        (SampleCreator(Write("a/b", b"")), "`a/b` is created before its directory `a`"),
        (SampleCreator(Write("a", "text")), "the content of `a` is of type str: expected bytes"),
        (SampleCreator(Write("bin/python", b"")), "`bin/python` is created twice"),
        (SampleCreator(Write(".cloche-files", b"")), "`.cloche-files` is reserved for cloche itself"),
        (SampleCreator(Write(".lock", b"")), "`.lock` is reserved for cloche itself"),
        (SampleCreator(Write("PyVenv.cfg", b"")), "`PyVenv.cfg` is reserved for cloche itself"),
        (SampleCreator(Write("pyvenv.cfg", b"")), "`pyvenv.cfg` is reserved for cloche itself"),
        (SampleCreator(Run("ls", "list")), "are a single string"),
        (SampleCreator(with_python=False), "it does not create `bin/python`"),
    ],
)
def test_a_creator_with_invalid_operations_is_broken(host, creator, problem):
    builtin = load_sources([BUILTIN])
    mine = Component("creator", "overlay", Source("mine", "mine", "acme", "1.0"), creator)
    registry = Registry([*builtin.all("creator"), *builtin.all("seeder"), mine])

    with pytest.raises(PluginError, match=r"creator `overlay` of plugin `mine` of acme 1.0 is broken: ") as caught:
        plan("cpython-3.12-linux", host, registry, creator="overlay")
    assert problem in caught.value.message


def test_a_seeder_that_does_not_return_images_is_broken(host):
    class NameSeeder:
        name = "names"

        def refusal(self, interpreter):
            return None

        def images(self, interpreter, wanted, store):
            return ["pip"]

    builtin = load_sources([BUILTIN])
    mine = Component("seeder", "names", Source("mine", "mine", "acme", "1.0"), NameSeeder())
    registry = Registry([*builtin.all("creator"), mine])

    with pytest.raises(
        PluginError,
        match=r"`names` of plugin `mine` of acme 1.0 is broken: `images` returned 'pip': expected a `cloche.Image`",
    ):
        plan("cpython-3.12-linux", host, registry, seeder="names", wanted=Wanted())


# Plans for another platform


def strings_in(item):
    """Yield every string in a plan, at any depth."""
    if isinstance(item, str):
        yield item
    elif isinstance(item, bytes):
        yield item.decode("utf-8", "replace")
    elif isinstance(item, dict):
        for element in (*item, *item.values()):
            yield from strings_in(element)
    elif isinstance(item, (tuple, list)):
        for element in item:
            yield from strings_in(element)
    elif hasattr(type(item), "__match_args__"):
        yield from strings_in(list(fields(item).values()))


@pytest.mark.parametrize("name", [name for name in RECORDED_NAMES if "windows" in name])
@pytest.mark.parametrize("prompt", [None, ".", "mine"])
@pytest.mark.parametrize("placement", ["fixed", "relocatable"])
def test_a_plan_for_windows_contains_no_path_of_this_machine(name, prompt, placement, tmp_path, registry, monkeypatch):
    monkeypatch.chdir(tmp_path)
    windows = Host({}, "C:\\Users\\me\\project", "win32", "nt", "C:\\Python\\python.exe")
    location = absolute_path("sub\\..\\.venv", windows)

    planned = plan(name, windows, registry, destination=location, prompt=prompt, placement=placement)

    written = settings(planned)
    assert location == "C:\\Users\\me\\project\\.venv"
    assert written["executable"] == recorded_interpreter(name).executable
    assert written["home"] == recorded_interpreter(name).executable.rpartition("\\")[0]
    assert planned.environment.prompt == {None: ".venv", ".": "project", "mine": "mine"}[prompt]
    found = [text for text in strings_in(planned) if str(tmp_path) in text or os.path.dirname(os.__file__) in text]
    assert found == []
    assert not [text for text in strings_in(planned) if text.startswith("/")]
    assert [path for path in paths(planned, Copy) if "\\" in path] == []


def test_a_plan_for_linux_has_the_same_paths_on_every_platform(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = plan(
        "cpython-3.12-linux", Host({}, "/work", "linux", "posix", "/usr/bin/python3"), registry, destination="/work/env"
    )

    assert settings(planned)["executable"] == recorded_interpreter("cpython-3.12-linux").executable
    assert planned.environment.path_to("bin/python") == "/work/env/bin/python"

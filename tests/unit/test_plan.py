"""Plans are values: what an environment will contain can be compared without making one, for any platform on any other."""

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
from cloche.model.request import EnvironmentSpec, Target, Wanted
from cloche.model.value import fields, replace
from cloche.planning.destination import absolute
from cloche.planning.layout import layout_of
from cloche.planning.plan_at import plan_at
from cloche.planning.resolve import resolve
from cloche.plugins.components import Component
from cloche.plugins.guard import Source
from cloche.plugins.registry import Registry, load_sources
from tests.recorded import RECORDED_NAMES, recorded_interpreter

BOX = Source("builtin", "cloche.builtin.plugin", "cloche", "")


@pytest.fixture
def host(tmp_path):
    return Host({}, str(tmp_path), "linux", "posix", "/usr/bin/python3")


@pytest.fixture(scope="module")
def registry():
    return load_sources([BOX])


def plan(name, host, registry, **asked):
    """Return the plan for a recorded interpreter, without seeds."""
    spec, target = requested(**{"destination": os.path.join(host.cwd, "env"), "wanted": None, **asked})
    return plan_at(resolve(spec, recorded_interpreter(name), "", registry, None, UNRECORDED), target, host)


def requested(**asked):
    """Return the two halves of a request: what the environment is, and where it goes."""
    of_spec = {name: asked.pop(name) for name in list(asked) if name in fields(EnvironmentSpec())}
    return EnvironmentSpec(**of_spec), Target(**asked)


def paths(plan, kind):
    return [operation.path for operation in plan.operations if isinstance(operation, kind)]


def links(plan):
    return {operation.path: operation.target for operation in plan.operations if isinstance(operation, Link)}


def settings(plan):
    (config,) = [one for one in plan.operations if isinstance(one, Write) and one.path == "pyvenv.cfg"]
    return dict(line.split(" = ", 1) for line in config.content.decode().splitlines())


@pytest.mark.parametrize("name", RECORDED_NAMES)
def test_every_path_is_relative_and_stands_in_a_directory_that_was_made_before(name, host, registry):
    made = {""}
    for operation in plan(name, host, registry).operations:
        if isinstance(operation, Run):  # the interpreter's own `venv` makes what it needs
            continue
        assert not os.path.isabs(operation.path)
        assert ".." not in operation.path.split("/")
        assert os.path.dirname(operation.path) in made
        if isinstance(operation, MakeDir):
            made.add(operation.path)


@pytest.mark.parametrize("name", RECORDED_NAMES)
def test_the_same_request_gives_the_same_plan(name, host, registry):
    assert plan(name, host, registry) == plan(name, host, registry)


def test_an_environment_of_cpython_on_linux_holds_this_and_nothing_else(host, registry):
    made = plan("cpython-3.12-linux", host, registry, activators=("bash",))
    base = recorded_interpreter("cpython-3.12-linux").executable
    assert paths(made, MakeDir) == ["bin", "include", "lib", "lib/python3.12", "lib/python3.12/site-packages"]
    assert links(made) == {"lib64": "lib", "bin/python": base, "bin/python3": "python", "bin/python3.12": "python"}
    assert paths(made, Write) == ["bin/activate", ".gitignore", "CACHEDIR.TAG", "pyvenv.cfg", ".cloche-manifest"]


def test_windows_gets_copies_of_pythons_own_launchers(host, registry):
    made = plan("cpython-3.12-windows", host, registry)
    assert made.creator == "copy"
    launchers = {one.path: one.source for one in made.operations if isinstance(one, Copy)}
    nt = recorded_interpreter("cpython-3.12-windows").stdlib + "\\venv\\scripts\\nt\\"
    assert launchers["Scripts/python.exe"] == nt + "python.exe"
    assert launchers["Scripts/pythonw.exe"] == nt + "pythonw.exe"
    assert "Lib/site-packages" in paths(made, MakeDir)
    assert "lib64" not in links(made)
    assert {"Scripts/activate.bat", "Scripts/activate.ps1"} <= set(paths(made, Write))


def test_since_3_13_the_launchers_have_other_names_and_free_threading_its_own(host, registry):
    made = plan("cpython-3.13t-windows", host, registry)
    sources = {one.path: one.source.rpartition("\\")[2] for one in made.operations if isinstance(one, Copy)}
    assert sources["Scripts/python.exe"] == "venvlaunchert.exe"
    assert sources["Scripts/pythonw.exe"] == "venvwlaunchert.exe"
    assert "Scripts/python3.13t.exe" in sources


def test_a_windows_python_without_launchers_is_copied_with_what_it_needs_to_start(host):
    """CPython's embeddable package has no `venv`, and PyPy for Windows no launchers: their directory says what there is."""
    home = os.path.join(host.cwd, "embedded")
    os.mkdir(home)
    for name in (
        "python.exe", "pythonw.exe", "python3.dll", "python312.dll", "VCRUNTIME140.dll", "python312.zip",
        "python312._pth", "libssl-3.dll", "_ssl.pyd", "other.zip",
    ):  # fmt: skip
        open(os.path.join(home, name), "w").close()
    embedded = replace(recorded_interpreter("cpython-3.12-windows"), executable=f"{home}\\python.exe", has_venv=False)

    def copied(interpreter):
        made = copy_creator.operations(interpreter, layout_of(interpreter))
        return {one.path.removeprefix("Scripts/"): one.source for one in made if isinstance(one, Copy)}

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


def test_a_distribution_with_a_real_lib64_gets_no_link_over_it(host, registry):
    made = plan("cpython-3.12-fedora", host, registry)
    assert {"lib/python3.12/site-packages", "lib64/python3.12/site-packages"} <= set(paths(made, MakeDir))
    assert "lib64" not in links(made)


def test_debian_s_patched_schemes_do_not_reach_an_environment(host, registry):
    made = plan("cpython-3.11-debian", host, registry)
    assert made.environment.layout.purelib == "lib/python3.11/site-packages"


def test_a_free_threaded_python_has_its_name_and_its_directory(host, registry):
    made = plan("cpython-3.14t-linux", host, registry)
    assert "bin/python3.14t" in links(made)
    assert made.environment.layout.purelib == "lib/python3.14t/site-packages"


def test_pypy_has_its_names(host, registry):
    made = plan("pypy-3.10-linux", host, registry)
    assert {"bin/pypy", "bin/pypy3", "bin/pypy3.10", "bin/python3.10"} <= set(links(made))
    assert made.environment.layout.purelib == "lib/pypy3.10/site-packages"


def test_an_interpreter_that_is_not_known_is_handed_over_to_its_own_venv(host, registry):
    made = plan("graalpy-3.11-linux", host, registry)
    assert made.creator == "venv"
    assert isinstance(made.operations[0], Run)
    with pytest.raises(UsageError, match="needs CPython or PyPy"):
        plan("graalpy-3.11-linux", host, registry, creator="symlink")


def test_on_macos_there_is_no_lib64_and_a_framework_is_not_copied(host, registry):
    assert "lib64" not in links(plan("cpython-3.12-homebrew", host, registry))
    with pytest.raises(UsageError, match="framework"):
        plan("cpython-3.13-macos-framework", host, registry, creator="copy")


def test_a_refusal_is_told_in_its_own_words(host, registry):
    with pytest.raises(UsageError, match="Windows"):
        plan("cpython-3.12-windows", host, registry, creator="symlink")
    with pytest.raises(UsageError, match=r"activator `batch` does not support CPython 3\.12"):
        plan("cpython-3.12-linux", host, registry, activators=("batch",))


def test_the_configuration_says_what_other_tools_rely_on(host, registry):
    said = settings(plan("cpython-3.12-linux", host, registry, prompt="my prompt", site_packages="system"))
    interpreter = recorded_interpreter("cpython-3.12-linux")
    assert list(said) == [
        "home", "implementation", "python-version", "version_info", "version", "executable", "command", "cloche", "prompt",
        "include-system-site-packages", "base-prefix", "base-exec-prefix", "base-executable",
    ]  # fmt: skip
    assert said["home"] == os.path.dirname(interpreter.executable)
    assert said["version_info"] == ".".join(map(str, interpreter.version))
    assert said["implementation"] == "CPython"
    assert said["prompt"] == "'my prompt'"
    assert said["include-system-site-packages"] == "true"


def test_a_windows_home_is_written_in_windows_words(host, registry):
    interpreter = recorded_interpreter("cpython-3.12-windows")
    assert settings(plan("cpython-3.12-windows", host, registry))["home"] == interpreter.executable.rpartition("\\")[0]


def test_a_dot_as_prompt_is_the_name_of_the_current_directory(host, registry):
    made = plan("cpython-3.12-linux", host, registry, prompt=".")
    assert made.environment.prompt == os.path.basename(host.cwd)
    assert plan("cpython-3.12-linux", host, registry).environment.prompt == "env"


class Shell:
    """An activator of a third party."""

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
    box = load_sources([BOX])
    mine = [Component("activator", shell.name, Source("mine", "mine", "acme", "1.0"), shell) for shell in shells]
    return Registry([*(one for kind in ("creator", "seeder") for one in box.all(kind)), *mine])


def test_what_a_shell_cannot_express_is_left_out_with_the_reason_or_refused_if_it_was_asked_for(host):
    registry = with_shells(Shell("good"), Shell("bad", problem=Inexpressible("bad cannot hold a newline")))
    made = plan("cpython-3.12-linux", host, registry)
    assert made.activators == ("good",)
    assert made.notes == ("activator `bad` was left out: bad cannot hold a newline",)
    with pytest.raises(Inexpressible):
        plan("cpython-3.12-linux", host, registry, activators=("bad",))


def test_two_activators_of_one_file_are_an_error_that_names_both(host):
    with pytest.raises(PluginError, match=r"`one`.*acme 1.0.*`two`.*both write `activate.mine`"):
        plan("cpython-3.12-linux", host, with_shells(Shell("one"), Shell("two")))


@pytest.mark.parametrize("name", ["../escape", "a/b", "", "..", "a\\b", "C:x", "python3", None, 3])
def test_a_script_stays_in_the_directory_of_executables_beside_the_python(host, name):
    with pytest.raises(PluginError, match=r"activator `one` of plugin .*failed: "):
        plan("cpython-3.12-linux", host, with_shells(Shell("one", scripts=(name,))), activators=("one",))


def test_what_a_plugin_raises_is_told_to_be_its(host):
    registry = with_shells(Shell("one", problem=ZeroDivisionError("x")))
    with pytest.raises(PluginError, match=r"activator `one` of plugin .*failed: ZeroDivisionError"):
        plan("cpython-3.12-linux", host, registry, activators=("one",))


class Confused(Shell):
    """An activator with a method that gives what it must not, or raises it."""

    def __init__(self, name, **wrong):
        super().__init__(name)
        for method, given in wrong.items():
            setattr(self, method, lambda _, given=given: self.answer(given))

    def answer(self, given):
        if isinstance(given, Exception):
            raise given
        return given


@pytest.mark.parametrize(
    ("wrong", "why"),
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
        ({"scripts": [Script("activate.bad", b"text")]}, "AttributeError: "),
        ({"scripts": [Script("activate.bad", "a\nb", newline=3)]}, "TypeError: "),
        ({"scripts": [Script("python", "text")]}, "ValueError: `python` cannot be the name of a script"),
        ({"scripts": [Script("bad\udcff", "text")]}, "ValueError: `bad\udcff` cannot be the name of a script"),
        ({"scripts": [Script("a\nbad", "text")]}, "ValueError: `a bad` cannot be the name of a script"),
        ({"scripts": [Script("ß" * 128, "text")]}, "ValueError: `" + "ß" * 128 + "` cannot be the name of a script"),
    ],
)
def test_a_broken_activator_that_nobody_asked_for_is_left_out_and_named(host, wrong, why):
    registry = with_shells(Shell("good"), Confused("bad", **wrong))

    made = plan("cpython-3.12-linux", host, registry)

    assert made.activators == ("good",)
    assert made.notes[0].startswith(f"activator `bad` of plugin `mine` of acme 1.0 was left out: {why}")
    with pytest.raises(ClocheError):
        plan("cpython-3.12-linux", host, registry, activators=("bad",))


def test_a_name_that_is_not_unicode_is_no_fault_of_an_activator_that_wrote_it_down(host):
    registry = with_shells(Shell("good"), Confused("bad", scripts=[Script("activate.bad", "cd \udcff")]))

    made = plan("cpython-3.12-linux", host, registry)

    assert made.activators == ("good",)
    assert "cannot hold a name that is not Unicode" in made.notes[0]


@pytest.mark.parametrize(
    ("destination", "says"),
    [
        ("a:b", "separates"),
        ("nul\0byte", "NUL"),
        ("\udcff", "UTF-8"),
        ("d" * 250 + ("/" + "d" * 250) * 17, "bytes long"),
    ],
)
def test_a_path_that_no_environment_can_have_is_refused(host, registry, destination, says):
    with pytest.raises(DestinationError, match=says):
        plan("cpython-3.12-linux", host, registry, destination=os.path.join(host.cwd, destination))


def test_an_image_is_laid_with_its_scripts_and_a_record_of_all(host, registry, tmp_path):
    image = Image(
        "demo", "1.0", str(tmp_path / "image"), (EntryPoint("demo", "demo", "main"),), "demo-1.0.dist-info", 1, 2
    )
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "purelib.record").write_text("demo.py,sha256=x,2\n")
    own_files = format_file_list(FileList([], ["purelib.files", "purelib.record"], [0, 0], ["", ""], 0))
    (tmp_path / "image" / "image.files").write_text(own_files)
    spec, target = requested(destination=str(tmp_path / "env"), activators=(), wanted=None)
    blueprint = resolve(spec, recorded_interpreter("cpython-3.12-linux"), "", registry, None, UNRECORDED)
    made = plan_at(replace(blueprint, images=(image,)), target, host)
    (laid,) = [one for one in made.operations if isinstance(one, InstallTree)]
    assert laid.path == "lib/python3.12/site-packages"
    written = {one.path: one for one in made.operations if isinstance(one, Write)}
    assert written["bin/demo"].executable == "yes"
    record = written["lib/python3.12/site-packages/demo-1.0.dist-info/RECORD"].content.decode()
    assert record.startswith("demo.py,sha256=x,2\n../../../bin/demo,sha256=")


class Drafted:
    """A creator of a third party."""

    name = "overlay"

    def __init__(self, *operations, whole=True):
        python = (MakeDir("bin"), Write("bin/python", b"", "yes")) if whole else ()
        self.given = [*python, *operations]

    def refusal(self, interpreter):
        return None

    def operations(self, interpreter, layout):
        return self.given


@pytest.mark.parametrize(
    ("creator", "why"),
    [
        (Drafted("mkdir"), "'mkdir' is no operation"),
        (Drafted(MakeDir("../../elsewhere")), "'../../elsewhere' is no plain path inside the environment"),
        (Drafted(MakeDir("/elsewhere")), "`/elsewhere` is an absolute path"),
        (Drafted(MakeDir(3)), "3 is no path"),
        (Drafted(MakeDir("a\nb")), "'a\\nb' has a character in it that cannot be printed"),
        (Drafted(Write("\udcff", b"")), "'\\udcff' has a character in it that cannot be printed"),
        (Drafted(MakeDir("ß" * 128)), "has a name in it that is longer than 255 bytes"),
        (Drafted(Link("a", 3)), "the target of the link `a` is int, and has to be a text"),
        (Drafted(Copy("a", PurePosixPath("/b"))), "what `a` is copied from is PurePosixPath, and has to be a text"),
        (Drafted(Write("a/b", b"")), "`a/b` is made before its directory `a`"),
        (Drafted(Write("a", "text")), "the content of `a` is str, and has to be bytes"),
        (Drafted(Write("bin/python", b"")), "`bin/python` is made twice"),
        (Drafted(Write("pyvenv.cfg", b"")), "`pyvenv.cfg` is written by the core"),
        (Drafted(Run("ls", "list")), "has a text for arguments"),
        (Drafted(whole=False), "it makes no `bin/python`"),
    ],
)
def test_a_creator_that_gives_what_cannot_be_performed_is_refused_while_planning(host, creator, why):
    box = load_sources([BOX])
    mine = Component("creator", "overlay", Source("mine", "mine", "acme", "1.0"), creator)
    registry = Registry([*box.all("creator"), *box.all("seeder"), mine])

    with pytest.raises(PluginError, match=r"creator `overlay` of plugin `mine` of acme 1.0 is broken: ") as refused:
        plan("cpython-3.12-linux", host, registry, creator="overlay")
    assert why in refused.value.message


def test_a_seeder_that_gives_what_is_no_image_is_refused_while_planning(host):
    class Careless:
        name = "careless"

        def refusal(self, interpreter):
            return None

        def images(self, interpreter, wanted, store):
            return ["pip"]

    box = load_sources([BOX])
    mine = Component("seeder", "careless", Source("mine", "mine", "acme", "1.0"), Careless())
    registry = Registry([*box.all("creator"), mine])

    with pytest.raises(
        PluginError,
        match=r"`careless` of plugin `mine` of acme 1.0 is broken: `images` returned 'pip', expected a `cloche.Image`",
    ):
        plan("cpython-3.12-linux", host, registry, seeder="careless", wanted=Wanted())


# Paths of the target


def texts_in(item):
    """Yield every text in a plan, however deep."""
    if isinstance(item, str):
        yield item
    elif isinstance(item, bytes):
        yield item.decode("utf-8", "replace")
    elif isinstance(item, dict):
        for one in (*item, *item.values()):
            yield from texts_in(one)
    elif isinstance(item, (tuple, list)):
        for one in item:
            yield from texts_in(one)
    elif hasattr(type(item), "__match_args__"):
        yield from texts_in(list(fields(item).values()))


@pytest.mark.parametrize("name", [name for name in RECORDED_NAMES if "windows" in name])
@pytest.mark.parametrize("prompt", [None, ".", "mine"])
@pytest.mark.parametrize("placement", ["fixed", "relocatable"])
def test_a_plan_for_windows_has_no_path_of_this_machine_in_it(name, prompt, placement, tmp_path, registry, monkeypatch):
    monkeypatch.chdir(tmp_path)
    windows = Host({}, "C:\\Users\\me\\project", "win32", "nt", "C:\\Python\\python.exe")
    location = absolute("sub\\..\\.venv", windows)

    made = plan(name, windows, registry, destination=location, prompt=prompt, placement=placement)

    said = settings(made)
    assert location == "C:\\Users\\me\\project\\.venv"
    assert said["executable"] == recorded_interpreter(name).executable
    assert said["home"] == recorded_interpreter(name).executable.rpartition("\\")[0]
    assert made.environment.prompt == {None: ".venv", ".": "project", "mine": "mine"}[prompt]
    found = [text for text in texts_in(made) if str(tmp_path) in text or os.path.dirname(os.__file__) in text]
    assert found == []
    assert not [text for text in texts_in(made) if text.startswith("/")]
    assert [path for path in paths(made, Copy) if "\\" in path] == []


def test_a_plan_for_linux_has_slashes_alone_wherever_it_is_made(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = plan(
        "cpython-3.12-linux", Host({}, "/work", "linux", "posix", "/usr/bin/python3"), registry, destination="/work/env"
    )

    assert settings(made)["executable"] == recorded_interpreter("cpython-3.12-linux").executable
    assert made.environment.path_to("bin/python") == "/work/env/bin/python"

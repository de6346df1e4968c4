"""Test `cloche upgrade`, which moves an environment and its installed packages to another Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.distributions import make_wheel, record_hash
from tests.interpreters import debian, pyenv, pypy
from tests.lifecycle.environments import every_tool, find_problems, populate, run
from tests.run import cloche_command_in
from tests.tools import skip_missing
from tests.trees import Tree, snapshot


def finding_codes(cloche, env) -> list[str]:
    """Return the codes of the findings of `cloche doctor`."""
    [environment] = cloche("doctor", "--json", env).json["environments"]
    return [finding["code"] for finding in environment["findings"]]


@pytest.mark.parametrize("created_by", every_tool("venv", "cloche"))
@pytest.mark.parametrize("minor", ["3.13", pytest.param("3.10", marks=pytest.mark.nightly)])
def test_an_upgrade_to_another_minor_version_carries_everything_over(cloche, populated_env, created_by, minor) -> None:
    """An upgrade or downgrade without a network: pure packages are carried over with their scripts, data and links."""
    env = populated_env(created_by, "3.12")
    (env / "bin" / "postactivate").write_text("echo mine\n")
    outcome = cloche("upgrade", env, "-p", minor, "--json", PIP_NO_INDEX="1")
    assert outcome.code == 0, outcome.err
    assert outcome.json["kind"] == "rebuild"
    assert outcome.json["losses"] == outcome.json["installed"] == []
    assert run(env / "bin" / "python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip() == minor
    assert find_problems(env) == []
    assert os.listdir(env / "lib") == [f"python{minor}"]
    assert not os.path.lexists(env / "bin" / "python3.12")
    assert (env / "bin" / "postactivate").read_text() == "echo mine\n"
    assert finding_codes(cloche, env) == []
    assert sorted(os.listdir(cloche.cwd)) == ["env", "projects"]


def install_editable(site: Path, name: str, source: Path, files: dict[str, str]) -> None:
    """Install files as an editable install of a directory."""
    url = json.dumps({"url": source.as_uri(), "dir_info": {"editable": True}})
    metadata = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "INSTALLER": "pip\n",
        "direct_url.json": url,
    }
    rows = [f"{name}-1.0.dist-info/RECORD,,\n"]
    for path, content in (*files.items(), *((f"{name}-1.0.dist-info/{key}", text) for key, text in metadata.items())):
        (site / path).parent.mkdir(exist_ok=True)
        (site / path).write_text(content)
        rows.append(f"{path},{record_hash(content.encode())},{len(content)}\n")
    (site / f"{name}-1.0.dist-info" / "RECORD").write_text("".join(rows))


def test_two_editable_installs_may_share_a_file(cloche, empty_env) -> None:
    """pdm-backend puts its `.gitignore` into the wheel of every editable install."""
    env = empty_env("venv", "3.12")
    for name in ("one", "two"):
        source = cloche.cwd / name
        source.mkdir()
        (source / f"{name}.py").write_text("")
        site = env / "lib" / "python3.12" / "site-packages"
        install_editable(site, name, source, {".gitignore": "*", f"{name}.pth": f"{source}\n"})

    outcome = cloche("upgrade", env, "-p", "3.13", PIP_NO_INDEX="1")

    assert outcome.code == 0, outcome.err
    assert run(env / "bin" / "python", "-c", "import one, two") == ""
    assert find_problems(env, populated=False) == []
    assert finding_codes(cloche, env) == []


LOADER = """\
import sys
from importlib.util import spec_from_file_location
class BuildingFinder:
    def __init__(self, name, names, path):
        self.names, self.path = names, path
    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            if sys.version_info >= (3, 13):
                raise FileNotFoundError("ninja")
            return spec_from_file_location(name, self.path)
sys.meta_path.insert(0, BuildingFinder("one", {{"one"}}, {path!r}))
"""


def test_an_editable_install_that_stops_working_is_a_loss(cloche, empty_env) -> None:
    """That of meson-python runs its build tools when it is imported, and pip may have removed these."""
    env, source = empty_env("venv", "3.12"), cloche.cwd / "one"
    source.mkdir()
    (source / "one.py").write_text("")
    files = {"_one_loader.py": LOADER.format(path=f"{source}/one.py"), "one.pth": "import _one_loader\n"}
    install_editable(env / "lib" / "python3.12" / "site-packages", "one", source, files)
    assert finding_codes(cloche, env) == []

    refused = cloche("upgrade", env, "-p", "3.13", PIP_NO_INDEX="1")

    assert refused.code == 1
    assert "not everything can be kept: one 1.0: `import one` fails: FileNotFoundError: ninja" in refused.err
    assert cloche("upgrade", env, "-p", "3.13", "--allow-loss", PIP_NO_INDEX="1").code == 0
    assert finding_codes(cloche, env) == ["editable-dead"]


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_the_files_that_are_kept_are_linked(cloche, populated_env, option) -> None:
    """Those of packages to the cache, which other tests share. Files that a program may change in place are copied."""
    env = populated_env("venv", "3.11")
    old = env / "lib" / "python3.11" / "site-packages"
    (old / "notes").write_text("mine")
    module, notes = (path.stat().st_ino for path in (old / "plain" / "cli.py", old / "notes"))

    assert cloche("upgrade", env, "-p", "3.12", *option).code == 0

    new = old if option else env / "lib" / "python3.12" / "site-packages"
    status = (new / "plain" / "cli.py").stat()
    assert (status.st_ino == module, status.st_nlink > 1) == ((True, False) if option else (False, True))
    assert ((new / "notes").stat().st_ino == notes) == bool(option)


def test_a_dry_run_changes_no_file_that_a_package_writes_to_when_it_is_imported(cloche, empty_env, tmp_path) -> None:
    files = {
        "spam/__init__.py": "import pathlib\npathlib.Path(__file__).with_name('state').open('a').write('x')\n",
        "spam/cli.py": "def main(): pass\n",
        "spam/state": "",
    }
    wheel = make_wheel(tmp_path, files=files, entry_points="[console_scripts]\nspam = spam.cli:main\n")
    env = empty_env("venv", "3.11")
    run(sys.executable, "-m", "pip", "--python", env / "bin" / "python", "install", "-q", "--no-index", wheel)
    before = snapshot(env)

    outcome = cloche("upgrade", env, "-p", "3.12", "--dry-run", "--json")

    assert outcome.json["carried"] == ["spam==1.0"]
    assert snapshot(env).without_bytecode() == before.without_bytecode()


def test_the_origin_of_packages_is_kept(cloche, populated_env) -> None:
    env = populated_env("venv", "3.11")

    def read_origins() -> dict[str, tuple]:
        return {
            info.name: (
                (info / "REQUESTED").exists(),
                (info / "INSTALLER").read_text(),
                json.loads((info / "direct_url.json").read_text()),
            )
            for info in env.glob("lib/*/site-packages/*.dist-info")
        }

    before = read_origins()
    assert len(before) == 4
    assert cloche("upgrade", env, "-p", "3.12").code == 0
    assert read_origins() == before


def test_packages_with_extension_modules_are_reinstalled_by_pip(cloche, empty_env, tmp_path: Path) -> None:
    """pip installs the same version, here from a directory of wheels."""
    tags = {"3.11": "cp311-cp311-linux_x86_64", "3.12": "cp312-cp312-linux_x86_64"}
    for minor, tag in tags.items():
        for version in ("1.0", "2.0"):
            content = {f"fast_{tag[:5]}.py": "", "fast.py": f"WHICH = {minor!r}\n"}
            make_wheel(tmp_path / "wheels", "fast", version, content, tags=[tag], pure=False, entry_points="")
    env = empty_env("venv", "3.11")
    pip = ["-m", "pip", "--python", env / "bin" / "python", "install", "-q", "--no-index"]
    run(sys.executable, *pip, "--find-links", tmp_path / "wheels", "fast==1.0")
    wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    outcome = cloche("upgrade", env, "-p", "3.12", "--json", **wheels)
    assert outcome.code == 0, outcome.err
    assert outcome.json["installed"] == ["fast==1.0"]
    assert run(env / "bin" / "python", "-c", "import fast; print(fast.WHICH)").strip() == "3.12"
    assert finding_codes(cloche, env) == []


@pytest.mark.parametrize("option", [[], ["--dry-run"]])
def test_pip_installs_nothing_outside_the_environment(cloche, empty_env, option, tmp_path: Path) -> None:
    for tag in ("cp311-cp311-linux_x86_64", "cp312-cp312-linux_x86_64"):
        make_wheel(tmp_path / "wheels", "fast", tags=[tag], pure=False, entry_points="")
    env = empty_env("venv", "3.11")
    pip = ["-m", "pip", "--python", env / "bin" / "python", "install", "-q", "--no-index"]
    run(sys.executable, *pip, "--find-links", tmp_path / "wheels", "fast")
    config = tmp_path / "home" / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True)
    links = f"no-index = true\nfind-links = {tmp_path}/wheels\n"
    config.write_text(f"[global]\n{links}target = {tmp_path}/elsewhere\n[install]\nno-deps = false\nuser = true\n")
    variables = {"XDG_CONFIG_HOME": str(tmp_path / "home" / ".config"), "PIP_CONFIG_FILE": "", "PIP_FIND_LINKS": ""}
    outcome = cloche("upgrade", env, "-p", "3.12", "--json", *option, **variables)
    assert outcome.code == 0, outcome.err
    assert outcome.json["losses"] == []
    assert not (tmp_path / "elsewhere").exists()
    assert os.listdir(env / "lib") == ["python3.11" if option else "python3.12"]


@pytest.mark.parametrize("minor", ["3.6", "3.9"])
@pytest.mark.parametrize("setting", ["install_lib", "install_scripts", "prefix"])
def test_the_file_of_distutils_does_not_change_where_pip_installs(
    cloche, minor: str, setting: str, tmp_path: Path
) -> None:
    """Up to Python 3.9, pip asks distutils where to install. A file in the environment does not hide pip."""
    for tag in ("cp311", f"cp{minor.replace('.', '')}"):
        make_wheel(tmp_path / "wheels", "fast", tags=[f"{tag}-none-linux_x86_64"], pure=False)
    env = cloche.cwd / "env"
    assert cloche(env, "-p", pyenv("3.11")).code == 0
    run(env / "bin" / "pip", "install", "-q", "--no-index", "--find-links", tmp_path / "wheels", "fast")
    (tmp_path / "home" / ".pydistutils.cfg").write_text(f"[install]\n{setting} = {tmp_path}/elsewhere\n")
    (env / "pip.py").write_text("raise SystemExit('not pip')\n")
    wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}

    outcome = cloche("upgrade", env, "-p", pyenv(minor), "--json", **wheels)

    assert outcome.code == 0, outcome.err
    assert outcome.json["installed"] == ["fast==1.0"]
    assert not (tmp_path / "elsewhere").exists()
    assert run(env / "bin" / "spam").strip() == "spam"


@pytest.mark.thorough
@pytest.mark.parametrize("arguments", [(), ("--no-seed",)], ids=["own pip", "pip from the store"])
def test_the_file_of_an_installation_does_not_change_where_pip_installs(
    cloche, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """An environment with a Python up to 3.9 obeys the `install_lib` in the `distutils.cfg` of its base."""
    base = tmp_path / "base"
    shutil.copytree(
        Path(pyenv("3.9")).parent.parent,
        base,
        symlinks=True,
        ignore=shutil.ignore_patterns("test", "tests", "site-packages", "idlelib", "share", "include"),
    )
    (base / "lib" / "python3.9" / "site-packages").mkdir()
    (base / "lib" / "python3.9" / "distutils" / "distutils.cfg").write_text(
        f"[install]\ninstall_lib = {tmp_path}/elsewhere\ninstall_scripts = {tmp_path}/elsewhere\n"
    )
    for tag in ("cp311", "cp39"):
        make_wheel(tmp_path / "wheels", "fast", tags=[f"{tag}-none-linux_x86_64"], pure=False)
    env = cloche.cwd / "env"
    assert cloche(env, "-p", pyenv("3.11"), *arguments).code == 0
    pip = ["-m", "pip", "--python", env / "bin" / "python", "install", "-q", "--no-index", "--find-links"]
    run(sys.executable, *pip, tmp_path / "wheels", "fast")
    wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}

    outcome = cloche("upgrade", env, "-p", base / "bin" / "python3.9", "--json", **wheels)

    assert not (tmp_path / "elsewhere").exists()
    assert outcome.code == 0, outcome.err
    assert outcome.json["installed"] == ["fast==1.0"]
    assert run(env / "bin" / "spam").strip() == "spam"


def test_losses_are_reported_before_anything_changes(cloche, empty_env, tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "picky", "1.0", requires_python="<3.12", entry_points="")
    make_wheel(
        tmp_path / "wheels", "only-here", "1.0", {"o.py": ""}, tags=["cp311-cp311-linux_x86_64"], entry_points=""
    )
    env = empty_env("venv", "3.11")
    pip = ["-m", "pip", "--python", env / "bin" / "python", "install", "-q", "--no-index"]
    run(sys.executable, *pip, *(tmp_path / "wheels").iterdir())
    before = snapshot(cloche.cwd)
    shutil.rmtree(tmp_path / "wheels")

    dry_run = cloche("upgrade", env, "-p", "3.12", "--dry-run", "--json", PIP_NO_INDEX="1")
    assert {loss["what"] for loss in dry_run.json["losses"]} == {"picky 1.0", "only-here 1.0"}
    assert (dry_run.code, dry_run.json["outcome"]) == (1, "would be refused")
    rehearsed = cloche("upgrade", env, "-p", "3.12", "--dry-run", "--allow-loss", PIP_NO_INDEX="1")
    assert (rehearsed.code, rehearsed.out.split()[:2]) == (0, ["would", "upgrade"])
    assert "picky 1.0 would not be carried over: it requires Python <3.12" in rehearsed.err
    assert snapshot(cloche.cwd) == before

    refused = cloche("upgrade", env, "-p", "3.12", PIP_NO_INDEX="1")
    assert refused.code == 1
    assert "picky 1.0: it requires Python <3.12" in refused.err
    assert "--allow-loss" in refused.err
    assert snapshot(cloche.cwd) == before

    allowed = cloche("upgrade", env, "-p", "3.12", "--allow-loss", PIP_NO_INDEX="1")
    assert allowed.code == 0
    assert "only-here 1.0 was not carried over" in allowed.err
    assert finding_codes(cloche, env) == []


@pytest.mark.parametrize("created_by", ["venv", "uv", "cloche"])
def test_an_upgrade_within_the_abi_changes_only_files_that_name_the_base(
    cloche, populated_env, created_by, tmp_path: Path
) -> None:
    """A copy of the same Python at another path stands in for another patch release."""
    env = populated_env(created_by)
    other = tmp_path / "python"
    original = os.path.dirname(os.path.dirname(os.path.realpath(pyenv("3.12"))))
    (other / "bin").mkdir(parents=True)
    shutil.copy2(os.path.join(original, "bin", "python3.12"), other / "bin" / "python3.12")
    for name in ("lib", "include"):
        (other / name).symlink_to(os.path.join(original, name))
    before = snapshot(env)
    outcome = cloche("upgrade", env, "-p", other / "bin" / "python3.12", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["kind"] == "rebase"
    after = snapshot(env)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert changed <= {"pyvenv.cfg", "bin/python", "bin/python3.12", "bin/python3", ".cloche-manifest"}
    assert str(other / "bin") in (env / "pyvenv.cfg").read_text()
    assert find_problems(env) == []


VERSION_PROGRAM = "import sys; print('%d.%d.%d' % sys.version_info[:3])"


@pytest.fixture
def newer_patch() -> tuple[str, str]:
    """Return a Python that is another patch release than Debian's, and its version."""
    old, new = debian(), pyenv("3.11")
    old_version, new_version = (run(python, "-I", "-c", VERSION_PROGRAM).strip() for python in (old, new))
    if old_version == new_version or old_version.split(".")[:2] != new_version.split(".")[:2]:
        skip_missing("Debian and pyenv do not have two patch releases of the same Python")
    return new, new_version


@pytest.mark.parametrize("created_by", every_tool("venv", "cloche"))
def test_an_upgrade_to_another_patch_release_keeps_installed_files(
    cloche, populated_env, created_by, newer_patch
) -> None:
    """From the Python 3.11 of Debian to a newer patch release of pyenv. It keeps scripts that do not find their Python."""
    new, new_version = newer_patch
    env = populated_env(created_by, "debian")
    installed, findings = lib_without_bytecode(env), finding_codes(cloche, env)
    assert cloche("upgrade", "--check", env, "-p", new).code == 1
    assert cloche("upgrade", env, "-p", new).code == 0
    assert run(env / "bin" / "python", "-c", VERSION_PROGRAM).strip() == new_version
    assert new_version in (env / "pyvenv.cfg").read_text()
    assert lib_without_bytecode(env) == installed
    assert find_problems(env) == []
    assert finding_codes(cloche, env) == findings
    assert findings == (["script-fixed"] if created_by.endswith("relocatable") else [])


def lib_without_bytecode(env) -> Tree:
    """Return a snapshot of `lib`, without the bytecode that Python may write when it starts."""
    return snapshot(env / "lib").without_bytecode()


@pytest.mark.nightly
def test_an_upgrade_within_the_abi_accepts_a_pip_that_did_not_run_before(cloche, newer_patch) -> None:
    env = cloche.cwd / "env"
    assert cloche(env, "-p", debian(), "--link-mode", "copy").code == 0
    [module] = env.glob("lib/*/site-packages/pip/__init__.py")
    module.chmod(0o644)
    module.write_text("raise ImportError('broken')\n")
    outcome = cloche("upgrade", env, "-p", newer_patch[0], "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["outcome"] == "upgraded"
    assert "seed-broken" in finding_codes(cloche, env)


def test_an_environment_is_upgraded_to_another_implementation_and_back(cloche, populated_env) -> None:
    env = populated_env("venv", "3.10")
    for python, name in ((pypy(), "PyPy"), (pyenv("3.10"), "CPython")):
        outcome = cloche("upgrade", env, "-p", python, "--json", PIP_NO_INDEX="1")
        assert outcome.code == 0, outcome.err
        assert outcome.json["losses"] == []
        program = "import platform; print(platform.python_implementation())"
        assert run(env / "bin" / "python", "-c", program).strip() == name
        assert find_problems(env) == []
        assert finding_codes(cloche, env) == []


def test_an_environment_created_by_pypy_is_upgraded_to_pypy(cloche) -> None:
    """The `venv` of PyPy does not record the implementation. CPython is available too, in the same and in newer versions."""
    run(pypy(), "-m", "venv", "--without-pip", cloche.cwd / "env")
    outcome = cloche("upgrade", cloche.cwd / "env", "--check", "--json")
    assert outcome.json["interpreter"]["implementation"] == "pypy", outcome.err
    assert outcome.json["kind"] == "nothing"


@pytest.mark.nightly
def test_an_environment_of_pypy_is_moved_and_repaired(cloche, empty_env, wheels) -> None:
    old = cloche.cwd / "env"
    assert cloche("-p", pypy(), old).code == 0
    populate(old, wheels, cloche.cwd / "projects")
    new = cloche.cwd / "moved"
    assert cloche("move", old, new).code == 0
    assert find_problems(new, old) == []
    new.rename(old)
    assert cloche("doctor", "--fix", old).code == 0
    assert find_problems(old, new) == []


def test_the_options_of_the_environment_are_kept(cloche, empty_env) -> None:
    env = cloche.cwd / "env"
    options = ["--system-site-packages", "--prompt", "it's mine", "--no-seed", "--creator", "copy", "--no-vcs-ignore"]
    assert cloche("-p", pyenv("3.11"), *options, env).code == 0
    assert cloche("upgrade", env, "-p", "3.12").code == 0
    config = (env / "pyvenv.cfg").read_text()
    assert "include-system-site-packages = true" in config
    assert "it's mine" in config
    assert not (env / "bin" / "python").is_symlink()
    assert not (env / ".gitignore").exists()
    assert not list(env.glob("lib/*/site-packages/pip"))


def test_check_sets_the_exit_code_and_changes_nothing(cloche, empty_env) -> None:
    env = empty_env("venv", "3.11")
    before = snapshot(env)
    assert cloche("upgrade", "--check", env).code == 0
    outcome = cloche("upgrade", "--check", env, "-p", "3.12", "--json")
    assert (outcome.code, outcome.json["outcome"]) == (1, "due")
    assert snapshot(env) == before
    for options in ([], ["--dry-run"]):
        assert cloche("upgrade", env, *options).out.startswith("up to date")
    assert snapshot(env) == before


def test_an_environment_with_a_deleted_base_can_be_upgraded(cloche, populated_env) -> None:
    env = populated_env("venv", "3.11")
    config = env / "pyvenv.cfg"
    config.write_text(config.read_text().replace(os.path.dirname(pyenv("3.11")), "/opt/gone/bin"))
    for link in (env / "bin").glob("python*"):
        if os.path.isabs(os.readlink(link)):
            link.unlink()
            link.symlink_to("/opt/gone/bin/python3.11")
    assert cloche("upgrade", env, "-p", "3.13").code == 0
    assert find_problems(env) == []
    assert finding_codes(cloche, env) == []


def test_an_upgrade_repairs_an_environment_that_was_moved(cloche, populated_env) -> None:
    old = populated_env("venv", "3.11")
    env = cloche.cwd / "renamed"
    old.rename(env)
    assert cloche("upgrade", env, "-p", "3.12").code == 0
    assert find_problems(env, old) == []


def test_a_python_too_old_for_the_installed_pip_gets_the_newest_supported_pip(cloche) -> None:
    env = cloche.cwd / "env"
    assert cloche("-p", pyenv("3.12"), env).code == 0
    outcome = cloche("upgrade", env, "-p", pyenv("3.7"), "--json", PIP_NO_INDEX="1")
    assert outcome.code == 0, outcome.err
    assert outcome.json["losses"] == []
    assert "python 3.7" in run(env / "bin" / "pip", "--version")


def test_the_current_directory_is_not_deleted(cloche) -> None:
    env = cloche.cwd / "env"
    assert cloche("-p", pyenv("3.11"), "--no-seed", env).code == 0

    refused = cloche("upgrade", "..", "-p", pyenv("3.12"), cwd=env / "bin")

    assert refused.code == 4
    message = f"the current directory is inside `{env}/bin`, and an upgrade to another Python would delete it"
    assert message in refused.err


def test_the_environment_that_cloche_runs_from_is_not_rebuilt(cloche) -> None:
    env = cloche.cwd / "env"
    assert cloche("-p", sys.executable, "--no-seed", env).code == 0
    command = cloche_command_in(env)
    before = snapshot(env)
    other = "3.12" if sys.version_info[:2] != (3, 12) else "3.11"
    environ = {**cloche.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    words = [*command, "upgrade", env, "-p", pyenv(other)]
    done = subprocess.run(words, cwd=cloche.cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    assert "this cloche runs from" in done.stderr
    assert "an upgrade to another Python would delete it" in done.stderr
    assert snapshot(env) == before


@pytest.mark.parametrize(("name", "hint"), [("dated", "pip uninstall dated"), ("setuptools", "`--seeds`")])
def test_a_package_that_the_new_python_cannot_import_is_refused_with_a_hint(cloche, tmp_path: Path, name, hint) -> None:
    """Its metadata allows every Python, like that of an old setuptools, but its import fails."""
    content = {f"{name}/__init__.py": "import sys\nassert sys.version_info < (3, 12)\n", f"{name}/sub.py": ""}
    wheel = make_wheel(tmp_path / "wheels", name, "0.1", content, entry_points=f"[console_scripts]\nd = {name}.sub:d\n")
    env = cloche.cwd / "env"
    assert cloche("-p", pyenv("3.11"), "--no-seed", env).code == 0
    run(sys.executable, "-m", "pip", "--python", env / "bin" / "python", "install", "-q", "--no-index", wheel)
    before = snapshot(env)
    outcome = cloche("upgrade", env, "-p", "3.12")
    assert outcome.code == 1
    assert f"`{env}` would not work: its scripts cannot import `{name}.sub`" in outcome.err
    assert hint in outcome.err
    assert "nothing was changed" in outcome.err
    assert snapshot(env) == before


def test_a_pip_that_was_deleted_with_its_directory_is_installed_again(cloche) -> None:
    env = cloche.cwd / "env"
    assert cloche("-p", pyenv("3.12"), env).code == 0
    shutil.rmtree(env / "lib")
    assert "half-made" in finding_codes(cloche, env)
    assert cloche("upgrade", env).code == 0
    assert run(env / "bin" / "pip", "--version").startswith("pip ")
    assert finding_codes(cloche, env) == []


def test_seeds_are_upgraded(cloche, empty_env, tmp_path: Path) -> None:
    """pip 0.1 is older than every available pip. No file of it remains."""
    make_wheel(tmp_path, "pip", "0.1", {"pip/__init__.py": "", "pip/old.py": ""}, entry_points="")
    env = empty_env("venv")
    run(
        sys.executable, "-m", "pip", "--python", env / "bin" / "python", "install", "-q", "--no-index",
        tmp_path / "pip-0.1-py3-none-any.whl",
    )  # fmt: skip
    assert cloche("upgrade", "--check", "--seeds", env).code == 1
    outcome = cloche("upgrade", "--seeds", env, "--json")
    assert outcome.code == 0, outcome.err
    [seed] = outcome.json["seeds"]
    assert run(env / "bin" / "pip", "--version").startswith(seed)
    site = next(env.glob("lib/*/site-packages"))
    assert not (site / "pip" / "old.py").exists()
    assert len(list(site.glob("pip-*.dist-info"))) == 1
    assert finding_codes(cloche, env) == []
    assert cloche("upgrade", "--check", "--seeds", env).code == 0


@pytest.mark.parametrize("options", [["--check"], ["-p", "3.13"]], ids=" ".join)
def test_packages_that_must_not_be_compiled_stay_without_bytecode(options, cloche, tmp_path: Path) -> None:
    """In the store as well: another environment would get the bytecode."""
    wheel = make_wheel(tmp_path, files={"spam.py": "def main(): ...\n"})
    lock = cloche.cwd / "requirements.txt"
    lock.write_text(f"spam @ {wheel.as_uri()}\n")
    cache = tmp_path / "cache"
    for name in ("./env", "./other"):  # from the second one on, an image is compiled by default
        assert cloche(name, "-p", "3.12", "--lock", lock, "--no-compile", "--cache-dir", cache).code == 0

    for name in ("env", "other"):
        assert cloche("upgrade", name, *options, "--cache-dir", cache).code in (0, 1)

    assert list((cache / "images").glob("*/spam-*")) != []
    assert list((cache / "images").glob("*/spam-*/**/*.pyc")) == []


def test_files_of_the_user_keep_their_content_and_permissions(cloche, empty_env) -> None:
    """For example a lock file, a log directory of a service, and a private directory."""
    env = empty_env("venv", "3.11")
    (env / "var" / "log").mkdir(parents=True)
    (env / "var" / "log").chmod(0o770)
    (env / "var" / ".lock").write_text("content")
    (env / "var" / "secret").mkdir()
    (env / "var" / "secret" / "key").write_text("content")
    (env / "var" / "secret").chmod(0o700)
    env.chmod(0o750)
    before = snapshot(env / "var")
    assert cloche("upgrade", env, "-p", "3.12").code == 0
    assert snapshot(env / "var") == before
    assert env.stat().st_mode & 0o777 == 0o750


def test_an_empty_directory_that_a_pth_names_is_kept(cloche, empty_env) -> None:
    env = empty_env("venv", "3.11")
    site = env / "lib" / "python3.11" / "site-packages"
    (site / "extra").mkdir()
    (site / "extra.pth").write_text(f"{site}/extra\n")
    assert cloche("upgrade", env, "-p", "3.12").code == 0
    assert list((env / "lib").glob("*/site-packages/extra")) == [env / "lib/python3.12/site-packages/extra"]
    assert finding_codes(cloche, env) == []
    assert not (env / "include" / "python3.11").exists()
    assert finding_codes(cloche, env) == []


def test_links_into_site_packages_are_updated(cloche, populated_env) -> None:
    env = populated_env("venv", "3.11")
    package = next(env.glob("lib/*/site-packages/plain"))
    (env / "absolute").symlink_to(package)
    (env / "share" / "relative").symlink_to(os.path.relpath(package, env / "share"))
    (package.parent / "by_hand.py").symlink_to("plain/cli.py")
    (env / "bin" / "outward").symlink_to("/usr")
    assert cloche("upgrade", env, "-p", "3.12").code == 0
    for link in ("absolute", "share/relative"):
        assert (env / link).samefile(next(env.glob("lib/*/site-packages/plain")))
        assert not os.path.isabs(os.readlink(env / link))
    assert os.readlink(next(env.glob("lib/*/site-packages/by_hand.py"))) == "plain/cli.py"
    assert os.readlink(env / "bin" / "outward") == "/usr"
    assert finding_codes(cloche, env) == []


def test_an_edited_file_of_a_package_is_a_loss(cloche, populated_env) -> None:
    """The same package is installed again, without what the user changed in it."""
    env = populated_env("venv", "3.11")
    module = next(env.glob("lib/*/site-packages/plain/cli.py"))
    edited = module.read_text() + "MINE = 1\n"
    replacement = module.with_suffix(".new")
    replacement.write_text(edited)
    replacement.replace(module)

    refused = cloche("upgrade", env, "-p", "3.12")

    assert refused.code == 1
    assert f"{module.relative_to(env)}: it was edited after plain 1.0 was installed" in refused.err
    assert module.read_text() == edited


def test_an_edited_activation_script_is_kept(cloche) -> None:
    env = cloche.cwd / "env"
    assert cloche("-p", pyenv("3.11"), "--no-seed", env).code == 0
    script = env / "bin" / "activate"
    edited = script.read_text() + "export MINE='set here'\n"
    script.write_text(edited)
    for minor in ("3.12", "3.11"):
        outcome = cloche("upgrade", env, "-p", minor)
        assert outcome.code == 0, outcome.err
        assert script.read_text() == edited
        assert find_problems(env, populated=False) == []
        assert finding_codes(cloche, env) == []


def test_a_base_that_no_finder_finds_is_up_to_date_unless_there_is_a_newer_one(cloche, tmp_path) -> None:
    """Neither an older release, nor the same one at another path, is an upgrade."""
    prefix = os.path.dirname(os.path.dirname(pyenv("3.12")))
    base = tmp_path / "elsewhere" / "bin" / "python3.12"
    base.parent.mkdir(parents=True)
    (tmp_path / "elsewhere" / "lib").symlink_to(f"{prefix}/lib")
    shutil.copy(f"{prefix}/bin/python3.12", base)
    assert cloche("own", "-p", base, "--no-seed").code == 0
    for variables in ({"PYENV_ROOT": str(tmp_path), "PATH": "/nowhere"}, {"PATH": "/nowhere"}):
        done = cloche("upgrade", "--check", "own", **variables)
        assert (done.code, done.out.startswith("up to date own: ")) == (0, True), done

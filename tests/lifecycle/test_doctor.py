"""Test `cloche doctor`: which problems it finds in an environment, and which of them `--fix` repairs."""

from __future__ import annotations

import os
import re
import select
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.api import open_session
from cloche.fs import try_lock_directory
from cloche.lifecycle import examination
from cloche.lifecycle.doctor.diagnosis import CODES, open_case
from tests.interpreters import debian, pyenv
from tests.lifecycle.environments import find_problems, record_problems, run
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock a directory, as a run in progress does."""
    descriptor, state = try_lock_directory(str(directory))
    assert state == "locked"
    try:
        yield
    finally:
        os.close(descriptor)


def diagnose(cloche, env) -> dict[str, dict]:
    """Run `cloche doctor` and return its findings by code."""
    outcome = cloche("doctor", "--json", env)
    [environment] = outcome.json["environments"]
    assert outcome.code == (0 if environment["healthy"] else 1)
    return {finding["code"]: finding for finding in environment["findings"]}


def fix(cloche, env) -> None:
    """Run `cloche doctor --fix` and check that the environment is healthy afterwards."""
    outcome = cloche("doctor", "--fix", env)
    assert outcome.code == 0, outcome.out + outcome.err
    assert diagnose(cloche, env) == {}


def site_packages(env):
    return next(env.glob("lib/*/site-packages"))


@pytest.mark.parametrize(
    "created_by", ["venv", "virtualenv", "uv", "uv-relocatable", "cloche", "cloche-copy", "cloche-relocatable"]
)
def test_a_new_environment_is_healthy(cloche, empty_env, created_by) -> None:
    env = empty_env(created_by)
    before = snapshot(env)
    outcome = cloche("doctor", env)
    assert (outcome.code, outcome.out) == (0, f"{env}: healthy\n")
    assert snapshot(env) == before


@pytest.mark.parametrize("name", ["new\nline", "blank ", "a\\b", "it's  $(two)"])
def test_an_odd_name_does_not_make_an_environment_look_moved(cloche, name) -> None:
    assert cloche("--no-seed", name).code == 0
    assert diagnose(cloche, cloche.cwd / name) == {}
    assert cloche("move", name, f"{name}'").code == 0
    assert diagnose(cloche, cloche.cwd / f"{name}'") == {}


def test_an_old_pip_is_not_reported_as_broken(cloche) -> None:
    """The pip that Python 3.6 bundles has another layout than a current one."""
    assert cloche("-p", pyenv("3.6"), "./env").code == 0
    assert diagnose(cloche, cloche.cwd / "env") == {}


def test_an_environment_with_packages_is_healthy(cloche, populated_env) -> None:
    assert diagnose(cloche, populated_env("venv")) == {}


@pytest.mark.parametrize("created_by", ["venv", "uv", "cloche", "cloche-copy"])
def test_a_deleted_base_is_replaced_by_another_python_of_the_same_version(cloche, empty_env, created_by) -> None:
    """After Python was uninstalled, the executable is a dangling link, and `home` does not exist."""
    env = empty_env(created_by)
    config = env / "pyvenv.cfg"
    gone = "/opt/gone"
    config.write_text(config.read_text().replace(os.path.dirname(os.path.dirname(pyenv("3.12"))), gone))
    python = env / "bin" / "python"
    if python.is_symlink():
        for link in (env / "bin").glob("python*"):
            if os.path.isabs(os.readlink(link)):
                link.unlink()
                link.symlink_to(f"{gone}/bin/python3.12")
    finding = diagnose(cloche, env)["base-gone"]
    assert finding["repairable"]
    assert "/opt/gone/bin" in finding["message"]
    fix(cloche, env)
    assert run(python, "-c", "import sys; print(sys.version_info[:2])").strip() == "(3, 12)"
    assert [line for line in config.read_text().splitlines() if gone in line and not line.startswith("command")] == []


def test_a_base_upgraded_to_another_patch_release_is_recorded(cloche, empty_env) -> None:
    env = empty_env("venv")
    config = env / "pyvenv.cfg"
    config.write_text(config.read_text().replace("version = 3.12.", "version = 3.12.9"))
    assert "3.12.9" in diagnose(cloche, env)["base-upgraded"]["message"]
    fix(cloche, env)
    assert "3.12.9" not in config.read_text()


def test_an_environment_half_upgraded_by_venv_is_found(cloche, empty_env) -> None:
    env = empty_env("venv", "3.11")
    run(pyenv("3.12"), "-m", "venv", "--without-pip", "--upgrade", env)
    finding = diagnose(cloche, env)["half-upgraded"]
    assert "its Python is 3.11" in finding["message"]
    assert "cloche upgrade" in finding["remedy"]
    assert cloche("upgrade", env, "-p", "3.12").code == 0
    assert diagnose(cloche, env) == {}
    assert os.listdir(env / "lib") == ["python3.12"]


def test_names_and_directories_of_another_version_are_found(cloche, empty_env) -> None:
    env = empty_env("venv")
    (env / "bin" / "python3.9").symlink_to("python")
    (env / "lib" / "python3.9" / "site-packages").mkdir(parents=True)
    findings = diagnose(cloche, env)
    assert findings["name-of-other-version"]["path"] == "bin/python3.9"
    assert findings["lib-of-other-version"]["path"] == "lib/python3.9"
    assert cloche("doctor", "--fix", env).code == 1
    assert not os.path.lexists(env / "bin" / "python3.9")
    assert (env / "lib" / "python3.9").exists()


def test_a_package_script_with_another_python_is_repaired(cloche, populated_env) -> None:
    env = populated_env("venv")
    script = env / "bin" / "plain-say"
    body = script.read_text().partition("\n")[2]
    script.write_text(f"#!/opt/gone/python3\n{body}")
    assert {code: finding["path"] for code, finding in diagnose(cloche, env).items()} == {
        "script-dead": "bin/plain-say"
    }
    script.write_text(f"#!{pyenv('3.12')}\n{body}")
    assert diagnose(cloche, env)["script-foreign"]["repairable"]
    fix(cloche, env)
    assert find_problems(env) == []


def test_a_script_of_the_user_may_have_another_python(cloche, empty_env) -> None:
    env = empty_env("venv")
    script = env / "bin" / "mine"
    script.write_text(f"#!{pyenv('3.11')}\nprint('mine')\n")
    assert diagnose(cloche, env) == {}
    script.write_text("#!/opt/gone/python\n")
    assert not diagnose(cloche, env)["script-dead"]["repairable"]


def test_missing_and_modified_files_of_packages_are_found(cloche, populated_env) -> None:
    env = populated_env("venv")
    (site_packages(env) / "plain" / "__init__.py").unlink()
    (site_packages(env) / "plain" / "cli.py").write_text("changed = True\n")
    findings = diagnose(cloche, env)
    assert findings["record-missing"]["path"].endswith("plain/__init__.py")
    assert findings["record-altered"]["path"].endswith("plain/cli.py")
    assert "install --force-reinstall --no-deps 'plain @ file:///" in findings["record-missing"]["remedy"]


def test_a_file_is_read_only_if_it_changed_after_its_package_was_unpacked(cloche, populated_env) -> None:
    """A change that keeps the size is found by its time. One that keeps both is left to `cloche verify`."""
    env = populated_env("venv")
    module = site_packages(env) / "plain" / "cli.py"
    before, content = module.stat(), module.read_bytes()
    module.write_bytes(content.replace(b"plain", b"PLAIN"))

    assert diagnose(cloche, env)["record-altered"]["path"].endswith("plain/cli.py")
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert diagnose(cloche, env) == {}
    assert cloche("verify", env).code == 1
    module.write_bytes(content)  # a file that is newer may have the right content
    assert diagnose(cloche, env) == {}


def test_altered_metadata_is_found(cloche, populated_env) -> None:
    env = populated_env("venv")
    [metadata] = site_packages(env).glob("plain-*.dist-info/METADATA")
    metadata.write_text(metadata.read_text().replace("1.0", "1.1"))

    assert diagnose(cloche, env)["record-altered"]["path"].endswith("METADATA")


@pytest.mark.parametrize("command", ["doctor", "move"])
def test_the_python_of_an_environment_is_started_once(cloche, populated_env, command, tmp_path: Path) -> None:
    env = populated_env("venv")
    log = tmp_path / "starts"
    (site_packages(env) / "sitecustomize.py").write_text(f"open({str(log)!r}, 'a').write('started\\n')\n")

    assert cloche(command, env, *(["elsewhere"] if command == "move" else [])).code == 0

    assert log.read_text() == "started\n"


def test_extension_modules_for_another_python_are_found(cloche, populated_env) -> None:
    env = populated_env("venv")
    name = "plain/fast.cpython-39-x86_64-linux-gnu.so"
    (site_packages(env) / name).write_bytes(b"\x7fELF")
    with open(next(site_packages(env).glob("plain-*/RECORD")), "a") as record:
        record.write(f"{name},,\n")
    assert diagnose(cloche, env)["extension-for-other-abi"]["path"].endswith(name)


def test_dangling_links_and_missing_search_paths_are_found(cloche, populated_env) -> None:
    env = populated_env("venv")
    (env / "bin" / "tool").symlink_to("/opt/gone/tool")
    (site_packages(env) / "dead.pth").write_text("# a comment\n/opt/gone/lib\n")
    (cloche.cwd / "projects" / "by_path").rename(cloche.cwd / "projects" / "other")
    findings = diagnose(cloche, env)
    assert findings["link-dangling"]["path"] == "bin/tool"
    assert "/opt/gone/lib" in cloche("doctor", env).out
    assert "by_path" in findings["editable-dead"]["message"]


def test_a_package_installed_in_two_versions_is_found(cloche, populated_env) -> None:
    env = populated_env("venv")
    second = site_packages(env) / "plain-2.0.dist-info"
    second.mkdir()
    (second / "METADATA").write_text("Metadata-Version: 2.1\nName: Plain\nVersion: 2.0\n")
    assert "1.0 and 2.0" in diagnose(cloche, env)["installed-twice"]["message"]


def test_world_writable_files_are_found_and_restricted(cloche, populated_env) -> None:
    env = populated_env("venv")
    writable = site_packages(env) / "plain" / "cli.py"
    writable.chmod(0o666)
    (env / "bin").chmod(0o777)
    assert "1 more" in diagnose(cloche, env)["world-writable"]["message"]
    fix(cloche, env)
    assert (env / "bin").stat().st_mode & 0o777 == 0o775
    assert writable.stat().st_mode & 0o777 == 0o664


def test_the_message_for_a_single_file_with_the_old_path_names_it(cloche) -> None:
    assert cloche("old", "--no-seed", "--activators", "none").code == 0
    (cloche.cwd / "old").rename(cloche.cwd / "new")
    message = diagnose(cloche, cloche.cwd / "new")["moved"]["message"]
    assert message == f"the environment was moved from there: `pyvenv.cfg` still names `{cloche.cwd / 'old'}`"


@pytest.mark.parametrize("place", ["env", "env/nested"])
def test_the_world_writable_lock_file_of_uv_is_not_reported(cloche, place: str) -> None:
    """`uv pip install` leaves an empty `.lock` that every user may write to. A `.lock` with content is reported."""
    assert cloche("./env", "--no-seed").code == 0
    assert cloche("./env/nested", "--no-seed").code == 0
    lock_of_uv = cloche.cwd / place / ".lock"
    lock_of_uv.touch()
    lock_of_uv.chmod(0o666)
    assert diagnose(cloche, cloche.cwd / "env") == {}
    lock_of_uv.write_text("content")
    assert "world-writable" in diagnose(cloche, cloche.cwd / "env")


def test_a_broken_pip_is_installed_again(cloche) -> None:
    env = cloche.cwd / "env"
    assert cloche("-p", pyenv("3.12"), env).code == 0
    broken = site_packages(env) / "pip" / "_internal" / "cli" / "main.py"
    broken.unlink()
    (site_packages(env) / "pip" / "stale.py").write_text("import nothing\n")
    assert {"seed-broken"} == diagnose(cloche, env).keys()
    fix(cloche, env)
    assert run(env / "bin" / "pip", "--version").startswith("pip ")
    assert not (site_packages(env) / "pip" / "stale.py").exists()
    assert record_problems(env) == []
    assert cloche("verify", env).code == 0


def test_a_second_pip_is_not_removed_by_itself(cloche) -> None:
    env = cloche.cwd / "env"
    assert cloche("-p", pyenv("3.12"), env).code == 0
    [metadata] = site_packages(env).glob("pip-*.dist-info")
    other = site_packages(env) / "pip-0.1.dist-info"
    shutil.copytree(metadata, other)
    text = (other / "METADATA").read_text(encoding="utf-8")
    (other / "METADATA").write_text(re.sub(r"\nVersion: .*", "\nVersion: 0.1", text), encoding="utf-8")

    remedy = diagnose(cloche, env)["installed-twice"]["remedy"]

    commands = re.findall("`([^`]+)`", remedy)
    assert [command.split()[0] for command in commands] == ["rm", str(env / "bin" / "python")]
    assert commands[0] == f"rm -r {other}"
    run("sh", "-c", commands[0])
    assert diagnose(cloche, env) == {}


@pytest.mark.parametrize("path", ["pyvenv.cfg", "bin/python"])
def test_a_directory_in_the_place_of_a_file_is_for_the_user_to_remove(cloche, empty_env, path) -> None:
    env = empty_env("cloche")
    (env / path).unlink()
    (env / path).mkdir()
    [finding] = diagnose(cloche, env).values()
    first, second = re.findall("`([^`]+)`", finding["remedy"])
    assert finding["remedy"].startswith("only you can decide")
    run("sh", "-c", first)
    assert second == f"cloche doctor --fix {env}"
    fix(cloche, env)
    assert find_problems(env, populated=False) == []


def test_a_broken_configuration_is_one_finding(cloche, empty_env) -> None:
    env = empty_env("cloche")
    (env / "pyvenv.cfg").write_bytes(b"\xff\xfe\n")
    assert diagnose(cloche, env).keys() == {"half-made"}
    fix(cloche, env)
    assert find_problems(env, populated=False) == []


@pytest.mark.parametrize("line", [b"/a\0b\n", b"import os\0\n"])
def test_a_nul_character_in_a_search_path_does_not_crash_doctor(cloche, empty_env, line) -> None:
    env = empty_env("cloche")
    (site_packages(env) / "odd.pth").write_bytes(line)
    assert diagnose(cloche, env).keys() <= {"path-dead"}
    assert cloche("info", env).code == 0
    assert cloche("verify", env).out.startswith("added: ")


def test_the_staging_directory_of_a_killed_run_is_removed(cloche, empty_env) -> None:
    env = empty_env("venv")
    (env / ".cloche-0" / "new").mkdir(parents=True)
    assert diagnose(cloche, env)["left-behind"]["repairable"]
    fix(cloche, env)
    assert not (env / ".cloche-0").exists()


def test_a_staging_directory_that_cannot_be_removed_is_left_to_the_user(cloche, empty_env) -> None:
    """It holds a file that no run of cloche puts there."""
    env = empty_env("venv")
    (env / ".cloche-0" / "thesis").mkdir(parents=True)
    outcome = cloche("doctor", "--fix", env)
    assert outcome.code == 1
    assert (
        f"only you can decide what you still need from it: save that, then run `rm -r {env}/.cloche-0`; cloche cannot remove"
        in outcome.out
    )
    assert (env / ".cloche-0" / "thesis").is_dir()


def test_fix_removes_what_a_killed_move_left_beside_the_environment(cloche, empty_env) -> None:
    """A killed `cloche move` leaves a staging directory beside its source or destination. Locked ones are in use."""
    env = empty_env("venv")
    leftover, in_use, unrelated = (cloche.cwd / f".{name}.cloche-0" for name in ("gone", "busy", "thesis"))
    (leftover / "old" / "bin").mkdir(parents=True)
    (in_use / "new").mkdir(parents=True)
    (unrelated / "chapters").mkdir(parents=True)
    with locked(in_use):
        fix(cloche, env)
    assert not leftover.exists()
    assert in_use.exists()
    assert unrelated.exists()


def test_find_checks_every_environment_below_a_directory(cloche, empty_env) -> None:
    for name in ("one/.venv", "two/deep/env"):
        empty_env(name=name)
    moved = empty_env(name="three")
    moved.rename(cloche.cwd / "four")
    (cloche.cwd / "one" / "node_modules").mkdir()
    outcome = cloche("doctor", "--json", "--find", ".")
    assert outcome.code == 1
    healthy = {os.path.relpath(env["root"], cloche.cwd): env["healthy"] for env in outcome.json["environments"]}
    assert healthy == {"one/.venv": True, "two/deep/env": True, "four": False}


def test_a_missing_environment_is_an_error_and_the_others_are_checked(cloche, empty_env) -> None:
    env = empty_env()
    outcome = cloche("doctor", env, cloche.cwd / "nothing")
    assert outcome.code == 1
    assert f"{env}: healthy" in outcome.out
    assert "/nothing` does not exist" in outcome.err
    assert cloche("doctor").code == 2


def test_the_error_for_a_path_without_an_environment_names_what_it_is(cloche, tmp_path) -> None:
    (tmp_path / "conda" / "conda-meta").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to("nothing")
    os.mkfifo(tmp_path / "fifo")
    base = os.path.dirname(os.path.dirname(pyenv("3.12")))
    for path, message in (
        (tmp_path / "conda", "is a conda environment"),
        (tmp_path / "file", "it is a file"),
        (tmp_path / "fifo", "it is not a directory"),
        (tmp_path / "dangling", "it is a symbolic link to something that does not exist"),
        (tmp_path, "it has no `pyvenv.cfg`"),
        (base, "it has no `pyvenv.cfg`"),
    ):
        outcome = cloche("info", path)
        assert outcome.code == 4
        assert message in outcome.err


@pytest.mark.parametrize("name", ["file/env", "a:b", "n" * 256, "\udcff"])
def test_the_hint_to_create_an_environment_is_given_only_where_that_works(cloche, name: str) -> None:
    (cloche.cwd / "file").write_text("")
    for command in ("info", "verify", "upgrade"):
        refused, possible = cloche(command, f"./{name}"), cloche(command, "./other")
        assert (refused.code, "does not exist" in refused.err, "hint:" in refused.err) == (4, True, False)
        assert f"hint: `cloche {cloche.cwd}/other` creates an environment there" in possible.err


@pytest.mark.parametrize("file", ["bin/python", "bin/activate", "pyvenv.cfg"])
def test_the_error_for_a_file_of_an_environment_names_the_environment(cloche, file: str) -> None:
    assert cloche("./env", "--no-seed").code == 0

    outcome = cloche("info", f"env/{file}")

    assert (outcome.code, f"hint: name the environment: `{cloche.cwd}/env`" in outcome.err) == (4, True)


def test_a_search_without_results_is_reported(cloche) -> None:
    outcome = cloche("doctor", "--find", ".")
    assert outcome.code == 0
    assert "no environment found below `.`" in outcome.err
    assert cloche("doctor", "--find", "nonesuch").code == 2


@pytest.mark.parametrize("config", [None, "", "home = /ro", "\0\udcff"])
def test_a_missing_or_damaged_pyvenv_cfg_is_restored(cloche, empty_env, config) -> None:
    """Its content follows from the rest of the environment: the target of its Python, and the names of its directories."""
    env = empty_env("virtualenv")
    (env / "pyvenv.cfg").unlink()
    if config is not None:
        (env / "pyvenv.cfg").write_text(config, errors="surrogateescape")
    assert diagnose(cloche, env)["half-made"]["path"] == "pyvenv.cfg"
    assert cloche("info", "--json", env).json["created_by"] == "an unknown program"
    fix(cloche, env)
    assert run(env / "bin" / "python", "-c", "import sys; print(sys.prefix)").strip() == str(env)
    assert cloche("info", "--json", env).json["python"]["base_exists"]


def test_a_pyvenv_cfg_that_contradicts_the_rest_is_corrected(cloche, empty_env) -> None:
    env = empty_env("venv")
    config = env / "pyvenv.cfg"
    text = config.read_text()
    config.write_text(text.replace("version = 3.12.", "version = 3.13."))
    assert "belong to CPython 3.12" in diagnose(cloche, env)["config-disagrees"]["message"]
    fix(cloche, env)
    assert config.read_text() == text
    config.write_text(text.replace(f"home = {os.path.dirname(pyenv('3.12'))}", "home = /usr/sbin"))
    assert "`home` is `/usr/sbin`" in diagnose(cloche, env)["config-disagrees"]["message"]
    fix(cloche, env)


def test_an_unfinished_environment_of_venv_is_completed(cloche, tmp_path) -> None:
    """If `ensurepip` is interrupted, or missing as on Debian, there is no pip, and there are no activation scripts."""
    env = tmp_path / "env"
    run(pyenv("3.12"), "-m", "venv", "--without-pip", env)
    for script in (env / "bin").glob("*ctivate*"):
        script.unlink()
    assert diagnose(cloche, env)["half-made"]["path"] == "bin"
    config = env / "pyvenv.cfg"
    config.write_text(config.read_text().replace(" --without-pip", ""))
    assert diagnose(cloche, env)["half-made"]["message"].endswith("and it has no pip, but venv installs it")
    fix(cloche, env)
    assert run(env / "bin" / "pip", "--version").startswith("pip ")
    assert find_problems(env, populated=False) == []


def test_every_missing_name_of_the_python_is_restored(cloche, empty_env) -> None:
    env = empty_env("cloche")
    names = sorted(path.name for path in (env / "bin").glob("python*"))
    for name in names:
        (env / "bin" / name).unlink()
    fix(cloche, env)
    assert sorted(path.name for path in (env / "bin").glob("python*")) == names


@pytest.mark.parametrize("damage", ["python3 missing", "python links to itself"])
def test_a_missing_link_between_python_and_the_base_is_restored(cloche, damage) -> None:
    """With Debian's `venv`, `python` links to `python3`, and only `python3` links to the base."""
    env = cloche.cwd / "env"
    run(debian(), "-m", "venv", "--without-pip", env)
    python = env / "bin" / "python"
    (env / "bin" / os.readlink(python)).unlink()
    if damage == "python links to itself":
        python.unlink()
        python.symlink_to("python")
    assert "python-dead" in diagnose(cloche, env)
    fix(cloche, env)
    assert find_problems(env, populated=False) == []


def test_an_environment_is_repaired_through_a_link(cloche, empty_env) -> None:
    env = empty_env("cloche")
    (env / "bin" / "python").unlink()
    (cloche.cwd / "link").symlink_to(env)
    fix(cloche, cloche.cwd / "link")
    assert (cloche.cwd / "link").is_symlink()
    assert find_problems(env, populated=False) == []


@pytest.mark.parametrize("created_by", ["venv", "uv", "cloche"])
def test_a_missing_directory_of_executables_is_restored(cloche, empty_env, created_by) -> None:
    env = empty_env(created_by)
    shutil.rmtree(env / "bin")
    fix(cloche, env)
    assert (env / "bin" / "activate").is_file()
    assert find_problems(env, populated=False) == []


def test_a_script_without_execute_permission_is_repaired(cloche, populated_env) -> None:
    env = populated_env("venv")
    script = env / "bin" / "plain-say"
    script.chmod(0o644)
    assert diagnose(cloche, env)["script-dead"]["message"] == "it is not executable"
    fix(cloche, env)
    assert find_problems(env) == []


def test_incomplete_metadata_is_found(cloche, populated_env) -> None:
    env = populated_env("venv")
    dist_info = next(site_packages(env).glob("plain-*"))
    (site_packages(env) / "~lain-0.9.dist-info").mkdir()
    assert "pip was interrupted" in diagnose(cloche, env)["metadata-broken"]["message"]
    (site_packages(env) / "~lain-0.9.dist-info").rmdir()
    (dist_info / "RECORD").write_bytes(b"")  # as after a crash of the system
    assert diagnose(cloche, env)["record-missing"]["path"].endswith("plain-1.0.dist-info/RECORD")
    (dist_info / "RECORD").unlink()
    assert diagnose(cloche, env)["record-missing"]["path"].endswith("plain-1.0.dist-info/RECORD")
    (dist_info / "METADATA").write_text("")
    assert diagnose(cloche, env)["metadata-broken"]["path"].endswith("plain-1.0.dist-info")


def test_every_finding_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "findings.md").read_text(encoding="utf-8")
    assert [code for code, meaning in CODES.items() if f"| `{code}` | {meaning}" not in page] == []


def test_scripts_with_the_python_of_the_base_do_not_make_an_environment_look_moved(cloche, populated_env) -> None:
    """Otherwise the repair would turn the Python of the environment into a link to itself."""
    env = populated_env("uv")
    for name in ("plain-say", "plain-show", "by_path", "by_finder", "vendored"):
        script = env / "bin" / name
        script.write_text(f"#!{pyenv('3.12')}\n" + script.read_text().partition("\n")[2])
    for script in (env / "bin").glob("*activate*"):
        script.unlink()
    assert "moved" not in diagnose(cloche, env)
    fix(cloche, env)
    assert find_problems(env) == []


@pytest.mark.parametrize("path", ["bin/activate", "bin/pip", "pyvenv.cfg", "{info}/RECORD", "{info}/../more.pth"])
def test_a_fifo_instead_of_a_file_does_not_block(cloche, path) -> None:
    assert cloche("./env").code == 0
    env = cloche.cwd / "env"
    [info] = env.glob("lib/python*/site-packages/pip-*.dist-info")
    fifo = env / path.format(info=info)
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)
    for command in (["doctor", env], ["info", env], ["doctor", "--fix", env], ["move", env, "moved"]):
        done = cloche(*command)
        assert done.code in (0, 1)
        assert "no answer" not in done.out + done.err  # it did not run into the timeout


def test_a_fifo_that_would_block_python_is_reported_before_python_starts(cloche) -> None:
    assert cloche("./env", "--no-seed").code == 0
    os.mkfifo(site_packages(cloche.cwd / "env") / "more.pth")
    done = cloche("doctor", "env")
    assert done.code == 1
    [line] = done.out.splitlines()
    assert "more.pth" in line
    assert "a pipe or a device" in line


def test_a_python_that_does_not_answer_is_killed_with_its_children(cloche, shared_cache, monkeypatch) -> None:
    assert cloche("./env", "--no-seed").code == 0
    pipe, python = cloche.cwd / "pipe", cloche.cwd / "env" / "bin" / "python"
    os.mkfifo(pipe)
    python.unlink()
    python.write_text(f"#!/bin/sh\nexec 9> '{pipe}'\nsleep 60 &\nsleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr(examination, "TIMEOUT", 0.5)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open_session(environ=cloche.environ, cache=shared_cache / "cloche") as session:
            examined = open_case(str(cloche.cwd / "env"), session).examination
        assert "no answer" in examined.failure
        assert select.select([reader], [], [], 30)[0], "a process still has the pipe open for writing"
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)

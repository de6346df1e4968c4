"""Test that an environment keeps the options that it was created with, until you set others or replace it."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.lifecycle import create as creation
from cloche.lifecycle.create import create_environment, with_kept_options
from cloche.lifecycle.recorded_command import (
    command_with_packages_of,
    recorded_link_mode,
    recorded_request,
    recorded_startup_rule,
)
from cloche.model.plan import EnvironmentSpec, Request, Target
from cloche.model.value import replace
from cloche.session import Session, current_host
from tests.interpreters import pyenv
from tests.lifecycle.environments import run
from tests.locks import package, pylock, simple_wheel
from tests.properties import examples

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.run import Cloche

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "a prompt": ("--prompt", "it's $HOME"),
    "an empty prompt": ("--prompt", ""),
    "relocatable": ("--relocatable",),
    "system packages": ("--system-site-packages",),
    "copies": ("--creator", "copy"),
    "no ignore file": ("--no-vcs-ignore",),
}
"""The options that describe an environment as a whole."""


class Facts(NamedTuple):
    """What an environment is, as far as it does not depend on its path and its Python."""

    options: tuple[str, ...]
    prompt: str | None
    config: dict[str, str]
    recorded: Request | None
    """The request that `command` records, without the Python and the destination."""
    is_ignored: bool


def facts_about(cloche: Cloche, env: Path) -> Facts:
    found = cloche("info", env, "--json").json
    config = found["config"]
    names = ("prompt", "include-system-site-packages", "relocatable", "lock", "mark")
    request = recorded_request(config["command"])
    if request:
        request = Request(replace(request.spec, pythons=()), replace(request.target, destination=""))
    return Facts(
        tuple(found["options"]),
        found["environment"]["prompt"] if "prompt" in config else None,
        {name: config[name] for name in names if name in config},
        request,
        (env / ".gitignore").exists(),
    )


def mark(env: Path) -> None:
    """Add a setting to `pyvenv.cfg`, as another program does."""
    with open(env / "pyvenv.cfg", "a") as file:
        file.write("mark = of another program\n")


def shown_prompt(env: Path) -> str:
    """Return the variable that an activated shell has."""
    script = '. "$1" && printf %s "$VIRTUAL_ENV_PROMPT"'
    return run("bash", "--norc", "-c", script, "-", env / "bin" / "activate")


COMMANDS = ("refresh", "repair", "move", "copy", "upgrade", "fix")


def change(command: str, cloche: Cloche, env: Path, refresh: tuple[object, ...]) -> Path:
    """Change an environment with a command, without one of its options; return where it is now.

    :param refresh: the options that say what is in it.
    """
    other = env.with_name(f"{env.name}-{command}")
    if command == "repair":
        (env / "bin" / "activate").unlink()
    if command == "fix":
        env = env.rename(other)
        (env / "bin" / "python3").unlink()
    minor = "3.12" if next(env.glob("lib/python3.11"), None) else "3.11"
    argv = {
        "refresh": (env, *refresh),
        "repair": (env, *refresh),
        "move": ("move", env, other),
        "copy": ("move", "--copy", env, other),
        "upgrade": ("upgrade", env, "-p", pyenv(minor)),
        "fix": ("doctor", "--fix", env),
    }[command]
    python = ["-p", env / "bin" / "python"] if command in ("refresh", "repair") else []
    done = cloche(*argv, *python)
    assert done.code == 0, done.err
    return other if command in ("move", "copy") else env


def check_commands(cloche: Cloche, names: set[str], commands: list[str], refresh: tuple[object, ...]) -> None:
    """Create an environment with options, change it with commands, and compare the facts before and after."""
    work = cloche.cwd / "kept"
    shutil.rmtree(work, ignore_errors=True)
    env = work / "env"
    words = [word for name in names for word in OPTIONS[name]]
    done = cloche(env, "-p", pyenv("3.12"), *words, *refresh)
    assert done.code == 0, done.err
    mark(env)
    facts = facts_about(cloche, env)
    for command in commands:
        env = change(command, cloche, env, refresh)
        assert facts_about(cloche, env) == facts, command
        assert shown_prompt(env) == (env.name if facts.prompt is None else facts.prompt), command


@pytest.mark.parametrize("options", [*OPTIONS, "none"])
def test_every_command_keeps_an_option(cloche: Cloche, options: str) -> None:
    check_commands(cloche, {options} & OPTIONS.keys(), list(COMMANDS), ("--no-seed",))


def test_an_environment_beside_other_files_gets_no_option_from_its_missing_gitignore(cloche: Cloche) -> None:
    """cloche never writes a `.gitignore` there, see `added_to_directory` in `plan_at`."""
    env = cloche.cwd / "env"
    env.mkdir()
    (env / "notes.txt").write_text("mine")
    assert cloche(env, "-p", pyenv("3.12"), "--no-seed").code == 0

    for command in ("refresh", "upgrade"):
        env = change(command, cloche, env, ("--no-seed",))
        assert "vcs-ignore" not in (env / "pyvenv.cfg").read_text()
        assert not (env / ".gitignore").exists()


@pytest.mark.parametrize("command", ["refresh", "upgrade"])
def test_an_environment_of_another_tool_gets_a_gitignore(cloche: Cloche, command: str) -> None:
    env = cloche.cwd / "env"
    subprocess.run([pyenv("3.12"), "-m", "venv", "--without-pip", env], check=True)
    (env / ".gitignore").unlink(missing_ok=True)

    env = change(command, cloche, env, ("--no-seed",))
    assert (env / ".gitignore").exists()
    assert "vcs-ignore" not in (env / "pyvenv.cfg").read_text()


CHOSEN = st.sets(st.sampled_from([*OPTIONS]).filter(lambda name: name != "an empty prompt"))


@given(CHOSEN, st.lists(st.sampled_from(COMMANDS), max_size=4), st.booleans())
@examples(3)
def test_any_commands_keep_any_options(cloche: Cloche, names: set[str], commands: list[str], locked: bool) -> None:
    refresh: tuple[object, ...] = ("--no-seed",)
    if locked:
        wheel = simple_wheel(cloche.cwd / "wheels", "spam")
        lock = cloche.cwd / "pylock.toml"
        lock.write_text(pylock([package("spam", wheels=[wheel])]))
        refresh = ("--lock", lock, "--find-links", wheel.parent, "--no-download")
    check_commands(cloche, names, commands, refresh)


@pytest.mark.parametrize("options", OPTIONS)
def test_a_new_lock_file_changes_the_packages_and_keeps_the_options(cloche: Cloche, options: str) -> None:
    env, lock, wheels = cloche.cwd / "env", cloche.cwd / "pylock.toml", cloche.cwd / "wheels"
    spam, eggs = simple_wheel(wheels, "spam"), simple_wheel(wheels, "eggs")
    outcomes = []
    for given_options, packages in ((OPTIONS[options], (spam,)), ((), (spam,)), ((), (spam, eggs))):
        lock.write_text(pylock([package(wheel.name.split("-")[0], wheels=[wheel]) for wheel in packages]))
        argv = (env, "--lock", lock, "--find-links", wheels, "--no-download", "--json", *given_options)
        done = cloche(*argv)
        assert done.code == 0, done.err
        outcomes.append((done.json["plan"]["outcome"], facts_about(cloche, env)._replace(config={})))
    assert [outcome for outcome, _ in outcomes] == ["created", "up to date", "updated"]
    assert outcomes[0][1] == outcomes[1][1] == outcomes[2][1]


def test_a_changed_option_replaces_the_kept_one(cloche: Cloche) -> None:
    assert cloche("./env", "--no-seed", "--prompt", "one").code == 0
    assert cloche("./env", "--no-seed", "--prompt", "two", "--creator", "copy").code == 0
    assert cloche("./env", "--no-seed", "--creator", "symlink").code == 0
    facts = facts_about(cloche, cloche.cwd / "env")
    assert (facts.prompt, facts.options) == ("two", ("prompt",))


def test_a_replaced_environment_has_only_the_options_of_the_request(cloche: Cloche) -> None:
    words = [word for name in OPTIONS if name != "an empty prompt" for word in OPTIONS[name]]
    assert cloche("./env", "--no-seed", *words).code == 0
    mark(cloche.cwd / "env")
    assert cloche("./env", "--no-seed", "--clear").code == 0
    assert cloche("./other", "--no-seed").code == 0
    assert facts_about(cloche, cloche.cwd / "env") == facts_about(cloche, cloche.cwd / "other")


def test_an_environment_of_another_tool_keeps_its_options(cloche: Cloche, empty_env) -> None:
    env = empty_env("venv")
    config = env / "pyvenv.cfg"
    config.write_text(config.read_text().replace("packages = false", "packages = True") + 'prompt = "theirs"\n')
    assert cloche(env, "-p", pyenv("3.12"), "--no-seed").code == 0
    facts = facts_about(cloche, env)
    assert (facts.prompt, facts.options) == ("theirs", ("system-site-packages", "prompt"))


def test_an_empty_prompt_is_a_prompt(cloche: Cloche) -> None:
    assert cloche("./env", "--no-seed", "--prompt", "").code == 0
    found = cloche("info", "env").out
    assert "prompt:       \n" in found
    assert "options:      prompt\n" in found


@pytest.mark.parametrize(
    ("settings", "creator", "options"),
    [
        ("stdlib = full\nportable = true\n", "portable", {"stdlib": "full"}),
        ("stdlib = full\nportable = true\n", None, {"stdlib": "full"}),
        ("stdlib = full\nportable = true\n", "symlink", {}),
        ("stdlib = full\nhome = /usr/bin\n", "portable", {}),
        ("carry-libraries = true\nportable = true\n", "portable", {"carry-libraries": "true"}),
    ],
)
def test_the_options_of_a_portable_environment_are_kept(
    tmp_path: Path, settings: str, creator: str | None, options: dict[str, object]
) -> None:
    (tmp_path / "pyvenv.cfg").write_text(f"version = 3.12.1\ninclude-system-site-packages = false\n{settings}")
    request = Request(EnvironmentSpec(creator=creator), Target(str(tmp_path)))
    kept = with_kept_options(request, current_host())
    assert kept.spec.options == options
    assert with_kept_options(kept, current_host()) == kept
    other = replace(request, spec=replace(request.spec, options={"stdlib": "runtime"}))
    assert with_kept_options(other, current_host()).spec.options["stdlib"] == "runtime"


def test_options_are_kept_if_a_killed_run_left_the_settings_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment is only complete again under its lock, after the killed run was undone."""
    config, saved = tmp_path / "env" / "pyvenv.cfg", tmp_path / "saved"
    request = Request(EnvironmentSpec(wanted=None), Target(str(tmp_path / "env")))
    host = replace(current_host(), environ={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")})
    chosen = Request(
        replace(request.spec, site_packages="system"),
        replace(request.target, prompt="mine", placement="relocatable"),
    )
    with Session(host) as session:
        create_environment(chosen, session)
    config.rename(saved)

    def recover(target: str) -> bool:
        if saved.exists():
            saved.rename(config)
        return True

    monkeypatch.setattr(creation, "recover_destination", recover)
    with Session(host) as session:
        created = create_environment(request, session)[0].environment
    assert (created.prompt, created.placement) == ("mine", "relocatable")
    assert "include-system-site-packages = true" in config.read_text()


@pytest.mark.parametrize("options", [(), ("--creator", "copy", "--activators", "fish", "--keep-extra")])
def test_the_remedy_for_a_locked_environment_works_for_its_python(cloche: Cloche, options: tuple[str, ...]) -> None:
    env, lock = cloche.cwd / "env", cloche.cwd / "pylock.toml"
    wheel = simple_wheel(cloche.cwd / "wheels", "spam")
    lock.write_text(pylock([package("spam", wheels=[wheel])]))
    argv = ("--lock", lock, "--find-links", wheel.parent, "--no-download", *options)
    assert cloche(env, "-p", pyenv("3.12"), *argv).code == 0
    facts, names = facts_about(cloche, env), sorted(os.listdir(env / "bin"))
    [module] = env.glob("lib/*/site-packages/spam/__init__.py")
    module.unlink()
    [finding] = cloche("doctor", env, "--json").json["environments"][0]["findings"]
    done = cloche(*finding["remedy"].strip("`").split()[1:])
    assert done.code == 0, done.err
    assert cloche("doctor", env).code == 0
    assert (facts_about(cloche, env), sorted(os.listdir(env / "bin"))) == (facts, names)


CHOICES: Mapping[str, tuple[str, ...]] = {
    "copies of the files": ("--link-mode", "copy"),
    "links to the cache": ("--link-mode", "symlink", "--no-compile"),
    "a seed from a directory": ("--no-pip", "--seed", "spam", "--find-links", "wheels", "--link-mode", "copy"),
    "no startup code": ("--startup-code", "refuse"),
}
"""Options that nothing but the recorded command tells."""


@pytest.mark.parametrize("name", CHOICES)
def test_an_upgrade_installs_and_records_packages_as_the_environment_was_created(cloche: Cloche, name: str) -> None:
    env = cloche.cwd / "env"
    simple_wheel(cloche.cwd / "wheels", "spam")
    assert cloche(env, "-p", pyenv("3.12"), *CHOICES[name]).code == 0
    facts = facts_about(cloche, env)
    assert cloche("upgrade", env, "-p", pyenv("3.13")).code == 0
    assert facts_about(cloche, env) == facts
    [module] = [*env.glob("lib/python3.13/site-packages/pip/__init__.py"), *env.glob("lib/*/site-packages/spam/*.py")]
    assert module.is_symlink() == ("symlink" in CHOICES[name])
    if "copy" in CHOICES[name]:
        assert module.stat().st_nlink == 1


def test_a_portable_environment_keeps_how_its_packages_are_installed(cloche: Cloche) -> None:
    """Its `options` name no path, so they do not name the directory of the wheels either."""
    env = cloche.cwd / "env"
    simple_wheel(cloche.cwd / "wheels", "spam")
    choices = "--link-mode copy --no-compile --startup-code refuse --seed spam".split()
    argv = (env, "-p", pyenv("3.12"), "--creator", "portable", "--find-links", "wheels", *choices)
    assert cloche(*argv).code == 0
    options = cloche("info", env, "--json").json["config"]["options"]
    for name in ("--link-mode copy", "--no-compile", "--startup-code refuse", "--seed spam"):
        assert name in options
    assert "/" not in options

    assert cloche("upgrade", env, "-p", pyenv("3.13")).code == 0
    [site] = env.glob("lib/python3.13/site-packages")
    module = site / "pip" / "__init__.py"
    upgraded = cloche("info", env, "--json").json["config"]["options"]
    assert (upgraded, module.stat().st_nlink, [*site.glob("pip/__pycache__/*")]) == (options, 1, [])

    module.unlink()
    assert cloche("doctor", "--fix", env).code == 0
    repaired = cloche("info", env, "--json").json["config"]["options"]
    assert (repaired, module.stat().st_nlink, [*site.glob("pip/__pycache__/*")]) == (options, 1, [])


def test_an_upgrade_finds_other_builds_where_the_packages_came_from(cloche: Cloche) -> None:
    env, wheels = cloche.cwd / "env", cloche.cwd / "wheels"
    for tag in ("cp312", "cp313"):
        simple_wheel(
            wheels, "spam", tags=[f"{tag}-{tag}-linux_x86_64"], files={"spam.py": f"def main(): print('{tag}')"}
        )
    argv = (env, "-p", pyenv("3.12"), "--seed", "spam", "--find-links", wheels)
    assert cloche(*argv).code == 0
    assert run(env / "bin" / "spam").strip() == "cp312"

    done = cloche("upgrade", env, "-p", pyenv("3.13"), PIP_NO_INDEX="1")
    assert done.code == 0, done.err
    assert run(env / "bin" / "spam").strip() == "cp313"


@pytest.mark.parametrize("text", ["--link-mode", "'", "--startup-code odd,, --link-mode= --extra x"])
def test_options_that_somebody_has_edited_do_no_harm(text: str) -> None:
    settings = {"version": "3.12.1", "include-system-site-packages": "false", "options": text}
    assert recorded_link_mode(settings) == "auto"
    assert recorded_startup_rule(settings) == ("list", ())


@pytest.mark.parametrize("link_mode", ["copy", "symlink"])
@pytest.mark.parametrize("command", [("doctor", "--fix"), ("upgrade", "--seeds")])
def test_seeds_that_are_installed_again_are_linked_as_before(
    cloche: Cloche, command: tuple[str, ...], link_mode: str
) -> None:
    env = cloche.cwd / "env"
    assert cloche(env, "-p", pyenv("3.12"), "--link-mode", link_mode).code == 0
    [site] = env.glob("lib/*/site-packages")
    if command[0] == "doctor":
        (site / "pip" / "__init__.py").unlink()
    else:
        [metadata] = site.glob("pip-*.dist-info")
        text = (metadata / "METADATA").read_text()
        (metadata / "METADATA").unlink()
        (metadata / "METADATA").write_text(text.replace("\nVersion: ", "\nVersion: 1.", 1))
        metadata.rename(site / metadata.name.replace("pip-", "pip-1."))
    assert cloche(*command, env).code == 0
    module = site / "pip" / "__init__.py"
    assert module.is_symlink() == (link_mode == "symlink")
    assert link_mode != "copy" or module.stat().st_nlink == 1


def test_a_renewed_package_is_recorded_without_its_old_version() -> None:
    old = "python -m cloche --python /a/python --pip 25.0 --seed spam==1 --find-links /w /a/env"
    new = "python -m cloche --python /b/python --no-deps --prompt mine /b/env"
    changed = command_with_packages_of(recorded_request(old), new, ("pip",))
    assert changed == "python -m cloche --python /b/python --find-links /w --prompt mine --seed spam==1 /b/env"


@pytest.mark.parametrize(
    ("option", "expected"), [("--link-mode copy", "copy"), ("--link-mode odd", "auto"), ("", "auto")]
)
def test_a_link_mode_that_does_not_exist_is_ignored(option: str, expected: str) -> None:
    command = f"python -m cloche --python /a/python {option} /a/env"
    assert recorded_link_mode({"command": command}) == expected
    assert recorded_link_mode({"command": "uv venv"}) == "auto"


def test_the_packages_of_a_lock_file_are_recorded_as_the_upgrade_found_them() -> None:
    old = "python -m cloche --python /a/python --lock /gone/pylock.toml --keep-extra /a/env"
    new = "python -m cloche --python /b/python --no-deps /b/env"
    assert command_with_packages_of(recorded_request(old), new, ()) == new


@given(st.text(max_size=20), st.text(max_size=20))
@examples(50)
def test_commands_of_other_tools_stay_as_they_are(old: str, new: str) -> None:
    assert command_with_packages_of(recorded_request(old), new, ()) == new

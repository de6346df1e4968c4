"""Test that `cloche verify` finds a difference from the lock file exactly when a run with it would change the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cloche.api import create_with_result
from cloche.lifecycle.locked import up_to_date
from cloche.lifecycle.verify import Verification, verify_environment
from cloche.session import Session, current_host
from tests.distributions import install_wheel
from tests.lifecycle.test_verify import write
from tests.locks import package, pylock, sha256_of, simple_wheel, wheel_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Project:
    """A lock file with two packages, an extra and a group, and an environment that was created from it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.env = directory / "env"
        self.spam, self.eggs = (simple_wheel(directory / "wheels", name) for name in ("spam", "eggs"))
        self.lock = directory / "pylock.toml"
        self.write()
        self.create()

    def write(self, *more: dict[str, object], eggs: dict[str, object] | None = None, **keys: object) -> None:
        entries = [package("spam", wheels=[self.spam]), eggs or package("eggs", wheels=[self.eggs]), *more]
        self.lock.write_text(pylock(entries, **{"extras": ["web"], "dependency_groups": ["dev"], **keys}))

    def create(self, **choices: object) -> str:
        """Create the environment or bring it up to date; return the outcome in a word."""
        result = create_with_result(
            self.env,
            **{
                "lock": self.lock,
                "find_links": [self.directory / "wheels"],
                "network": "never",
                "cache": self.directory / "cache",
                "link_mode": "copy",
                **choices,
            },
        )
        return result.plan.outcome

    def wheel(self, name: str, version: str = "1.0", where: str = "wheels") -> Path:
        return simple_wheel(self.directory / where, name, version)

    def verify(self) -> Verification:
        with Session(current_host(), cache=str(self.directory / "cache")) as session:
            return verify_environment(str(self.env), session)

    def differences(self) -> list[str]:
        """Return the differences from the lock file, which must be the only ones."""
        found = self.verify().differences
        assert {difference.kind for difference in found} <= {"lock"}
        return [difference.message for difference in found]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(up_to_date, "MIN_AGE_NS", 0)
    return Project(tmp_path)


def rebuilt(project: Project) -> dict[str, object]:
    """Return the entry of a wheel of the same version with other content, which replaces the first one."""
    other = simple_wheel(project.directory / "wheels", "eggs", files={"eggs/__init__.py": "# other\n"})
    return package("eggs", wheels=[other])


def elsewhere(project: Project) -> dict[str, object]:
    """Return the entry of the same wheel at another URL."""
    entry = wheel_entry(project.eggs.name, hashes={"sha256": sha256_of(project.eggs)})
    return package("eggs", wheels=[{**entry, "url": f"https://mirror.example/{project.eggs.name}"}])


OTHER_SYSTEM = package("x", wheels=[wheel_entry("x-1.0-py3-none-any.whl")], marker="os_name == 'other'")

EDITS: dict[str, tuple[Callable[[Project], object], list[str]]] = {
    "nothing": (lambda project: None, []),
    "a comment": (lambda project: project.lock.write_text(f"# comment\n{project.lock.read_text()}"), []),
    "a package for another system": (lambda project: project.write(OTHER_SYSTEM), []),
    "a package of an extra": (
        lambda project: project.write(package("x", wheels=[project.wheel("x")], marker="'web' in extras")),
        [],
    ),
    "a further wheel of a package": (
        lambda project: project.write(
            eggs=package("eggs", wheels=[project.eggs, wheel_entry("eggs-1.0-cp35-none-any.whl")])
        ),
        [],
    ),
    "a new package": (lambda project: project.write(package("x", wheels=[project.wheel("x")])), ["lacks x 1.0"]),
    "a removed package": (
        lambda project: project.lock.write_text(pylock([package("spam", wheels=[project.spam])])),
        ["is not in the lock file"],
    ),
    "another version": (
        lambda project: project.write(eggs=package("eggs", "2.0", wheels=[project.wheel("eggs", "2.0")])),
        ["is 1.0, but 2.0 is locked"],
    ),
    "another file": (
        lambda project: project.write(eggs=rebuilt(project)),
        ["was installed from a file that is not the locked one"],
    ),
    "another URL": (
        lambda project: project.write(eggs=elsewhere(project)),
        ["was installed from a source other than the locked one"],
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_difference_is_found_exactly_if_a_run_would_change_something(edit: str, project: Project) -> None:
    change, messages = EDITS[edit]
    change(project)

    found = project.verify()

    assert [difference.message for difference in found.differences] == messages
    assert (f" --lock {project.lock}" in found.remedy) == bool(messages)
    assert (project.create() == "up to date") == (not messages)
    assert project.differences() == []


def test_a_lock_file_that_became_invalid_is_a_difference(project: Project) -> None:
    project.lock.write_text("packages = 1")

    [message] = project.differences()

    assert message.startswith("the lock file no longer describes this environment: ")


def test_a_missing_lock_file_is_a_note(project: Project) -> None:
    project.lock.unlink()

    found = project.verify()

    assert (found.differences, found.remedy) == ((), "")
    assert f"the lock file: `{project.lock}` no longer exists" in found.unverified


def test_the_extras_and_groups_that_were_chosen_are_compared(project: Project) -> None:
    entries = [package(name, wheels=[project.wheel(name)], marker=f"{marker}") for name, marker in MARKERS.items()]
    project.write(*entries)
    project.create(extras=["web"], groups=["dev"])
    assert project.differences() == []

    project.write(entries[0], {**entries[1], "version": "2.0", "wheels": [wheel_entry("grouped-2.0-py3-none-any.whl")]})

    assert project.differences() == ["is 1.0, but 2.0 is locked"]


MARKERS = {"extra": "'web' in extras", "grouped": "'dev' in dependency_groups"}


def test_seeds_and_what_they_need_belong_to_the_environment(project: Project) -> None:
    simple_wheel(project.directory / "wheels", "tool", requires=["helper"])
    simple_wheel(project.directory / "wheels", "helper")
    project.create(seeds=["tool"])

    assert project.differences() == []


def test_a_package_that_was_added_by_hand_is_a_difference(project: Project) -> None:
    [site] = project.env.glob("lib/python*/site-packages")
    install_wheel(project.wheel("ham", where="elsewhere"), site)

    assert "is not in the lock file; pip installed it" in [item.message for item in project.verify().differences]


@pytest.mark.parametrize("hashed", [True, False])
def test_the_file_of_a_pin_is_that_of_its_image(hashed: bool, project: Project) -> None:
    project.lock = project.directory / "requirements.txt"
    line = "spam==1.0 --hash=sha256:{}\n" if hashed else "spam==1.0\n"
    project.lock.write_text(line.format(sha256_of(project.spam)))
    project.create()
    assert project.differences() == []

    project.lock.write_text(line.format("0" * 64))

    expected = ["was installed from a file that is not the locked one"] if hashed else []
    assert project.differences() == expected


@pytest.mark.parametrize("is_in_use", [False, True])
@pytest.mark.parametrize("suffix", [".py", ".pyc"])
def test_a_change_that_keeps_size_and_time_is_repaired_by_the_next_run(
    suffix: str, is_in_use: bool, project: Project
) -> None:
    if is_in_use:
        (project.env / ".git").mkdir()
        (project.env / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    project.env.joinpath("note").write_text("mine")
    project.create(compile="now", existing="replace")
    [module] = project.env.glob(f"lib/python*/site-packages/spam/**/__init__*{suffix}")
    content = module.read_bytes()
    write(module, content[:-1] + bytes([content[-1] ^ 1]))
    assert project.create() == "up to date"

    found = project.verify()

    assert [os.path.basename(difference.path) for difference in found.differences] == [module.name]
    assert f"--lock {project.lock}" in found.remedy
    assert project.create() == "repaired"
    assert module.read_bytes() == content or not module.exists()
    assert project.verify().differences == ()
    assert project.create() == "up to date"

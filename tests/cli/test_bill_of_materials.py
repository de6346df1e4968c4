"""Test the bill of materials of an environment: what it contains, that it is valid, and that it can be reproduced."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.distributions import make_wheel
from tests.locks import BASE, package, pylock, sha256_of, simple_wheel
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

SPDX = "Metadata-Version: 2.4\nName: spam\nVersion: 1.0\nLicense-Expression: MIT OR Apache-2.0\nRequires-Dist: eggs\n"
NAMED = "Metadata-Version: 2.1\nName: eggs\nVersion: 2.0\nClassifier: License :: OSI Approved :: BSD License\n"


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    """The command line in a directory with a lock file of two distributions."""
    for name in ("home", "work", "other"):
        (tmp_path / name).mkdir()
    wheels = [
        make_wheel(tmp_path / "wheels", "spam", "1.0", {"spam.py": "x = 1\n"}, METADATA=SPDX),
        make_wheel(tmp_path / "wheels", "eggs", "2.0", {"eggs.py": "x = 1\n"}, METADATA=NAMED),
    ]
    entries = [package(*wheel.name.split("-")[:2], wheels=[wheel]) for wheel in wheels]
    (tmp_path / "work" / "pylock.toml").write_text(pylock(entries))
    return Cloche(tmp_path / "work", clean_environ(tmp_path / "home", tmp_path / "cache"))


def create(cloche: Cloche, env: str) -> None:
    wheels = cloche.cwd.parent / "wheels"
    done = cloche(env, "--lock", "pylock.toml", "--find-links", wheels, "--no-download", "--prompt", "demo")
    assert done.code == 0, done.err


def bill(cloche: Cloche, env: str = "./env", **variables: str) -> str:
    done = cloche("info", env, "--format", "cyclonedx", **variables)
    assert (done.code, done.err) == (0, "")
    return done.out


def test_a_bill_has_every_distribution_and_the_python(cloche: Cloche) -> None:
    create(cloche, "./env")

    found = json.loads(bill(cloche))

    components = {component["name"]: component for component in found["components"]}
    assert components.keys() == {"spam", "eggs", sys.implementation.name}
    python = components[sys.implementation.name]
    assert python["type"] == "platform"
    assert python["purl"] == f"pkg:generic/{sys.implementation.name}@{python['version']}"
    spam, wheel = components["spam"], cloche.cwd.parent / "wheels" / "spam-1.0-py3-none-any.whl"
    assert (spam["version"], spam["purl"].partition("?")[0]) == ("1.0", "pkg:pypi/spam@1.0")
    assert spam["hashes"] == [{"alg": "SHA-256", "content": sha256_of(wheel)}]
    [origin] = spam["externalReferences"]
    assert (origin["type"], origin["url"]) == ("distribution", f"{BASE}{wheel.name}")
    assert [entry.get("expression") for entry in spam["licenses"]] == ["MIT OR Apache-2.0"]
    assert [entry["license"]["name"] for entry in components["eggs"]["licenses"]] == ["BSD License"]
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in found["dependencies"]}
    assert needs["spam==1.0"] == ["eggs==2.0"]
    assert found["metadata"]["component"]["properties"][0]["name"] == "cloche:lock"


def test_a_bill_is_valid(cloche: Cloche) -> None:
    pytest.importorskip("jsonschema")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    create(cloche, "./env")

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill(cloche, SOURCE_DATE_EPOCH="1")) is None


def test_equal_environments_have_equal_bills(cloche: Cloche) -> None:
    create(cloche, "./env")
    create(cloche, "../other/env")

    assert bill(cloche) == bill(cloche) == bill(cloche, "../other/env")
    assert "timestamp" not in bill(cloche)
    dated = bill(cloche, SOURCE_DATE_EPOCH="86400")
    assert json.loads(dated)["metadata"]["timestamp"].startswith("1970-01-02T00:00:00")


def test_a_setting_for_json_does_not_change_the_bill(cloche: Cloche) -> None:
    create(cloche, "./env")

    assert bill(cloche, CLOCHE_JSON="1") == bill(cloche)


def test_what_prevents_a_bill_is_explained(cloche: Cloche, tmp_path: Path) -> None:
    create(cloche, "./env")
    (tmp_path / "site" / "cyclonedx").mkdir(parents=True)
    (tmp_path / "site" / "cyclonedx" / "__init__.py").write_text("raise ImportError\n")

    missing = cloche("info", "./env", "--format", "cyclonedx", PYTHONPATH=str(tmp_path / "site"))
    assert (missing.code, missing.out) == (1, "")
    assert "cloche[sbom]" in missing.err
    assert len(missing.err.splitlines()) == 2
    date = cloche("info", "./env", "--format", "cyclonedx", SOURCE_DATE_EPOCH="yesterday")
    assert (date.code, date.out) == (2, "")
    assert "`yesterday`, which is not a number of seconds" in date.err
    both = cloche("info", "./env", "--format", "cyclonedx", "--json")
    assert both.code == 2


def test_info_shows_the_lock_file(cloche: Cloche) -> None:
    create(cloche, "./env")

    [line] = [line for line in cloche("info", "./env").out.splitlines() if line.startswith("lock:")]
    lock = cloche("info", "./env", "--json").json["lock"]

    assert line.split()[1].startswith(str(cloche.cwd / "pylock.toml"))
    assert (lock["path"], lock["extras"], lock["groups"]) == (str(cloche.cwd / "pylock.toml"), [], [])
    assert line.endswith(lock["digest"])
    (cloche.cwd / "pylock.toml").unlink()
    assert "pylock.toml (no longer exists)" in cloche("info", "./env").out
    assert cloche("./plain", "--no-seed").code == 0
    assert cloche("info", "./plain", "--json").json["lock"] is None
    assert "\nlock:" not in cloche("info", "./plain").out


# When packages are compiled


def compiled(cloche: Cloche, env: str, *options: str, **variables: str) -> tuple[list[str], list[str]]:
    """Create an environment; return what the run compiled, and the names of the bytecode files."""
    wheels = cloche.cwd.parent / "wheels"
    argv = [f"./{env}", "--lock", "pylock.toml", "--find-links", wheels, "--no-download", "--json", *options]
    done = cloche(*argv, **variables)
    assert done.code == 0, done.err
    files = (cloche.cwd / env).glob("lib/python*/site-packages/__pycache__/*.pyc")
    return done.json["result"]["compiled"], sorted(path.name.partition(".")[0] for path in files)


def test_the_second_environment_compiles_and_says_so(cloche: Cloche) -> None:
    assert compiled(cloche, "first") == ([], [])
    create(cloche, "./other")
    shown = cloche("./shown", "--lock", "pylock.toml", "--no-download").out

    assert "compiled" not in shown
    assert compiled(cloche, "third") == ([], ["eggs", "spam"])


def test_the_result_names_what_was_compiled(cloche: Cloche) -> None:
    wheels = cloche.cwd.parent / "wheels"
    simple_wheel(wheels, "one")

    done = cloche("./env", "--no-pip", "--seed", "one", "--find-links", wheels, "--no-download", "--compile")

    assert " ms (compiled one for all environments)" in done.out


def test_compiling_can_be_requested_and_forbidden(cloche: Cloche) -> None:
    assert compiled(cloche, "a", "--no-compile") == ([], [])
    assert compiled(cloche, "b", CLOCHE_NO_COMPILE="1") == ([], [])
    assert compiled(cloche, "c", "--compile", CLOCHE_NO_COMPILE="1") == (["eggs", "spam"], ["eggs", "spam"])
    assert compiled(cloche, "d", "--compile") == ([], ["eggs", "spam"])
    both = cloche("./e", "--compile", "--no-compile")
    assert (both.code, "contradict each other" in both.err) == (2, True)


def test_a_warning_about_links_needs_a_change(cloche: Cloche) -> None:
    create(cloche, "./env")
    argv = ["./env", "--lock", "pylock.toml", "--find-links", cloche.cwd.parent / "wheels", "--no-download"]
    argv += ["--prompt", "demo", "--link-mode", "hardlink", "--read-only-cache"]

    unchanged = cloche(*argv)
    [module] = (cloche.cwd / "env").glob("lib/python*/site-packages/spam.py")
    module.unlink()
    changed = cloche(*argv)

    assert unchanged.out.startswith("up to date")
    assert unchanged.err == ""
    assert "the seeds were copied" in changed.err

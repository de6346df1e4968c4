"""Test the fixtures in temporary test suites."""

from __future__ import annotations

import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from cloche.testing.seeders import sample_lock, sample_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_cloche import Env
    from pytest_cloche.plugin import Factory


@pytest.fixture(autouse=True)
def plain_configuration(pytester: pytest.Pytester) -> None:
    """Configure the temporary test suites to run without random order and without a cache."""
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:cacheprovider --strict-markers")


def test_each_test_has_its_own_environment(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        seen = []

        def test_one(cloche_env):
            (cloche_env.site_packages / "left.py").write_text("")
            seen.append(cloche_env.root)
            assert cloche_env.run("python", "-c", "import left, sys; print(sys.prefix)").strip() == str(cloche_env.root)

        def test_two(cloche_env):
            assert cloche_env.root not in seen
            assert not (cloche_env.site_packages / "left.py").exists()
            assert list(cloche_env.packages()) == ["pip"]
        """
    )

    pytester.runpytest_subprocess().assert_outcomes(passed=2)


@pytest.mark.parametrize(("scope", "count"), [("function", 4), ("class", 3), ("module", 2), ("session", 1)])
def test_the_scope_can_be_configured(pytester: pytest.Pytester, scope: str, count: int) -> None:
    tests = """
        import pathlib

        class TestBoth:
            def test_one(self, cloche_env): note(cloche_env)
            def test_two(self, cloche_env): note(cloche_env)

        def test_three(cloche_env): note(cloche_env)

        def note(env):
            with open("seen", "a") as file:
                file.write(f"{env.root}\\n")
        """
    pytester.makepyfile(test_a=tests)
    pytester.makepyfile(test_b="def test_four(cloche_env):\n    open('seen', 'a').write(f'{cloche_env.root}\\n')\n")

    pytester.runpytest_subprocess("-o", f"cloche_env_scope={scope}").assert_outcomes(passed=4)

    assert len(set((pytester.path / "seen").read_text().split())) == count


def test_an_unknown_scope_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test(cloche_env): pass")

    result = pytester.runpytest_subprocess("-o", "cloche_env_scope=day")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: `cloche_env_scope` cannot be 'day'; choose one of function, class, *"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("cloche_env.run('python', '-c', 'exit(3)')", "AssertionError: python exited with 3"),
        ("cloche_env.run('no-such-program')", "FileNotFoundError: *'no-such-program'"),
        ("cloche_env.install('no-such-thing')", "*the package index was not used; `index=True` allows it"),
        ("cloche_env_factory(python='3.99')", "*InterpreterNotFound: no interpreter satisfies `3.99`*"),
    ],
)
def test_a_failure_is_shown_at_the_line_of_the_test(pytester: pytest.Pytester, call: str, message: str) -> None:
    pytester.makepyfile(f"def test(cloche_env, cloche_env_factory):\n    {call}\n")

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *{message}"])
    assert not [line for line in result.outlines if "/cloche/" in line or "pytest_cloche" in line]


def test_a_failed_fixture_shows_only_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n\n@pytest.mark.cloche_env(python='3.99')\ndef test(cloche_env): ...\n")

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *InterpreterNotFound: no interpreter satisfies `3.99`*"])
    assert len([line for line in result.outlines if "plugin.py:" in line]) <= 1


def test_the_marker_passes_arguments_to_create(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.cloche_env(seeds=None, prompt="mine", activators=("bash",))
        def test(cloche_env):
            assert cloche_env.packages() == {}
            assert cloche_env.environment.prompt == "mine"
            assert (cloche_env.bin / "activate").exists()
        """
    )

    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_marker_with_a_positional_argument_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.cloche_env("3.9")
        def test(cloche_env): ...
        """
    )

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the marker `cloche_env` accepts only keyword arguments*, but got '3.9'"])


def test_a_factory_creates_several_environments(cloche_env_factory: Factory) -> None:
    one, other = cloche_env_factory("one"), cloche_env_factory("one", seeds=None)

    assert one.root.name == other.root.name == "one"
    assert (list(one.packages()), list(other.packages())) == (["pip"], [])


def test_a_program_runs_as_if_the_environment_were_active(cloche_env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")

    result = cloche_env.run("python", "-c", "import os; print(sorted(os.environ))", EXTRA="1")

    assert "'VIRTUAL_ENV'" in result
    assert "'EXTRA'" in result
    assert "'PYTHONPATH'" not in result
    assert cloche_env.run("pip", "--version").startswith("pip ")


@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize(
    "setting",
    [
        "target = {}",
        "prefix = {}",
        "root = {}",
        "user = true",
        "dry-run = true",
        "report = {}",
        "require-hashes = true",
    ],
)
@pytest.mark.parametrize("source", ["variable", "file"])
def test_settings_of_the_user_do_not_change_where_pip_installs(
    cloche_env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, setting: str, index: bool
) -> None:
    name, _, text = setting.format(tmp_path / "elsewhere").partition(" = ")
    if source == "variable":
        monkeypatch.setenv(f"PIP_{name.replace('-', '_').upper()}", text)
    else:
        (tmp_path / "pip.conf").write_text(f"[global]\n{name} = {text}\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    wheel = tmp_path / "spam-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("spam-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: spam\nVersion: 1.0\n")
        archive.writestr("spam-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("spam-1.0.dist-info/RECORD", "")

    cloche_env.install(wheel, index=index)

    assert "spam" in cloche_env.packages()
    assert not (tmp_path / "elsewhere").exists()


def test_the_error_of_a_failed_program_contains_its_output(cloche_env: Env) -> None:
    with pytest.raises(AssertionError, match="exited with 3\nout\nerr"):
        cloche_env.run("python", "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")

    assert cloche_env.run("python", "-c", "print('out'); raise SystemExit(3)", check=False) == "out\n"


def test_packages_are_installed_from_the_index_only_on_request(cloche_env: Env) -> None:
    with pytest.raises(AssertionError, match="No matching distribution"):
        cloche_env.install("wheel")


def test_an_environment_like_an_earlier_one_starts_no_program(
    cloche_env_factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it takes milliseconds, which `benchmarks/` measures. The second one still compiles the image that it uses again."""
    cloche_env_factory()
    cloche_env_factory()

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"a program was started: {arguments}")

    monkeypatch.setattr(subprocess, "Popen", refuse)

    cloche_env_factory()


def test_a_test_suite_that_does_not_use_the_plugin_does_not_import_cloche(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\n\ndef test(): assert 'cloche' not in sys.modules")

    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_an_environment_has_the_packages_of_a_lock_file(tmp_path: Path, cloche_env_factory: Factory) -> None:
    lock = sample_lock(tmp_path, sample_wheel(tmp_path / "wheels"))

    env = cloche_env_factory("locked", lock=lock.path)

    assert env.packages() == {"cloche-sample": "1.0"}
    assert env.run("cloche-sample") == "sample\n"

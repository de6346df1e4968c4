"""The fixtures, in test suites of their own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_cloche import Env
    from pytest_cloche.plugin import Factory


@pytest.fixture(autouse=True)
def plain(pytester: pytest.Pytester) -> None:
    """Suites within run without other plugins' habits."""
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:cacheprovider --strict-markers")


def test_each_test_has_an_environment_of_its_own(pytester: pytest.Pytester) -> None:
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
def test_the_scope_is_a_setting(pytester: pytest.Pytester, scope: str, count: int) -> None:
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


def test_a_scope_that_there_is_not_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test(cloche_env): pass")

    said = pytester.runpytest_subprocess("-o", "cloche_env_scope=day")

    assert "choose one of function, class" in said.stdout.str() + said.stderr.str()
    assert said.ret != 0


def test_a_marker_says_what_it_is_made_with(pytester: pytest.Pytester) -> None:
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


def test_a_marker_with_a_value_that_has_no_name_is_not_passed_over(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.cloche_env("3.9")
        def test(cloche_env): ...
        """
    )

    said = pytester.runpytest_subprocess()

    said.assert_outcomes(errors=1)
    said.stdout.fnmatch_lines(["*the marker `cloche_env` takes names and values*, and not '3.9' alone"])


def test_a_factory_makes_several(cloche_env_factory: Factory) -> None:
    one, other = cloche_env_factory("one"), cloche_env_factory("one", seeds=None)

    assert one.root.name == other.root.name == "one"
    assert (list(one.packages()), list(other.packages())) == (["pip"], [])


def test_a_program_runs_as_if_the_environment_were_active(cloche_env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")

    said = cloche_env.run("python", "-c", "import os; print(sorted(os.environ))", EXTRA="1")

    assert "'VIRTUAL_ENV'" in said
    assert "'EXTRA'" in said
    assert "'PYTHONPATH'" not in said
    assert cloche_env.run("pip", "--version").startswith("pip ")


def test_a_program_that_fails_is_shown_with_all_it_said(cloche_env: Env) -> None:
    with pytest.raises(AssertionError, match="ended with 3\nout\nerr"):
        cloche_env.run("python", "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")

    assert cloche_env.run("python", "-c", "print('out'); raise SystemExit(3)", check=False) == "out\n"


def test_nothing_is_installed_from_the_index_unasked(cloche_env: Env) -> None:
    with pytest.raises(AssertionError, match="No matching distribution"):
        cloche_env.install("wheel")


def test_an_environment_takes_milliseconds(cloche_env_factory: Factory) -> None:
    """The first fills cloche's cache; the best of some is a tenth of a second at most, however busy the machine."""
    took = []
    for _ in range(6):
        started = time.perf_counter()
        cloche_env_factory()
        took.append(time.perf_counter() - started)

    assert min(took[1:]) < 0.1


def test_cloche_is_not_loaded_by_a_suite_that_does_not_use_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\n\ndef test(): assert 'cloche' not in sys.modules")

    pytester.runpytest_subprocess().assert_outcomes(passed=1)

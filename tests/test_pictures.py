"""Test that the terminal pictures in the documentation show what a terminal shows."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from tests.pages import DOCS  # makes the extensions of the documentation importable
from tests.tools import require

import pictures  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Sequence

SVG = "{http://www.w3.org/2000/svg}"


def shown_lines(commands: Sequence[str], before: str = "") -> list[str]:
    require("bash")
    return [pictures.text_of(line) for line in pictures.run_in_terminal(commands, before)]


def picture(*commands: str) -> ET.Element:
    """Return the parsed SVG picture of a terminal after some commands."""
    require("bash")
    return ET.fromstring(pictures.render_svg(pictures.run_in_terminal(commands)))


def size(root: ET.Element) -> tuple[float, float]:
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    assert (left, top) == (0, 0)
    return width, height


def test_the_tested_module_is_the_one_of_the_documentation() -> None:
    assert pictures.__file__ == str(DOCS / "_ext" / "pictures.py")


def test_a_terminal_shows_commands_and_their_output() -> None:
    assert shown_lines(["echo one", "x=two", "echo $x"]) == ["$ echo one", "one", "$ x=two", "$ echo $x", "two"]


def test_preparations_are_not_shown() -> None:
    assert shown_lines(["ls"], before="mkdir directory; echo hidden") == ["$ ls", "directory"]


def test_the_home_directory_of_the_picture_is_empty() -> None:
    assert shown_lines(["ls -A ~", "pwd | sed s:$HOME:~:"]) == ["$ ls -A ~", "work", "$ pwd | sed s:$HOME:~:", "~/work"]


def test_an_environment_is_activated_and_the_prompt_shows_it() -> None:
    lines = shown_lines(["cloche .venv --no-seed", "source .venv/bin/activate", "deactivate"])

    assert lines[1].startswith("created .venv: CPython ")
    assert lines[2:] == ["$ source .venv/bin/activate", "(.venv) $ deactivate"]


def test_a_failing_command_is_shown_but_an_unknown_one_is_an_error() -> None:
    assert shown_lines(["false", "echo after"]) == ["$ false", "$ echo after", "after"]
    with pytest.raises(RuntimeError, match="`no-such-command` failed: "):
        shown_lines(["no-such-command"])


def test_a_traceback_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        shown_lines(["python -c 1/0"])


def test_a_picture_has_the_text_at_its_position_and_in_its_style() -> None:
    red, bold = r"\033[31mred\033[0m", r"\033[1;4mbold\033[0m"
    root = picture(f"printf '{red} {bold}\\n'")

    texts = root.findall(f"{SVG}g/{SVG}text")
    assert [text.text for text in texts[1:]] == ["red", "bold"]
    assert texts[1].attrib["fill"] == pictures.COLORS["red"]
    assert "fill" not in texts[2].attrib
    assert (texts[2].attrib["font-weight"], texts[2].attrib["text-decoration"]) == ("bold", "underline")
    second_line = pictures.MARGIN + pictures.HEIGHT + pictures.BASELINE
    assert [float(text.attrib["y"]) for text in texts[1:]] == [second_line, second_line]
    assert float(texts[1].attrib["x"]) == pictures.MARGIN
    assert float(texts[2].attrib["x"]) == pytest.approx(pictures.MARGIN + 4 * pictures.WIDTH)


def test_a_picture_is_as_large_as_its_content() -> None:
    (width, height), (wider, higher) = size(picture("true")), size(picture("echo " + "x" * 60, "true"))

    assert wider - width == pytest.approx(pictures.WIDTH * (len("$ echo ") + 60 - len("$ true")))
    assert higher - height == pytest.approx(2 * pictures.HEIGHT)


def test_times_can_be_left_out() -> None:
    require("bash")
    lines = pictures.without_times(pictures.run_in_terminal(["echo 'created x: pip 26, 240 ms; at 12 ms'"]))

    assert [pictures.text_of(line) for line in lines] == ["$ echo 'created x: pip 26; at'", "created x: pip 26; at"]


def test_the_lines_of_an_animated_picture_appear_in_order() -> None:
    require("bash")
    lines = pictures.run_in_terminal(["echo one", "echo two"])
    root = ET.fromstring(pictures.render_svg(lines, animated=True))

    styles = [group.attrib["style"] for group in root.findall(f"{SVG}g/{SVG}g")]
    times = [float(style.removeprefix("animation-delay: ").removesuffix("s")) for style in styles]
    assert len(times) == len(lines) == 4
    assert times == sorted(times)
    still = ET.fromstring(pictures.render_svg(lines))
    assert [text.text for text in root.iter(f"{SVG}text")] == [text.text for text in still.iter(f"{SVG}text")]


def test_markup_in_the_output_is_escaped() -> None:
    root = picture("echo '<script>&amp;</script>'")

    assert root.findtext(f"{SVG}title") == "$ echo '<script>&amp;</script>'\n<script>&amp;</script>"
    assert [element.tag for element in root.iter() if "script" in element.tag] == []

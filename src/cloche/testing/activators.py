"""The contract of activators: they quote every text correctly, and their scripts can be undone completely.

The checks in this module run no shell; those in `cloche.testing.shell_checks` do.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cloche.errors import Inexpressible
from cloche.model.environment import Script
from cloche.shells.template import SLOT_PREFIX
from cloche.shells.words import Word
from cloche.testing.checks import (
    Broken,
    Check,
    as_test,
    broken,
    call_twice,
    cause_of,
    check_documented,
    check_name,
    check_sentence,
    not_applicable,
)
from cloche.testing.fakes import KINDS
from cloche.testing.hostile import HOSTILE, PLAIN, absolute_path, directory_name, environment_of, supported_kinds
from cloche.testing.shell_checks import shell_checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloche.model.environment import Environment
    from cloche.plugins.hookspecs import Activator
    from cloche.testing.checks import ContractTest
    from cloche.testing.shells import Shell


def activator_contract(
    activator: Activator, shell: Shell | None = None, *, templates: Iterable[str] | None = None
) -> ContractTest:
    """Return a test that an activator keeps its contract.

    :param activator: the activator object.
    :param shell: how to run its shell; without it, or if the shell is not installed, no script is run.
    :param templates: script templates; by default, all files with slots in the directory of the activator's module.
    """
    return as_test(activator_checks(activator, shell, templates=templates))


def activator_checks(
    activator: Activator, shell: Shell | None = None, *, templates: Iterable[str] | None = None
) -> list[Check]:
    """Return the checks of `activator_contract`."""
    texts = find_templates(activator) if templates is None else {f"template {n}": t for n, t in enumerate(templates, 1)}
    checks = [
        Check("name", lambda _: check_named(activator)),
        Check("documentation", lambda _: check_documented("activator", activator)),
        Check("supports-an-interpreter", lambda _: check_supports(activator)),
        Check("slots-outside-quotes", lambda _: check_slots(texts)),
        Check("relocatable", lambda _: check_relocatable(activator)),
        Check("slot-like-names", lambda _: check_slot_like_name(activator)),
        Check("plain-texts", lambda _: check_plain_texts(activator)),
    ]
    if hasattr(activator, "source_line"):
        checks.append(Check("source-line", lambda _: check_source_line(activator.source_line)))
    if hasattr(activator, "shells"):
        checks.append(Check("shells", lambda _: check_names("shells", activator.shells)))
    if hasattr(activator, "script_names"):
        checks.append(Check("script-names", lambda _: check_script_names(activator, activator.script_names)))
    if hasattr(activator, "read_words"):
        checks.append(Check("read-words", lambda _: check_read_words(activator, activator.read_words)))
    if hasattr(activator, "joins_quoted"):
        checks.append(Check("joins-quoted", lambda _: check_joins_quoted(activator, activator.joins_quoted)))
    for kind in KINDS:
        checks.append(Check(f"refusal-{kind}", partial(check_refusal, activator, kind)))
        checks.append(Check(f"scripts-{kind}", partial(check_scripts, activator, kind)))
    checks += [Check(f"writes-or-refuses-{name}", partial(check_hostile, activator, name)) for name in HOSTILE]
    return checks + (shell_checks(activator, shell) if shell is not None else [])


# Required attributes


def check_named(activator: Activator) -> None:
    """Check that the activator has a name for `--activators`, and all methods that the core calls."""
    check_name("activator", getattr(activator, "name", None))
    for method in ("refusal", "quote", "scripts"):
        if not callable(getattr(activator, method, None)):
            broken(f"the activator has no method `{method}`")


def check_supports(activator: Activator) -> None:
    """Check that the activator supports at least one interpreter."""
    if not supported_kinds(activator):
        broken("the activator refuses every interpreter of the contract kit, so it can never be used")


def check_refusal(activator: Activator, kind: str, _: Path) -> None:
    """Check that `refusal` always returns the same result: None, or a sentence for users."""
    check_sentence("`refusal`", call_twice("`refusal`", lambda: activator.refusal(KINDS[kind])))


def check_scripts(activator: Activator, kind: str, directory: Path) -> None:
    """Check that `scripts` always returns the same scripts, with unique file names and complete texts."""
    if (refusal := activator.refusal(KINDS[kind])) is not None:
        not_applicable(f"the activator refuses {KINDS[kind].name}: {refusal}")
    scripts = scripts_of(activator, environment_of(kind, directory / "env"))
    if os.path.lexists(directory / "env"):
        broken("`scripts` creates the environment's directory; a plugin must not have side effects")
    if not scripts:
        broken("`scripts` returns no script, but `refusal` returns no reason")
    names = set()
    for script in scripts:
        if script.name in ("", ".", "..") or any(letter in '/\\:*?"<>|' or letter < " " for letter in script.name):
            broken(f"a script has the name {script.name!r}; it must be a file name that is valid on every system")
        if script.name in names:
            broken(f"`scripts` returns two scripts with the name `{script.name}`")
        names.add(script.name)
        check_text(script)


def scripts_of(activator: Activator, environment: Environment) -> list[Script]:
    """Return the scripts of an activator.

    :raises Broken: they differ between two calls, have a wrong type, or the call has a side effect.
    """
    scripts = call_twice("`scripts`", lambda: list(activator.scripts(environment)))
    for script in scripts:
        if not isinstance(script, Script):
            broken(f"`scripts` returns {script!r}, which is not a `cloche.Script`")
    return scripts


def check_text(script: Script) -> None:
    """Check that the text of a script is complete, and that its line endings are correct."""
    if not script.text.strip():
        broken(f"`{script.name}` is empty")
    if script.newline not in ("\n", "\r\n"):
        broken(f"`{script.name}` has the `newline` {script.newline!r}; it must be '\\n' or '\\r\\n'")
    if "\r" in script.text:
        broken(f"`{script.name}` contains carriage returns; write `\\n`, with `newline='\\r\\n'` if the shell needs it")
    if not script.text.endswith("\n"):
        broken(f"the last line of `{script.name}` does not end with `\\n`")
    if SLOT_PREFIX in script.text:
        name = SLOT_PREFIX + script.text.partition(SLOT_PREFIX)[2].partition("__")[0]
        broken(f"`{script.name}` contains the slot `{name}__`; replace slots with `cloche.render`")


def check_slot_like_name(activator: Activator) -> None:
    """Check that the name of a directory is left unchanged if it looks like a slot."""
    kind, name, prompt = supported_kinds(activator)[0], f"{SLOT_PREFIX}PROMPT__", "cloche0kit0prompt"
    counts = []
    for directory in ("plain", name):
        environment = environment_of(kind, absolute_path(kind, directory), prompt=prompt)
        try:
            scripts = scripts_of(activator, environment)
        except Inexpressible as error:
            not_applicable(f"the activator cannot write the name of a slot: {error.message}")
        counts.append(sum(script.text.count(prompt) for script in scripts))
    if counts[0] != counts[1]:
        broken(
            f"in a directory named `{name}`, the scripts replace the name with the prompt; do not search values for slots"
        )


def check_relocatable(activator: Activator) -> None:
    """Check that the scripts of a relocatable environment either do not depend on its path or contain the full path."""
    kind = supported_kinds(activator)[0]
    roots = [absolute_path(kind, name) for name in ("one", "other")]
    texts = []
    for root in roots:
        environment = environment_of(kind, root, placement="relocatable", naming="directory")
        texts.append([script.text for script in scripts_of(activator, environment)])
    contains_root = [any(root in text for text in own) for root, own in zip(roots, texts, strict=True)]
    if texts[0] != texts[1] and not all(contains_root):
        broken("the scripts of a relocatable environment contain the name of its directory, but not its path")


def check_plain_texts(activator: Activator) -> None:
    """Check that `quote` accepts ordinary texts, and always returns the same result."""
    for text in PLAIN:
        try:
            quoted = call_twice("`quote`", partial(activator.quote, text))
        except Inexpressible as error:
            broken(f"`quote` refuses {text!r}, which every shell can express: {error.message}")
        if not isinstance(quoted, str):
            broken(f"`quote` returns {quoted!r} for {text!r}; it must return a string")


def check_hostile(activator: Activator, name: str, _: Path) -> None:
    """Check that `scripts` accepts a difficult name, or raises `Inexpressible`."""
    kind = supported_kinds(activator)[0]
    environment = environment_of(kind, absolute_path(kind, directory_name(HOSTILE[name])), prompt=HOSTILE[name])
    try:
        scripts_of(activator, environment)
    except Inexpressible as error:
        check_sentence("the message of `Inexpressible`", error.message)
    except Broken:
        raise
    except Exception as error:
        message = (
            f"`scripts` raises {error!r} for {HOSTILE[name]!r}; it must raise `Inexpressible` if it refuses a text"
        )
        broken(message, cause=cause_of(error))


# Optional attributes


def check_source_line(source_line: Callable[[str], str]) -> None:
    """Check that `source_line` always returns the same command on one line, or raises `Inexpressible`."""
    for text in (*PLAIN, *HOSTILE.values()):
        path = f"./{directory_name(text)}/bin/activate"
        try:
            line: object = call_twice("`source_line`", partial(source_line, path))
        except Inexpressible as error:
            check_sentence("the message of `Inexpressible`", error.message)
            if text in PLAIN:
                broken(f"`source_line` refuses {path!r}, which every shell can express: {error.message}")
            continue
        if not isinstance(line, str) or not line.strip():
            broken(f"`source_line` returns {line!r} for {path!r}; it must return a command")
        if "\n" in line and "\n" not in path:
            broken(f"`source_line` returns several lines for {path!r}; it must return one")


def check_names(attribute: str, names: object) -> None:
    """Check that an attribute is a tuple of names, and not a string by mistake."""
    if not isinstance(names, tuple) or not names or not all(isinstance(name, str) and name for name in names):
        broken(f"`{attribute}` is {names!r}; it must be a tuple of names")


def check_script_names(activator: Activator, names: tuple[str, ...]) -> None:
    """Check that `script_names` contains the names of all scripts, and begins with that of the first script."""
    check_names("script_names", names)
    kind = supported_kinds(activator)[0]
    own = [script.name for script in scripts_of(activator, environment_of(kind, absolute_path(kind, "env")))]
    if missing := [name for name in own if name.lower() not in map(str.lower, names)]:
        broken(f"`scripts` returns `{missing[0]}`, which is not in `script_names`")
    if own and own[0] != names[0]:
        broken(f"`script_names` begins with `{names[0]}`, but the first script is `{own[0]}`")


def check_read_words(activator: Activator, read_words: Callable[[str], Iterable[Word]]) -> None:
    """Check that `read_words` finds the words that `quote` writes, with the original texts."""
    for text in (*PLAIN, *HOSTILE.values()):
        try:
            quoted = activator.quote(text)
        except Inexpressible:
            continue
        found = list(read_words(f"x {quoted}"))
        if Word(2, 2 + len(quoted), text) not in found:
            broken(f"`read_words` does not find {text!r} in {f'x {quoted}'!r}; it returns {found!r}")


def check_joins_quoted(activator: Activator, joins: object) -> None:
    """Check that `joins_quoted` is true or false, and that `read_words` reads adjacent quoted texts accordingly."""
    if not isinstance(joins, bool):
        broken(f"`joins_quoted` is {joins!r}; it must be True or False")
    read_words = getattr(activator, "read_words", None)
    if read_words is None:
        not_applicable("the activator has no `read_words`, so nothing says how its shell reads adjacent quoted texts")
    line = activator.quote("one two") + activator.quote("three four")
    is_joined = Word(0, len(line), "one twothree four") in list(read_words(line))
    if is_joined != joins:
        broken(f"`joins_quoted` is {joins}, but `read_words` returns {list(read_words(line))!r} for {line!r}")


# Templates


def find_templates(activator: Activator) -> dict[str, str]:
    """Return the texts of the files with slots in the directory of the activator's module, by file name."""
    module = sys.modules.get(type(activator).__module__)
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    if not origin or not os.path.isfile(origin):
        return {}
    found = {}
    for path in sorted(Path(origin).parent.iterdir()):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            text = path.read_text("utf-8-sig", errors="replace")
            if SLOT_PREFIX in text:
                found[path.name] = text
    return found


def check_slots(templates: Mapping[str, str]) -> None:
    """Check that every slot is closed, and outside quotes and comments, because `quote` adds the quotes."""
    if not templates:
        not_applicable("the directory of the activator's module contains no file with slots")
    for template, text in templates.items():
        for number, line in enumerate(text.split("\n"), 1):
            before = ""
            for piece in line.split(SLOT_PREFIX)[1:]:
                before = line[: line.index(SLOT_PREFIX, len(before))]
                name, closed, _ = piece.partition("__")
                slot, where = f"{SLOT_PREFIX}{name}__", f"`{template}`, line {number}"
                if not closed or not name.replace("_", "").isalnum() or name.upper() != name:
                    broken(
                        f"{where}: `{SLOT_PREFIX}{name[:20]}` is not a valid slot; write slots as `{SLOT_PREFIX}ROOT__`"
                    )
                if quote := open_quote(before):
                    broken(f"{where}: `{slot}` is inside {quote}quotes{quote}; `quote` adds the quotes")
                if before.lstrip()[:1] == "#" or before.lstrip()[:4].lower() in ("rem ", "@rem"):
                    broken(f"{where}: `{slot}` is in a comment, which a line break in a name would end")
                before += SLOT_PREFIX


def open_quote(text: str) -> str:
    """Return the quote character that is open at the end of `text`, or an empty string."""
    quote, escaped = "", False
    for letter in text:
        if escaped:
            escaped = False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
    return quote

"""Edit the user's `config.toml`: set and remove keys, keep everything else in it, and write it all or nothing."""

from __future__ import annotations

import os

from cloche.cli.setting_values import parse_replacements, parse_values
from cloche.cli.settings import PREFIX
from cloche.errors import ClocheError, UsageError, reason_of
from cloche.fs import is_unicode, read_at_most, write_all
from cloche.fs.locks import DirectoryLock
from cloche.fs.toml import parse_toml
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    from tomlkit import TOMLDocument

    from cloche.model.interpreter import Host
    from cloche.model.options import Option

    Check: TypeAlias = Callable[[str, Mapping[str, object], Mapping[str, object]], object]
    """Called with the key that changes, and with the content of the file before and after."""

MAX_BYTES = 1 << 22
"""The maximum size of a config file."""


def typed_value(name: str, values: Sequence[str], option: Option | None, host: Host) -> bool | str | list[str]:
    """Return the value of a key as TOML has it, from the words of a command line.

    :param option: the option that the key sets; None for `replace`.
    :raises UsageError: the words are not valid for this option.
    """
    if option is None:
        parse_replacements([*values], "the command line")
        return [*values]
    if option.kind not in ("list", "words") and len(values) > 1:
        raise UsageError(f"`{name}` takes one value, but got {len(values)}", hint="quote a value that contains spaces")
    checked = parse_values(option, values[0] if len(values) == 1 else [*values], f"`{name}`")
    if option.kind == "flag":
        return checked[-1] == "true"
    if option.is_path:  # a relative path would mean another directory in each current directory
        if not host.cwd and (relative := [path for path in checked if not os.path.isabs(path)]):
            raise UsageError(
                f"`{relative[0]}` is relative, and the current directory has been removed", hint="give an absolute path"
            )
        checked = tuple(os.path.join(host.cwd, path) for path in checked)
    return [*checked] if option.kind == "list" else checked[-1]


def edit(path: str, change: Callable[[TOMLDocument], bool]) -> bool:
    """Edit a config file; create it if it does not exist. Return whether `change` changed it.

    A symbolic link is followed, because configuration is often kept elsewhere and linked.

    :raises ClocheError: the file cannot be read or written, or is not valid TOML; it is unchanged.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    target = os.path.realpath(path)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with DirectoryLock(os.path.dirname(target)):
            text = read_config(target)
            try:
                parse_toml(text)
                document = tomlkit.parse(text)
            except (ValueError, TOMLKitError) as error:
                raise UsageError(
                    f"`{path}` cannot be edited: {reason_of(error)}", hint="correct the file with a text editor"
                ) from error
            if not change(document):
                return False
            edited = tomlkit.dumps(document)
            parse_toml(edited)  # what was written is also what is read
            replace_text(target, edited)
    except OSError as error:
        raise ClocheError(
            f"cannot write `{path}`: {reason_of(error)}", hint="check the permissions of the file"
        ) from error
    return True


def read_config(path: str) -> str:
    """Return the text of a config file; empty if it does not exist.

    :raises UsageError: it cannot be read, or is not a regular file of a sensible size, or not UTF-8.
    """
    if not os.path.lexists(path):
        return ""
    errors: list[OSError] = []
    content = read_at_most(path, MAX_BYTES + 1, errors.append)
    if errors:
        raise UsageError(
            f"`{path}` cannot be edited: {reason_of(errors[0])}", hint="check the permissions of the file"
        ) from errors[0]
    try:
        if content is not None and len(content) <= MAX_BYTES:
            return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise UsageError(f"`{path}` cannot be edited: it is not a TOML file", hint="check `CLOCHE_CONFIG_FILE`")


def replace_text(path: str, text: str) -> None:
    """Replace a file in one step, with the permissions that it had.

    :raises OSError: a system call failed; the file is unchanged.
    """
    temporary = f"{path}.{os.getpid()}.new"
    mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o644
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), mode)
    try:
        try:
            write_all(descriptor, text.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def spellings_in(document: Mapping[str, object], name: str) -> list[str]:
    """Return the keys of a document that set an option: `link-mode`, `link_mode`."""
    return [key for key in document if key.replace("_", "-") == name]


def set_value(path: str, name: str, given: bool | str | list[str], check: Check) -> None:
    """Set a key in a config file.

    :param check: raises an error if the file must not have the new content.
    :raises UsageError: the value is not Unicode: it contains a byte that is not UTF-8.
    :raises ClocheError: see `edit`, or raised by `check`; the file is unchanged.
    """
    for text in given if isinstance(given, list) else [given]:
        if isinstance(text, str) and not is_unicode(text):
            raise UsageError(
                f"`{name}` cannot be set to `{text}`: it is not valid UTF-8, as the text in a TOML file must be",
                hint=f"use another value, or the variable `{PREFIX}{name.upper().replace('-', '_')}`",
            )

    def change(document: TOMLDocument) -> bool:
        [key, *others] = spellings_in(document, name) or [name]
        before = document.unwrap()
        kept = {other: present for other, present in before.items() if other not in others}
        check(key, before, {**kept, key: given})
        document[key] = given
        for other in others:
            del document[other]
        return True

    edit(path, change)


def unset_value(path: str, name: str) -> bool:
    """Remove a key from a config file; return whether it was there.

    :raises ClocheError: see `edit`.
    """

    def change(document: TOMLDocument) -> bool:
        keys = spellings_in(document, name)
        for key in keys:
            del document[key]
        return bool(keys)

    return os.path.lexists(path) and edit(path, change)

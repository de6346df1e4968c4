"""Keep the owner, the group and the extended attributes of files and directories that are copied or replaced.

New entries belong to the user who runs cloche, often the superuser, and to that user's group. Nothing here follows a link,
and new entries are named relative to a descriptor of their tree where possible: the owner of the directory that contains the
tree may change what an absolute path leads to.
"""

from __future__ import annotations

import os
import stat

KEPT_ATTRIBUTES = ("user.", "system.posix_acl_")
"""The beginnings of the names of extended attributes that are kept; the system sets the others (see xattr(7))."""


def keep_owner(path: str, directory: int | None, owner: os.stat_result) -> bool:
    """Give a new entry the owner and the group in `owner`, as far as the system allows; return whether it has both.

    Only the superuser can give files away; others can choose one of their groups. Permission bits have to be set later,
    because a file loses `setuid` and `setgid`.

    :param directory: a descriptor that `path` is relative to; None for an absolute path.
    """
    if os.name == "nt":
        return True
    status = os.stat(path, dir_fd=directory, follow_symlinks=False)
    if (status.st_uid, status.st_gid) == (owner.st_uid, owner.st_gid):
        return True
    for user in dict.fromkeys((owner.st_uid, -1)):
        try:
            os.chown(path, user, owner.st_gid, dir_fd=directory, follow_symlinks=False)
        except OSError:
            continue  # not allowed, or not supported by the file system
        return user != -1 or status.st_uid == owner.st_uid
    return False


def keep_attributes(path: str, directory: int | None, source: str, status: os.stat_result) -> None:
    """Give a new file or directory the owner, the extended attributes and the mode of `source`.

    :param directory: a descriptor that `path` is relative to; None for an absolute path.
    :param source: an absolute path.
    :param status: the status of the source.
    :raises OSError: a system call failed.
    """
    is_same_owner = keep_owner(path, directory, status)
    keep_extended_attributes(path, directory, source)
    if os.name != "nt":
        os.chmod(path, allowed_mode(status.st_mode, is_same_owner), dir_fd=directory)


def allowed_mode(mode: int, is_same_owner: bool) -> int:
    """Return the permission bits for a copy: a file that got another owner must not run with the rights of that owner."""
    return mode & 0o7777 if is_same_owner or stat.S_ISDIR(mode) else mode & 0o1777


def keep_extended_attributes(path: str, directory: int | None, source: str) -> bool:
    """Give a new file or directory the extended attributes of `source`, such as access control lists, where supported.

    Return whether it may have some; its permission bits have to be set afterwards.

    :param source: an absolute path.
    """
    if not hasattr(os, "listxattr"):  # only Linux has them
        return False
    try:
        names = [name for name in os.listxattr(source, follow_symlinks=False) if name.startswith(KEPT_ATTRIBUTES)]
        if not names:
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError:
        return False
    try:
        for name in names:
            try:
                os.setxattr(descriptor, name, os.getxattr(source, name, follow_symlinks=False))
            except OSError:
                pass  # the other file system has none
    finally:
        os.close(descriptor)
    return True


def give_to_owner(owner: os.stat_result, created: os.stat_result, tree: int) -> None:
    """Give what this run has created in a tree to the owner and the group of the directory that the tree is for.

    Files with several links stay as they are, because other environments share them.

    :param owner: the status of that directory.
    :param created: the status of something that this run has created.
    :param tree: a descriptor of the tree.
    :raises OSError: a system call failed.
    """
    if (created.st_uid, created.st_gid) == (owner.st_uid, owner.st_gid):
        return
    for _, names, files, descriptor in os.fwalk(".", topdown=False, dir_fd=tree):  # a directory after what is in it
        for name in (*names, *files):
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            is_shared = status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)
            if not is_shared and (status.st_uid, status.st_gid) == (created.st_uid, created.st_gid):
                keep_owner(name, descriptor, owner)
    keep_owner(".", tree, owner)

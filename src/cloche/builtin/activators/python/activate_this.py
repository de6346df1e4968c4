"""Activate this environment in the running Python, which must have the same version as the environment.

    import runpy
    runpy.run_path("ENVIRONMENT/bin/activate_this.py")

or `exec(open(path).read(), {"__file__": path})`. Modules that are already imported do not change, and the activation
cannot be undone.
"""

import sys

USAGE = "you must run this file with `runpy.run_path(path)` or `exec(open(path).read(), {'__file__': path})`"


def is_absolute(path):
    return not isinstance(path, str) or path[:1] in ("/", "\\") or path[1:2] == ":"


def activate(script):
    """Activate the environment that contains the script."""
    before = list(sys.path)
    # The current directory must not provide modules that are imported here, or by .pth files of the environment.
    sys.path[:] = [path for path in before if is_absolute(path)]
    try:
        import os
        import site

        try:
            sys.path[:] = [path for path in sys.path if path != os.getcwd()]
        except OSError:  # it was removed
            pass
        first = add_environment(script, os, site)
        sys.path[:] = first + [path for path in before if path not in first]
    except BaseException:
        sys.path[:] = before
        raise


def add_environment(script, os, site):
    """Set the variables and prefixes; return the new entries of the search path.

    The modules are parameters, because they must be imported with the search path of `activate`.
    """
    bin_directory = os.path.dirname(os.path.abspath(script))
    bin_name = __CLOCHE_BIN_NAME__.replace("/", os.sep)
    root = bin_directory[: -len(bin_name)].rstrip(os.sep) or os.sep
    if os.path.join(root, bin_name) != bin_directory:
        raise AssertionError(USAGE)

    # These texts have the right bytes in UTF-8, whatever the locale.
    texts = (__CLOCHE_PROMPT__, __CLOCHE_TCL_LIBRARY__, __CLOCHE_TK_LIBRARY__)
    prompt, tcl, tk = (os.fsdecode(text.encode("utf-8", "surrogateescape")) for text in texts)

    def put_first(name, path):
        others = os.environ.get(name, "").split(os.pathsep)
        os.environ[name] = os.pathsep.join([path] + [other for other in others if other not in ("", path)])

    put_first("PATH", bin_directory)
    put_first("PKG_CONFIG_PATH", os.path.join(root, "lib", "pkgconfig"))
    os.environ.pop("PYTHONHOME", None)
    os.environ["VIRTUAL_ENV"] = root
    os.environ["VIRTUAL_ENV_PROMPT"] = os.path.basename(root) if __CLOCHE_NAMING__ == "directory" else prompt
    if tcl:
        os.environ["TCL_LIBRARY"] = tcl
    if tk:
        os.environ["TK_LIBRARY"] = tk

    # `addsitedir` appends the directory and those in its .pth files.
    others = set(sys.path)
    first = [os.path.normpath(os.path.join(bin_directory, path)) for path in (__CLOCHE_SITE__, __CLOCHE_PLATSITE__)]
    for directory in first:
        site.addsitedir(directory)
    first += [path for path in sys.path if path not in others]
    # Tools recognize this kind of activation by `real_prefix`, which virtualenv sets too.
    sys.real_prefix = getattr(sys, "real_prefix", sys.prefix)
    sys.prefix = sys.exec_prefix = root
    return sorted(set(first), key=first.index)


if "__file__" not in globals():
    raise AssertionError(USAGE)
activate(__file__)

"""Activate this environment in the running Python, which must have the same version as the environment.

    import runpy
    runpy.run_path("ENVIRONMENT/bin/activate_this.py")

or `exec(open(path).read(), {"__file__": path})`. Modules that are already imported do not change, and the activation
cannot be undone.
"""

import os
import site
import sys

USAGE = "you must run this file with `runpy.run_path(path)` or `exec(open(path).read(), {'__file__': path})`"


def activate(script):
    bin_directory = os.path.dirname(os.path.abspath(script))
    bin_name = __CLOCHE_BIN_NAME__.replace("/", os.sep)
    root = bin_directory[: -len(bin_name)].rstrip(os.sep) or os.sep
    if os.path.join(root, bin_name) != bin_directory:
        raise AssertionError(USAGE)

    def put_first(name, path):
        others = os.environ.get(name, "").split(os.pathsep)
        os.environ[name] = os.pathsep.join([path] + [other for other in others if other not in ("", path)])

    put_first("PATH", bin_directory)
    put_first("PKG_CONFIG_PATH", os.path.join(root, "lib", "pkgconfig"))
    os.environ.pop("PYTHONHOME", None)
    os.environ["VIRTUAL_ENV"] = root
    os.environ["VIRTUAL_ENV_PROMPT"] = os.path.basename(root) if __CLOCHE_NAMING__ == "directory" else __CLOCHE_PROMPT__
    if __CLOCHE_TCL_LIBRARY__:
        os.environ["TCL_LIBRARY"] = __CLOCHE_TCL_LIBRARY__
    if __CLOCHE_TK_LIBRARY__:
        os.environ["TK_LIBRARY"] = __CLOCHE_TK_LIBRARY__

    # `addsitedir` appends the directory and those in its .pth files; move all of them to the front.
    before = list(sys.path)
    first = [os.path.normpath(os.path.join(bin_directory, path)) for path in (__CLOCHE_SITE__, __CLOCHE_PLATSITE__)]
    for directory in first:
        site.addsitedir(directory)
    first += [path for path in sys.path if path not in before]
    sys.path[:] = sorted(set(first), key=first.index) + [path for path in before if path not in first]

    # Tools recognize an environment that was activated in this way by `real_prefix`, as virtualenv sets it.
    sys.real_prefix = getattr(sys, "real_prefix", sys.prefix)
    sys.prefix = sys.exec_prefix = root


if "__file__" not in globals():
    raise AssertionError(USAGE)
activate(__file__)

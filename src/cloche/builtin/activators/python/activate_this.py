"""Activate this environment in the Python that is running, which must be of the version that it was made for.

    import runpy
    runpy.run_path("ENVIRONMENT/bin/activate_this.py")

or `exec(open(path).read(), {"__file__": path})`. What has been imported stays as it is, and there is no way back.
"""

import os
import site
import sys

HOW = "you must run this file with `runpy.run_path(path)` or `exec(open(path).read(), {'__file__': path})`"


def activate(script):
    bin_directory = os.path.dirname(os.path.abspath(script))
    bin_name = __CLOCHE_BIN_NAME__.replace("/", os.sep)
    root = bin_directory[: -len(bin_name)].rstrip(os.sep) or os.sep
    if os.path.join(root, bin_name) != bin_directory:
        raise AssertionError(HOW)

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

    # `addsitedir` reads .pth files, which may add more, and appends; all of it goes before what was there.
    before = list(sys.path)
    first = [os.path.normpath(os.path.join(bin_directory, path)) for path in (__CLOCHE_SITE__, __CLOCHE_PLATSITE__)]
    for directory in first:
        site.addsitedir(directory)
    first += [path for path in sys.path if path not in before]
    sys.path[:] = sorted(set(first), key=first.index) + [path for path in before if path not in first]

    # `real_prefix` is where virtualenv keeps what tools take for the sign of an environment that was entered like this.
    sys.real_prefix = getattr(sys, "real_prefix", sys.prefix)
    sys.prefix = sys.exec_prefix = root


if "__file__" not in globals():
    raise AssertionError(HOW)
activate(__file__)

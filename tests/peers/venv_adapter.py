"""A pytest plugin that makes the module `venv` create environments with cloche."""

import ensurepip
import sys
import venv

import cloche


def create(self, env_dir):
    """Replace `EnvBuilder.create`: the options of the builder become those of cloche."""
    try:
        cloche.create(
            env_dir,
            python=getattr(sys, "_base_executable", sys.executable),
            creator="symlink" if self.symlinks else "copy",
            seeds=[f"pip=={ensurepip.version()}"] if self.with_pip else None,
            existing="replace-anything" if self.clear else "keep",
            site_packages="system" if self.system_site_packages else "isolated",
            prompt=self.prompt,
            vcs_ignore="git" in getattr(self, "scm_ignore_files", ()),
            network="never",
        )
    except cloche.ClocheError as error:
        raise ValueError(str(error)) from error


venv.EnvBuilder.create = create

"""Test that packed environments run elsewhere, have the same bytes, and leave nothing half-written."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from cloche.builtin.packers.squashfs import SquashfsPacker
from cloche.lifecycle.pack.entries import inner_target
from cloche.model.archive import Member
from tests.run import Cloche
from tests.tools import require, skip_missing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portable environment, which no test changes."""
    directory = tmp_path_factory.mktemp("portable")
    done = Cloche(directory, os.environ)("./env", "--creator", "portable", "--relocatable")
    assert done.code == 0, done
    return directory / "env"


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    return Cloche(tmp_path, os.environ)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def output_of(*words: object, cwd: object = "/") -> str:
    done = subprocess.run(
        [*map(str, words)], capture_output=True, text=True, check=False, cwd=str(cwd), env={"PATH": os.defpath}
    )
    assert done.returncode == 0, done
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["e.tar.gz", "e.tar.zst", "e.zip", "e.squashfs"])
def test_a_packed_environment_is_unpacked_and_runs(cloche: Cloche, env: Path, name: str) -> None:
    assert cloche("pack", env, "-o", name).code == 0
    done = cloche("unpack", name, "there")

    assert (done.code, done.err) == (0, "")
    assert output_of(cloche.cwd / "there/bin/pip", "--version").startswith("pip ")
    assert sorted(os.listdir(cloche.cwd)) == sorted([name, "there"])
    output_of("sha256sum", "--quiet", "-c", ".cloche-files", cwd=cloche.cwd / "there")


@pytest.mark.parametrize(
    ("name", "words"), [("e.tar.gz", "tar -xf"), ("e.zip", "unzip -q"), ("e.squashfs", "unsquashfs -q")]
)
def test_other_programs_unpack_an_archive(cloche: Cloche, env: Path, name: str, words: str) -> None:
    program = require(words.split()[0])
    assert cloche("pack", env, "-o", name).code == 0
    output_of(program, *words.split()[1:], cloche.cwd / name, cwd=cloche.cwd)
    root = cloche.cwd / "squashfs-root" if "squashfs" in name else cloche.cwd
    assert output_of(root / "bin/python", "-c", "import pip, ssl; print(pip.__cached__ is not None)") == "True"


def test_only_root_can_write_to_the_root_of_a_file_system(tmp_path: Path) -> None:
    require("mksquashfs")
    file = tmp_path / "e.squashfs"
    SquashfsPacker().write(iter([Member("bin", "directory", 0o755, 0)]), str(file))

    listed = output_of(require("unsquashfs"), "-lls", file).splitlines()
    assert [line.split()[0] for line in listed if line.startswith("d")] == ["drwxr-xr-x", "drwxr-xr-x"]


@pytest.mark.parametrize("name", ["e.tar.gz", "e.tar.zst", "e.zip", "e.squashfs"])
def test_an_archive_has_the_same_bytes_everywhere(cloche: Cloche, tmp_path: Path, env: Path, name: str) -> None:
    """Another path, user, umask, time zone, locale, times, bytecode and number of processors do not show."""
    setpriv, taskset = require("setpriv"), require("taskset")
    if os.geteuid():
        skip_missing("another user needs root")
    other = tmp_path / "another place" / "copy"
    other.parent.mkdir()
    os.umask(0o022)
    done = cloche(other, "--creator", "portable", "--relocatable", "--link-mode", "copy")
    assert done.code == 0, done
    output_of(other / "bin/python", "-c", "import pip, http.server")
    for path in other.rglob("*.py"):
        os.utime(path, (time.time() + 86400, time.time() + 86400))
    subprocess.run(["chown", "-R", "65534:65534", other.parent], check=True)
    assert cloche("pack", env, "-o", name).code == 0
    capability = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]  # to get at this Python
    shell = 'umask 077; exec "$@"'
    words = [taskset, "-c", "0", setpriv, "--reuid", "65534", "--clear-groups", *capability, "sh", "-c", shell, "sh"]
    second = subprocess.run(
        [*words, sys.executable, "-m", "cloche", "pack", str(other), "-o", str(other.parent / name)],
        capture_output=True, text=True, check=False, cwd="/",
        env={"PATH": os.environ["PATH"], "TZ": "Asia/Tokyo", "LC_ALL": "C", "HOME": str(other.parent), "PYTHONHASHSEED": "7"},
    )  # fmt: skip

    assert second.returncode == 0, second
    assert digest(cloche.cwd / name) == digest(other.parent / name)


def test_times_come_from_source_date_epoch(cloche: Cloche, env: Path) -> None:
    assert cloche("pack", env, "-o", "e.tar.gz", "--prefix", "top", SOURCE_DATE_EPOCH="1234567890").code == 0

    with tarfile.open(cloche.cwd / "e.tar.gz") as archive:
        found = archive.getmembers()
    assert {member.mtime for member in found} == {1234567890}
    assert {member.name.split("/")[0] for member in found} == {"top"}
    assert {(member.uid, member.gid, member.uname) for member in found} == {(0, 0, "")}
    assert cloche("unpack", "e.tar.gz", "there").code == 0
    assert (cloche.cwd / "there/bin/python").is_file()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("", 2, "missing option `--output FILE`"),
        ("-o ENV/e.zip", 4, "is inside the environment"),
        ("-o taken.zip", 4, "already exists"),
        ("-o missing/e.zip", 4, "does not exist"),
        ("-o - --format zip", 2, "cannot be written to standard output"),
        ("-o e.rar", 2, "cannot tell the format from the name"),
        ("-o e.zip --format rar", 2, "unknown packer `rar`"),
        ("-o e.zip --prefix a/b", 2, "is not a valid directory name"),
        ("-o e.zip --prefix ..", 2, "is not a valid directory name"),
        ("-o e.zip --prefix %20", 2, "is not a valid directory name"),
        ("-o e.zip --prefix a%0Ab", 2, "is not a valid directory name"),
        ("-o e.zip --prefix a%FFb", 2, "is not a valid directory name"),
        (f"-o e.zip --prefix {'long' * 64}", 2, "is not a valid directory name"),
        ("-o pipe --format zip --force", 4, "is a device, a pipe or a socket"),
        ("-o /dev/full --format zip --force", 4, "is a device, a pipe or a socket"),
    ],
)
def test_invalid_arguments_are_refused(cloche: Cloche, env: Path, words: str, code: int, message: str) -> None:
    (cloche.cwd / "taken.zip").write_text("mine")
    os.mkfifo(cloche.cwd / "pipe")
    done = cloche(
        "pack", env, *(unquote(word, errors="surrogateescape") for word in words.replace("ENV", str(env)).split())
    )

    assert done.code == code
    assert message in done.err.splitlines()[0]
    assert len(done.err.splitlines()) == 2
    assert sorted(os.listdir(cloche.cwd)) == ["pipe", "taken.zip"]
    assert (cloche.cwd / "taken.zip").read_text() == "mine"


def test_the_name_of_an_open_file_is_refused(cloche: Cloche, env: Path) -> None:
    """`/dev/stdout` is a link, which must not be replaced even if it leads to an ordinary file."""
    with open(cloche.cwd / "output", "wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "cloche", "pack", env, "--format", "zip", "--force", "-o", "/proc/self/fd/1"],
            cwd=cloche.cwd,
            env=cloche.environ,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 4
    assert "is a device, a pipe or a socket" in done.stderr


def test_a_pattern_that_matches_nothing_is_a_warning(cloche: Cloche, env: Path) -> None:
    """Patterns have no `/` at their start or end."""
    options = [
        word
        for pattern in ("activate.fish", "bin/activate.csh", "/bin/activate", "bin/")
        for word in ("--exclude", pattern)
    ]

    done = cloche("pack", env, "-o", "packed", "--format", "dir", *options)

    assert done.code == 0
    assert done.err.splitlines() == [
        "cloche: warning: `--exclude /bin/activate` matches nothing",
        "cloche: warning: `--exclude bin/` matches nothing",
    ]
    assert not {"activate.fish", "activate.csh"} & set(os.listdir(cloche.cwd / "packed" / "bin"))


def test_an_environment_that_works_only_at_its_path_is_refused(cloche: Cloche) -> None:
    assert cloche("./fixed", "--no-seed").code == 0
    assert cloche("./base", "--no-seed", "--relocatable").code == 0

    assert "is not relocatable" in cloche("pack", "fixed", "-o", "e.zip").err
    assert "--with-base-outside" in cloche("pack", "base", "-o", "e.zip").err
    assert cloche("pack", "base", "-o", "e.zip", "--with-base-outside").code == 0
    assert cloche("unpack", "e.zip", "there").code == 0
    assert output_of(cloche.cwd / "there/bin/python", "-c", "import sys; print(sys.prefix)") == str(
        cloche.cwd / "there"
    )


def test_links_that_lead_out_are_refused_or_followed(cloche: Cloche, env: Path) -> None:
    copy = shutil.copytree(env, cloche.cwd / "copy", symlinks=True)
    (cloche.cwd / "data").write_text("text")
    (copy / "out").symlink_to(cloche.cwd / "data")

    refused = cloche("pack", "copy", "-o", "e.tar.gz")
    assert (refused.code, "`out`" in refused.err) == (1, True)
    assert cloche("pack", "copy", "-o", "e.tar.gz", "--follow").code == 0
    with tarfile.open(cloche.cwd / "e.tar.gz") as archive:
        assert archive.extractfile("out").read() == b"text"  # type: ignore[union-attr]
    assert cloche("pack", "copy", "-o", "e.tar.gz", "--exclude", "out", "--force").code == 0


def test_a_link_to_a_name_that_begins_with_dots_stays_inside(tmp_path: Path) -> None:
    """Kubernetes mounts files as links into a directory with the name `..data`."""
    link = tmp_path / "env" / "link"
    link.parent.mkdir()
    for target, is_inside in {"..data/file": True, "lib/../..data": True, "../..data": False, "..": False}.items():
        link.symlink_to(target)
        assert inner_target("link", str(link), str(link.parent)) == (target if is_inside else "")
        link.unlink()


@pytest.mark.parametrize("name", ["pyvenv.cfg", "python*"])
def test_what_every_environment_needs_cannot_be_left_out(cloche: Cloche, env: Path, name: str) -> None:
    refused = cloche("pack", env, "-o", "e.tar.gz", "--exclude", name)

    assert (refused.code, "which every environment needs" in refused.err) == (2, True), refused.err
    assert os.listdir(cloche.cwd) == []


def test_packages_can_be_packed_without_the_directory_of_programs(cloche: Cloche, env: Path) -> None:
    """AWS Lambda has a Python of its own."""
    assert cloche("pack", env, "-o", "packed", "--format", "dir", "--exclude", "bin").code == 0
    assert "lib" in os.listdir(cloche.cwd / "packed")
    assert "bin" not in os.listdir(cloche.cwd / "packed")


def test_a_socket_is_refused(cloche: Cloche, env: Path) -> None:
    copy = shutil.copytree(env, cloche.cwd / "copy", symlinks=True)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(copy / "s"))

    done = cloche("pack", "copy", "-o", "e.tar.gz")
    assert (done.code, "cannot be packed" in done.err) == (1, True)
    assert os.listdir(cloche.cwd) == ["copy"]


@pytest.mark.parametrize("name", ["a\nb", "a\r", "a\\b"])
def test_a_name_that_cannot_be_unpacked_is_refused(cloche: Cloche, name: str) -> None:
    assert cloche("./env", "--no-seed", "--relocatable").code == 0
    (cloche.cwd / "env" / name).touch()

    done = cloche("pack", "env", "--with-base-outside", "-o", "e.tar.gz")

    assert (done.code, "cannot be packed" in done.err, len(done.err.splitlines())) == (1, True, 2), done
    assert os.listdir(cloche.cwd) == ["env"]


@pytest.mark.parametrize("name", ["e.tar.gz", "e.tar.zst", "e.zip", "e.squashfs"])
@pytest.mark.parametrize("command", ["pack", "unpack"])
def test_a_full_disk_leaves_nothing_behind(cloche: Cloche, env: Path, command: str, name: str) -> None:
    unshare = require("unshare")
    if subprocess.run([unshare, "-m", "true"], capture_output=True, check=False).returncode:
        skip_missing("mount namespaces are not permitted")
    (cloche.cwd / "small").mkdir()
    words = ["pack", env, "-o", f"small/{name}"]
    if command == "unpack":
        assert cloche("pack", env, "-o", name).code == 0
        words = ["unpack", name, "small/there"]
    script = 'mount -t tmpfs -o size=2m none small; "$@"; code=$?; ls -A small; exit $code'
    done = subprocess.run(
        [unshare, "-m", "sh", "-c", script, "sh", sys.executable, "-m", "cloche", *words],
        capture_output=True, text=True, check=False, cwd=cloche.cwd,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, ""), done
    assert "no space left on device" in done.stderr.lower()
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("name", ["a\\b", "a\udcffb"])
def test_a_name_that_a_zip_archive_cannot_hold_is_refused(cloche: Cloche, name: str) -> None:
    assert cloche("./env", "--no-seed", "--relocatable").code == 0
    (cloche.cwd / "env" / name).touch()

    done = cloche("pack", "env", "--with-base-outside", "-o", "e.zip")

    assert (done.code, len(done.err.splitlines())) == (1, 2), done
    assert os.listdir(cloche.cwd) == ["env"]


HOSTILE = {
    "traversal": [("../x", "file", "")],
    "absolute": [("/tmp/x", "file", "")],
    "link": [("x", "link", "/etc/passwd")],
    "upward-link": [("x", "link", "../../x")],
    "through-a-link": [("d", "link", "/tmp"), ("d/x", "file", "")],
    "twice": [("x", "file", ""), ("x", "file", "")],
    "device": [("x", "device", "")],
    "unlisted": [("x", "file", "")],
    "empty-link": [("x", "link", "")],
    "long-link": [("x", "link", "x" * 5000)],
    "long-name": [("x" * 300, "file", "")],
    "deep": [("/".join("d" * depth), "directory", "") for depth in range(1, 2500)],
    "many": [(f"d{number}", "directory", "") for number in range(30_000)],
    "pipe": [("x", "pipe", "")],
    "hard-link": [("x", "hard-link", "pyvenv.cfg")],
    "not-an-environment": [],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(cloche: Cloche, name: str) -> None:
    types = {
        "file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "device": tarfile.CHRTYPE, "directory": tarfile.DIRTYPE,
        "pipe": tarfile.FIFOTYPE, "hard-link": tarfile.LNKTYPE,
    }  # fmt: skip
    settings = b"include-system-site-packages = false\nversion = 3.12.1\n"
    listed = f"{hashlib.sha256(settings).hexdigest()}  pyvenv.cfg\n".encode()
    with tarfile.open(cloche.cwd / "e.tar.gz", "w:gz") as archive:
        for path, kind, target in HOSTILE[name]:
            header = tarfile.TarInfo(path)
            header.type, header.linkname = types[kind], target
            archive.addfile(header)
        for path, content in (("pyvenv.cfg", settings), (".cloche-files", listed)):
            header = tarfile.TarInfo(path)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))

    done = cloche("unpack", "e.tar.gz", "there")

    assert done.code == (4 if name == "deep" else 1), done  # for a shorter path of the environment, it might fit
    assert len(done.err.splitlines()) == 2
    assert os.listdir(cloche.cwd) == ["e.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE])
def test_a_name_of_an_unreasonable_size_is_not_read(cloche: Cloche, kind: bytes) -> None:
    """It would need more memory than this process may have."""
    with gzip.open(cloche.cwd / "e.tar.gz", "wb", compresslevel=1) as file:
        header = tarfile.TarInfo("././@LongLink")
        header.type, header.size = kind, 600 << 20
        file.write(header.tobuf())
        for _ in range(600):
            file.write(b"x" * (1 << 20))

    command = ["prlimit", f"--as={500 << 20}", sys.executable, "-m", "cloche", "unpack", "e.tar.gz", "there"]
    done = subprocess.run(command, cwd=cloche.cwd, env=cloche.environ, capture_output=True, text=True, check=False)

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 2), done
    assert "unreasonable size" in done.stderr
    assert os.listdir(cloche.cwd) == ["e.tar.gz"]


def test_data_after_the_end_is_refused(cloche: Cloche, env: Path) -> None:
    assert cloche("pack", env, "-o", "e.tar.gz").code == 0
    for rest in (b"garbage", gzip.compress(b"garbage")):
        (cloche.cwd / "longer").write_bytes((cloche.cwd / "e.tar.gz").read_bytes() + rest)

        done = cloche("unpack", "longer", "there")

        assert (done.code, "is not intact" in done.err, len(done.err.splitlines())) == (1, True, 2)
        assert sorted(os.listdir(cloche.cwd)) == ["e.tar.gz", "longer"]


@pytest.mark.parametrize("time", ["1e30", "-1", "nan", "inf"])
def test_a_time_that_no_system_can_represent_is_refused(cloche: Cloche, time: str) -> None:
    with tarfile.open(cloche.cwd / "e.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        header = tarfile.TarInfo("x")
        header.pax_headers = {"mtime": time}
        archive.addfile(header)

    done = cloche("unpack", "e.tar.gz", "there")

    assert (done.code, len(done.err.splitlines())) == (1, 2), done
    assert "the time of `x` is out of range" in done.err
    assert os.listdir(cloche.cwd) == ["e.tar.gz"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_a_pipe_is_refused_and_not_waited_for(cloche: Cloche) -> None:
    os.mkfifo(cloche.cwd / "pipe")

    done = cloche("unpack", "pipe", "there")

    assert (done.code, len(done.err.splitlines())) == (2, 2), done
    assert "not a file or a directory" in done.err


@pytest.mark.parametrize("name", ["device", "link"])
def test_hostile_file_systems_are_refused(cloche: Cloche, name: str) -> None:
    """A device is not even extracted."""
    (cloche.cwd / "tree").mkdir()
    (cloche.cwd / "tree" / "pyvenv.cfg").write_text("version = 3.12.1\n")
    output_of("sh", "-c", "sha256sum pyvenv.cfg > .cloche-files", cwd=cloche.cwd / "tree")
    more = ["-p", "x c 644 0 0 1 3"] if name == "device" else []
    if name == "link":
        (cloche.cwd / "tree" / "x").symlink_to("/etc")
    output_of(require("mksquashfs"), "tree", "e.squashfs", "-quiet", "-no-progress", *more, cwd=cloche.cwd)

    done = cloche("unpack", "e.squashfs", "there")

    assert (done.code, len(done.err.splitlines())) == (1, 2), done
    assert sorted(os.listdir(cloche.cwd)) == ["e.squashfs", "tree"]


def test_a_program_that_is_missing_is_named(cloche: Cloche) -> None:
    (cloche.cwd / "e.squashfs").write_bytes(b"hsqs" + bytes(100))

    done = cloche("unpack", "e.squashfs", "there", PATH="/nonexistent")

    assert (done.code, "`unsquashfs`" in done.err) == (1, True)
    assert os.listdir(cloche.cwd) == ["e.squashfs"]

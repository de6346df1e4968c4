"""Test how the files of a lock file are obtained: from which source, with which checks, and what remains after a failure.

The servers are real, and run in threads of the test.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from cloche.errors import SeedError
from cloche.model.plan import Wanted
from cloche.store import Store, worker_threads
from cloche.store.fetch import downloads, http, simple_index
from cloche.store.fetch.pins import Pin
from cloche.testing import fake_host, fake_interpreter
from tests.seeding.artifacts import DATA, NAME, SHA256, failure, obtain, obtain_bytes, read, spam, stored_files
from tests.seeding.server import Handler, Site, content, serving, status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("pip_options")


# Sources


def test_a_file_is_downloaded_once_and_then_comes_from_the_store(store: Store, site: Site) -> None:
    artifact = spam(url=site.add(f"/{NAME}", DATA), size=len(DATA))

    [path] = obtain(store, artifact)

    assert obtain(store, artifact) == obtain(store, artifact, network="never") == [path]
    assert site.paths == [f"/{NAME}"]
    assert stored_files(store) == [f"sha256-{SHA256}/{NAME}"]
    assert os.path.basename(path) == NAME


def test_files_of_the_same_name_with_different_hashes_do_not_replace_each_other(store: Store, site: Site) -> None:
    other = b"other"
    artifacts = [
        spam(url=site.add(f"/a/{NAME}", DATA)),
        spam(url=site.add(f"/b/{NAME}", other), hashes={"sha256": hashlib.sha256(other).hexdigest()}),
    ]

    paths = obtain(store, *artifacts)

    assert [read(path) for path in paths] == [DATA, other]
    assert obtain(store, *artifacts, network="never") == paths


def test_a_downloaded_file_is_not_a_candidate_for_a_seed(store: Store, site: Site) -> None:
    """A lock file can name any pip, which must not become the pip of other environments."""
    from cloche.store.seed_sources import wheels_in_directory

    obtain(store, spam(url=site.add(f"/{NAME}", DATA)))

    assert [wheels_in_directory(path, "spam") for path in store.readable_directories("wheels")] in ([], [[]])


def test_a_seed_in_the_store_is_used_if_it_has_the_right_hash(store: Store, tmp_path: Path) -> None:
    seed = os.path.join(store.writable_directory("wheels"), NAME)
    with open(seed, "wb") as file:
        file.write(DATA)

    assert obtain(store, spam(), network="never") == [seed]
    assert "prevents downloads" in failure(store, spam(hashes={"sha256": "0" * 64}), network="never")
    assert os.path.exists(seed), "it is not the file of this lock file, but intact"


@pytest.mark.parametrize("damage", ["changed", "empty", "directory", "fifo", "link", "linked directory"])
def test_a_damaged_file_in_the_store_is_replaced(store: Store, site: Site, tmp_path: Path, damage: str) -> None:
    artifact = spam(url=site.add(f"/{NAME}", DATA))
    [path] = obtain(store, artifact)
    if damage == "changed":
        with open(path, "r+b") as file:
            file.write(b"X")
    elif damage == "linked directory":
        os.rename(os.path.dirname(path), tmp_path / "moved")
        os.symlink(tmp_path / "moved", os.path.dirname(path))
    else:
        os.rename(path, tmp_path / NAME)
        create = {"empty": os.mknod, "directory": os.mkdir, "fifo": os.mkfifo}
        create[damage](path) if damage in create else os.symlink(tmp_path / NAME, path)

    assert obtain_bytes(store, artifact) == DATA
    assert len(site.requests) == 2
    assert os.path.realpath(path) == path


def test_find_links_come_before_the_url(store: Store, site: Site, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(DATA)
    artifact = spam(url=site.add(f"/{NAME}", DATA))

    assert obtain(store, artifact, find_links=(str(tmp_path / "none"), str(tmp_path))) == [str(tmp_path / NAME)]
    assert site.requests == []


def test_another_file_of_this_name_in_find_links_is_skipped(store: Store, site: Site, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"rebuilt")
    artifact = spam(url=site.add(f"/{NAME}", DATA))

    message = failure(store, artifact, find_links=(str(tmp_path),), network="never")

    assert f"`{NAME}` (`{tmp_path / NAME}`: its sha256 is {hashlib.sha256(b'rebuilt').hexdigest()}" in message
    assert obtain_bytes(store, artifact, find_links=(str(tmp_path),)) == DATA
    assert (tmp_path / NAME).read_bytes() == b"rebuilt", "files of the user are never removed"


@pytest.mark.parametrize("form", ["path", "url"])
def test_a_local_file_is_used_where_it_is(store: Store, tmp_path: Path, form: str) -> None:
    path = tmp_path / "a b#%41é" / NAME
    path.parent.mkdir()
    path.write_bytes(DATA)

    artifact = spam(path=str(path)) if form == "path" else spam(url=path.as_uri())

    assert obtain(store, artifact, network="never") == [str(path)]


def test_a_local_file_with_another_hash_is_an_error(store: Store, site: Site, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"changed")
    artifact = spam(path=str(tmp_path / NAME), url=site.add(f"/{NAME}", DATA))

    assert failure(store, artifact) == (
        f"`{tmp_path / NAME}` is not the `{NAME}` of spam 1.0 in the lock file: "
        f"its sha256 is {hashlib.sha256(b'changed').hexdigest()}, expected {SHA256}"
    )


@pytest.mark.skipif(os.name == "nt", reason="there are no FIFOs")
@pytest.mark.parametrize("kind", ["fifo", "directory", "unreadable"])
def test_a_local_path_that_is_not_a_regular_file_is_refused(store: Store, tmp_path: Path, kind: str) -> None:
    path = tmp_path / NAME
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(path)

    assert failure(store, spam(path=str(path))).startswith(f"`{path}` cannot be read (")


@pytest.mark.parametrize("form", ["html", "json"])
@pytest.mark.parametrize("url", ["", "/missing"])
def test_the_index_of_the_user_has_the_file(
    store: Store, site: Site, pip_options: dict[str, str], form: str, url: str
) -> None:
    pip_options["index-url"] = site.add_index("spam", {NAME: DATA, "spam-1.0.zip": b""}, form=form)

    assert obtain_bytes(store, spam(url=url and site.url + url)) == DATA


def test_extra_indexes_and_the_index_of_the_lock_file_are_asked_too(
    store: Store, site: Site, pip_options: dict[str, str]
) -> None:
    pip_options["extra-index-url"] = f"{site.url}/none\n{site.add_index('spam', {NAME: DATA})}/"
    pip_options["index-url"] = f"{site.url}/main"
    egg = spam(distribution="egg", file_name="egg.zip", index=site.add_index("egg", {"egg.zip": DATA}))

    assert [read(path) for path in obtain(store, spam(), egg)] == [DATA, DATA]
    assert site.paths.index("/main/spam/") < site.paths.index("/none/spam/") < site.paths.index("/simple/spam/")
    assert "/main/egg/" not in site.paths, "the index in the lock file comes first"


def test_an_index_with_another_file_of_this_name_is_skipped(
    store: Store, site: Site, pip_options: dict[str, str]
) -> None:
    pip_options["index-url"] = site.add_index("spam", {NAME: b"other"})

    message = failure(store, spam())

    assert f"`{site.url}/simple/spam/` has another file of this name: its sha256 is " in message
    assert f"expected {SHA256}" in message
    assert f"/files/{NAME}" not in site.paths, "it is not even downloaded"


def test_indexes_on_disk_are_read_like_pip_reads_them(
    store: Store, tmp_path: Path, pip_options: dict[str, str]
) -> None:
    page = tmp_path / "simple" / "spam"
    page.mkdir(parents=True)
    (page / NAME).write_bytes(DATA)
    pip_options["index-url"] = (tmp_path / "simple").as_uri()

    assert obtain(store, spam()) == [str(page / NAME)]

    (tmp_path / "files").mkdir()
    (page / NAME).rename(tmp_path / "files" / NAME)
    (page / "index.html").write_text(f"<base href='../../files/'><a href='{NAME}#sha256={SHA256}'>{NAME}</a>")

    assert obtain(store, spam()) == [str(tmp_path / "files" / NAME)]


def test_find_links_of_pip_are_used(store: Store, site: Site, tmp_path: Path, pip_options: dict[str, str]) -> None:
    (tmp_path / NAME).write_bytes(DATA)
    pip_options |= {"find-links": f"/does/not/exist {tmp_path}", "no-index": "1", "index-url": f"{site.url}/simple"}

    assert obtain(store, spam(url=f"{site.url}/missing")) == [str(tmp_path / NAME)]
    assert site.requests == []

    site.add("/links.html", f"<a href='files/{NAME}'>spam</a>")
    site.add(f"/files/{NAME}", DATA)
    pip_options["find-links"] = f"{site.url}/links.html"

    assert obtain_bytes(store, spam()) == DATA


def test_a_page_of_a_server_cannot_name_a_local_file(store: Store, site: Site, pip_options: dict[str, str]) -> None:
    site.add("/simple/spam/", f"<base href='file:///etc/'><a href='{NAME}'>x</a><a href='file:///{NAME}'>x</a>")
    pip_options["index-url"] = f"{site.url}/simple"

    assert failure(store, spam()).endswith(f"`{site.url}/simple/spam/` does not have it")


@pytest.mark.parametrize("page", ["[" * 100_000, '{"files": ' * 100_000, "{}", "1" * 5000], ids=["[", "{", "{}", "1"])
def test_a_page_that_is_not_valid_is_named(store: Store, site: Site, pip_options: dict[str, str], page: str) -> None:
    site.add("/simple/spam/", page, content_type="application/vnd.pypi.simple.v1+json")
    pip_options["index-url"] = f"{site.url}/simple"

    assert failure(store, spam()).endswith(f"`{site.url}/simple/spam/`: the page is not valid")


def test_a_compressed_page_is_read(store: Store, site: Site, pip_options: dict[str, str]) -> None:
    """Pages compress well, and some servers send them so whatever the request says."""
    page = f'<a href="{site.add(f"/files/{NAME}", DATA)}">{NAME}</a>'.encode()
    site.add("/simple/spam/", gzip.compress(page), Content_Type="text/html", Content_Encoding="gzip")
    pip_options["index-url"] = f"{site.url}/simple"

    assert obtain_bytes(store, spam()) == DATA
    encodings = {path: headers["Accept-Encoding"] for path, headers in site.requests}
    assert encodings == {"/simple/spam/": "gzip", f"/files/{NAME}": "identity"}


@pytest.mark.parametrize("damage", ["not compressed", "cut off", "too large"])
def test_a_compressed_page_that_is_not_valid_is_named(
    store: Store, site: Site, pip_options: dict[str, str], monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(simple_index, "MAX_PAGE_SIZE", 10_000)
    sent = {
        "not compressed": b"<html></html>",
        "cut off": gzip.compress(b"<html></html>")[:-9],
        "too large": gzip.compress(b" " * 1_000_000),
    }
    pip_options["index-url"] = f"{site.url}/simple"
    url = site.add("/simple/spam/", sent[damage], Content_Type="text/html", Content_Encoding="gzip")

    assert f"`{url}`: the page is not " in failure(store, spam())


def test_a_file_name_of_an_index_that_is_too_long_is_ignored(
    store: Store, site: Site, pip_options: dict[str, str]
) -> None:
    """Its tags could be combined in millions of ways."""
    tags = "-".join(".".join(f"{kind}{number}" for number in range(300)) for kind in ("py", "abi", "os"))
    pip_options["index-url"] = site.add_index("spam", {f"spam-1.0-{tags}.whl": b"", NAME: DATA})

    assert obtain_bytes(store, Pin("spam", "1.0")) == DATA


def test_an_index_without_https_must_be_trusted(store: Store, pip_options: dict[str, str]) -> None:
    pip_options["index-url"] = "http://index.invalid/simple"

    assert "`http://index.invalid/simple/spam/` is not HTTPS, and its server is not a `trusted-host`" in failure(
        store, spam()
    )

    pip_options |= {"trusted-host": "index.invalid", "retries": "0"}
    assert "the name of the server cannot be resolved" in failure(store, spam())


def test_without_any_source_the_error_says_so(store: Store) -> None:
    assert "the lock file has no URL for it, and pip's settings name no index" in failure(store, spam())


def test_files_that_need_the_network_are_listed_if_it_is_forbidden(store: Store, site: Site, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(DATA)
    artifacts = [spam(), *(spam(file_name=f"{letter}.whl", url=f"{site.url}/{letter}") for letter in "abc")]

    message = failure(store, *artifacts, find_links=(str(tmp_path),), network="never")

    assert message == (
        "`--no-download` prevents downloads, and these files are not on this machine: `a.whl`, `b.whl`, `c.whl`"
    )
    assert site.requests == []


def test_a_file_without_hashes_is_checked_against_those_of_the_index(
    store: Store, site: Site, pip_options: dict[str, str]
) -> None:
    pip_options["index-url"] = site.add_index("spam", {NAME: DATA})
    artifact = spam(hashes={})

    assert obtain_bytes(store, artifact) == obtain_bytes(store, artifact) == DATA
    assert site.paths.count(f"/files/{NAME}") == 1, "the index is asked again, but the file is in the store"

    site.add(f"/files/{NAME}", b"changed")
    store.close()
    os.unlink(os.path.join(store.root, "artifacts", f"sha256-{SHA256}", NAME))
    assert "is not the" in failure(store, artifact)


def test_a_url_without_a_hash_is_the_only_source(store: Store, site: Site, pip_options: dict[str, str]) -> None:
    """An index may have another file of the same name."""
    pip_options["index-url"] = site.add_index("spam", {NAME: DATA})

    assert failure(store, spam(url=f"{site.url}/missing", hashes={})).endswith(f"`{site.url}/missing`: 404 Not Found")


def test_an_index_that_fails_is_not_replaced_by_another_unless_a_hash_protects_the_file(
    store: Store, site: Site, pip_options: dict[str, str], tmp_path: Path
) -> None:
    pip_options["index-url"] = f"{site.url}/private"
    pip_options["extra-index-url"] = site.add_index("spam", {NAME: DATA})
    site.add("/private/spam/", status(500))

    assert failure(store, spam(hashes={})).endswith(f"`{site.url}/private/spam/`: 500 Internal Server Error")
    assert "500 Internal Server Error" in failure(store, Pin("spam", "1.0"))
    assert obtain_bytes(store, spam()) == DATA
    site.add("/private/spam/", status(404))
    assert obtain_bytes(store, Pin("spam", "1.0")) == obtain_bytes(store, spam(hashes={})) == DATA
    pip_options["index-url"] = tmp_path.as_uri()  # an index on this disk, which does not know the distribution
    assert obtain_bytes(store, Pin("spam", "1.0")) == obtain_bytes(store, spam(hashes={})) == DATA


# Hashes


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512", "sha224", "blake2b", "sha3_256"])
def test_every_secure_algorithm_is_enough(store: Store, site: Site, algorithm: str) -> None:
    artifact = spam(
        url=site.add(f"/{NAME}", DATA), hashes={algorithm: hashlib.new(algorithm, DATA).hexdigest(), "sha9000": "00"}
    )

    assert obtain_bytes(store, artifact) == DATA
    assert obtain(store, artifact, network="never")


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha512", "sha256"])
def test_every_hash_must_match(store: Store, site: Site, algorithm: str) -> None:
    wrong = hashlib.new(algorithm, b"other").hexdigest()
    secure = {"sha256": SHA256, "sha512": hashlib.sha512(DATA).hexdigest()}
    artifact = spam(url=site.add(f"/{NAME}", DATA), hashes={**secure, algorithm: wrong})

    assert failure(store, artifact) == (
        f"`{site.url}/{NAME}` is not the `{NAME}` of spam 1.0 in the lock file: "
        f"its {algorithm} is {hashlib.new(algorithm, DATA).hexdigest()}, expected {wrong}"
    )


@pytest.mark.parametrize("hashes", [{"md5": "0" * 32}, {"sha1": "0" * 40}, {"shake_128": "00"}, {"sha9000": "00"}])
def test_weak_and_unknown_algorithms_are_not_enough(store: Store, site: Site, hashes: Mapping[str, str]) -> None:
    artifact = spam(url=site.add(f"/{NAME}", DATA), hashes=hashes)

    assert failure(store, artifact).startswith(f"the lock file has no secure hash for `{NAME}`, only ")
    assert site.requests == []


@pytest.mark.parametrize("digest", ["../../planted", "", "0" * 63, "0" * 128, "g" * 64, "A" * 64])
def test_an_invalid_hash_is_refused(store: Store, digest: str) -> None:
    assert failure(store, spam(hashes={"sha256": digest})).startswith("the lock file has an invalid sha256 of ")


@pytest.mark.parametrize("name", ["../x.whl", "/x.whl", "a\\b.whl", "", "..", "a\tb.whl", "c:x.whl"])
def test_a_file_name_must_be_plain(store: Store, name: str) -> None:
    assert "is not a valid file name in a lock file" in failure(store, spam(file_name=name))


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x.whl", "s3://bucket/x.whl", "x.whl"])
def test_an_unsupported_url_is_refused(store: Store, url: str) -> None:
    assert "the URL of" in failure(store, spam(url=url))


def test_an_invalid_url_is_refused(store: Store) -> None:
    assert failure(store, spam(url="http://[")).startswith("the lock file has an invalid URL for ")


# Servers that lie, and connections that break


def half(handler: Handler) -> None:
    """Break the connection in the middle of the first response; send the rest if it is asked for."""
    if handler.count() == 1:
        handler.begin(Content_Length=len(DATA), ETag='"1"')
        handler.wfile.write(DATA[: len(DATA) // 2])
        handler.close_connection = True
    else:
        content(DATA, ETag='"1"')(handler)


def test_a_broken_download_is_resumed(store: Store, site: Site) -> None:
    assert obtain_bytes(store, spam(url=site.add("/spam", half))) == DATA
    headers = site.requests[1][1]
    assert (headers["Range"], headers["If-Range"]) == (f"bytes={len(DATA) // 2}-", '"1"')


@pytest.mark.parametrize("kind", ["changed", "no-ranges", "no-validator", "weak", "wrong-range", "416", "chunked"])
def test_a_broken_download_that_cannot_be_resumed_starts_again(store: Store, site: Site, kind: str) -> None:
    """The server sends other bytes first, as if the file changed."""
    headers = {"no-validator": {}, "weak": {"ETag": 'W/"1"'}}.get(kind, {"ETag": '"1"'})

    def answer(handler: Handler) -> None:
        if handler.count() == 1:
            if kind == "chunked":
                handler.begin(Transfer_Encoding="chunked", **headers)
                handler.wfile.write(b"3\r\nold\r\n10\r\nol")
            else:
                handler.begin(Content_Length=len(DATA), **headers)
                handler.wfile.write(b"old")
            handler.close_connection = True
        elif kind == "wrong-range" and handler.count() == 2:
            handler.begin(206, Content_Length=10, Content_Range="bytes 7-16/6000")
            handler.wfile.write(DATA[7:17])
        elif kind == "416" and handler.count() == 2:
            handler.begin(416, Content_Length=0)
        else:
            handler.begin(Content_Length=len(DATA))
            handler.wfile.write(DATA)

    assert obtain_bytes(store, spam(url=site.add("/spam", answer))) == DATA


def test_progress_forgives_earlier_failures(store: Store, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two retries are not enough for a connection that breaks ten times, but each time something arrives."""
    monkeypatch.setattr(http, "PROGRESS", 500)

    def answer(handler: Handler) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        part = DATA[start : start + 600]
        handler.begin(
            206 if start else 200,
            Content_Length=len(DATA) - start,
            Content_Range=f"bytes {start}-{len(DATA) - 1}/{len(DATA)}",
            ETag='"1"',
        )
        handler.wfile.write(part)
        handler.close_connection = True

    assert obtain_bytes(store, spam(url=site.add("/spam", answer))) == DATA
    assert len(site.requests) == 10


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_temporary_failure_is_tried_again(store: Store, site: Site, code: int) -> None:
    def answer(handler: Handler) -> None:
        (status(code, Retry_After="0") if handler.count() < 3 else content(DATA))(handler)

    assert obtain_bytes(store, spam(url=site.add("/spam", answer))) == DATA


def test_the_pause_that_a_server_asks_for_is_respected(store: Store, site: Site) -> None:
    times = []

    def answer(handler: Handler) -> None:
        times.append(time.monotonic())
        (status(503, Retry_After="1") if handler.count() == 1 else content(DATA))(handler)

    site.add("/late", status(429, Retry_After="3600"))
    assert "the server asks cloche to wait for 3600 s" in failure(store, spam(url=f"{site.url}/late"))
    assert obtain_bytes(store, spam(url=site.add("/spam", answer))) == DATA
    assert times[1] - times[0] >= 1


HUGE = "9" * 5000
"""A number with more digits than Python converts."""


def nothing(handler: Handler) -> None:
    handler.begin(Content_Length=0)


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


def silence(handler: Handler) -> None:
    handler.server.site.stopped.wait(60)
    handler.close_connection = True


def drip(handler: Handler) -> None:
    """Send a byte from time to time, so that no single read takes too long."""
    handler.begin(Content_Length=len(DATA))
    with contextlib.suppress(OSError):
        while not handler.server.site.stopped.wait(0.05):
            handler.wfile.write(b"x")
    handler.close_connection = True


def drip_headers(handler: Handler) -> None:
    with contextlib.suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not handler.server.site.stopped.wait(0.05):
            handler.wfile.write(b"x")
    handler.close_connection = True


def garbage(handler: Handler) -> None:
    handler.wfile.write(b"\x00\xff" * 100 + b"\r\n\r\n")
    handler.close_connection = True


def part_without_request(handler: Handler) -> None:
    handler.begin(206, Content_Length=10, Content_Range="bytes 5-14/6000")
    handler.wfile.write(DATA[5:15])


def endless(handler: Handler) -> None:
    handler.begin(Transfer_Encoding="chunked")
    with contextlib.suppress(OSError):
        while not handler.server.site.stopped.is_set():
            handler.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    handler.close_connection = True


def short(handler: Handler) -> None:
    handler.begin(Content_Length=10)
    handler.wfile.write(DATA)
    handler.close_connection = True


def long(handler: Handler) -> None:
    handler.begin(Content_Length=len(DATA) + 10)
    handler.wfile.write(DATA)
    handler.close_connection = True


def without_length(data: bytes) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.begin(Connection="close")
        handler.wfile.write(data)
        handler.close_connection = True

    return answer


def compressed(handler: Handler) -> None:
    content(gzip.compress(DATA), Transfer_Encoding="gzip")(handler)
    handler.close_connection = True


def redirect(target: str) -> Callable[[Handler], None]:
    return status(302, Location=target)


def redirect_with_endless_body(handler: Handler) -> None:
    handler.begin(302, Location="/elsewhere", Transfer_Encoding="chunked")
    with contextlib.suppress(OSError):
        while not handler.server.site.stopped.is_set():
            handler.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    handler.close_connection = True


def impossible_range(handler: Handler) -> None:
    handler.begin(206, Content_Range=f"bytes {HUGE}-{HUGE}9/*", Content_Length=0)


@pytest.mark.parametrize("size", [None, len(DATA)])
@pytest.mark.parametrize(
    ("answer", "reason", "reason_with_size"),
    [
        (nothing, "the server sent nothing", "the server announces 0 bytes, but the lock file says 6000"),
        (hang_up, "the connection cannot be opened, or broke", ""),
        (silence, "the server stopped sending", ""),
        (drip_headers, "the server takes too long to answer", ""),
        (garbage, "the connection cannot be opened, or broke", ""),
        (part_without_request, "the server did not send the requested part of the file", ""),
        (lambda handler: handler.begin(302, Content_Length=0), "302 Found", ""),
        (drip, "less than 1024 bytes arrived in 0 s", ""),
        (endless, "the server sends more than 1000000 bytes", "the server sends more than 6000 bytes, the size in the"),
        (short, "its sha256 is ", "the server announces 10 bytes, but the lock file says 6000"),
        (long, "the connection broke after 6000 of 6010 bytes", "the server announces 6010 bytes, but the lock file"),
        (without_length(DATA[:10]), "its sha256 is ", "the server sent 10 bytes, but the lock file says 6000"),
        (compressed, "the server sends it with the unsupported transfer encoding `gzip`", ""),
        (content(gzip.compress(DATA), Content_Encoding="gzip"), "its sha256 is ", "the server announces "),
        (content(b"<html>", Content_Type="text/html; charset=utf-8"), "the server sent a page instead of the file", ""),
        (redirect("file:///etc/passwd"), "it redirects to a URL that is neither HTTP nor HTTPS", ""),
        (redirect("/spam"), "it redirects more than 10 times", ""),
        (redirect("http://[/"), "", ""),
        (redirect_with_endless_body, "404 Not Found", ""),
        (impossible_range, "the server did not send the requested part of the file", ""),
        (content(b"page", Content_Length=HUGE, Connection="close"), "its sha256 is ", "the server sent 4 bytes, but the"),
        (status(503, Retry_After="Fri, 31 Dec 99999999999 23:59:59 GMT"), "503 Service Unavailable", ""),
        (status(204), "204", ""),
        (status(401), "401 Unauthorized", ""),
        (status(403), "403 Forbidden", ""),
        (status(404), "404 Not Found", ""),
        (status(418), "418", ""),
        (status(503), "503 Service Unavailable", ""),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_a_bad_answer_is_a_one_line_error(
    store: Store,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    pip_options: dict[str, str],
    answer: Callable[[Handler], None],
    reason: str,
    reason_with_size: str,
    size: int | None,
) -> None:
    monkeypatch.setattr(downloads, "MAX_FILE_SIZE", 1_000_000)
    monkeypatch.setattr(http, "MAX_TIMEOUTS", 3)
    pip_options |= {"timeout": "0.3", "retries": "1"}
    url = site.add("/spam", answer)

    message = failure(store, spam(url=url, size=size))

    assert url in message
    assert ((size and reason_with_size) or reason) in message
    assert "spam 1.0" in message or answer is drip_headers


def test_a_server_that_does_not_exist_is_a_one_line_error(store: Store) -> None:
    with serving() as site:
        url = f"{site.url}/spam"

    assert failure(store, spam(url=url)).endswith(f"`{url}`: the connection cannot be opened, or broke")


def test_a_server_without_tls_is_a_one_line_error(store: Store, site: Site) -> None:
    url = site.add("/spam", DATA).replace("http:", "https:")

    assert failure(store, spam(url=url)).endswith(f"`{url}`: the server does not speak TLS as expected")


@pytest.mark.parametrize("url", ["file:///%00", "file:///", "file://elsewhere/x", "http://:80/x", "http://a b/x"])
def test_a_strange_url_is_a_one_line_error(store: Store, url: str, pip_options: dict[str, str]) -> None:
    pip_options["retries"] = "0"
    assert failure(store, spam(url=url))
    pip_options |= {"find-links": url, "index-url": url}
    assert failure(store, spam())
    assert failure(store, Pin("spam", "1.0"))


def test_an_unreachable_server_is_tried_only_once_for_each_further_file(
    store: Store, site: Site, pip_options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mirror of the user has the files; without this, each of them would wait for all retries."""
    monkeypatch.setattr(downloads, "CONNECTIONS", 1)
    site.add_index("spam", {f"{number}.whl": DATA for number in range(5)})
    for number in range(5):
        site.add(f"/down/{number}.whl", hang_up)
    pip_options["index-url"] = f"{site.url}/mirror"
    with serving() as mirror:
        pip_options["index-url"] = mirror.add_index("spam", {f"{number}.whl": DATA for number in range(5)})
        obtain(store, *(spam(file_name=f"{number}.whl", url=f"{site.url}/down/{number}.whl") for number in range(5)))

    assert [site.paths.count(f"/down/{number}.whl") for number in range(5)] == [3, 1, 1, 1, 1]


def test_a_compressed_file_that_is_labeled_as_encoded_is_kept_as_it_is(store: Store, site: Site) -> None:
    """Many servers label a `.tar.gz` so, and its hash is that of the compressed bytes."""
    data = gzip.compress(DATA)
    artifact = spam(
        file_name="spam-1.0.tar.gz",
        url=site.add("/spam", data, Content_Encoding="gzip"),
        hashes={"sha256": hashlib.sha256(data).hexdigest()},
    )

    assert obtain_bytes(store, artifact) == data


def test_the_first_failure_stops_the_others(store: Store, site: Site) -> None:
    bad = spam(url=site.add("/bad", b"bad"), size=None)
    slow = [
        spam(file_name=f"{n}.whl", url=site.add(f"/{n}", silence), hashes={"sha256": f"{n:064x}"}) for n in range(20)
    ]

    started = time.monotonic()
    assert "is not the" in failure(store, bad, *slow)
    assert time.monotonic() - started < 30
    assert not any(f"/{number}" in site.paths for number in range(12, 20))


def test_files_that_were_complete_before_a_failure_are_kept(
    store: Store, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "CONNECTIONS", 1)
    good = spam(url=site.add("/good", DATA), size=len(DATA))
    with pytest.raises(SeedError):
        obtain(store, good, spam(file_name="bad.whl", url=site.add("/bad", b"bad")))

    assert stored_files(store) == [f"sha256-{SHA256}/{NAME}"]


def test_a_full_disk_is_a_one_line_error(store: Store, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads.os, "replace", full)

    assert failure(store, spam(url=site.add("/spam", DATA))) == (
        f"`{NAME}` cannot be written to `{store.root}/artifacts` (no space left on device)"
    )


# Many files, large files, several processes


def test_files_are_downloaded_in_parallel(store: Store, site: Site) -> None:
    together = threading.Barrier(8, timeout=60)
    artifacts = []
    for number in range(8):

        def answer(handler: Handler) -> None:
            together.wait()
            content(DATA)(handler)

        artifacts.append(spam(file_name=f"{number}.whl", url=site.add(f"/{number}", answer), hashes={}))

    assert [os.path.basename(path) for path in obtain(store, *artifacts)] == [f"{number}.whl" for number in range(8)]


def test_progress_names_files_bytes_and_time(store: Store, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_threads, "REPORT_INTERVAL", 0.02)
    texts: list[str] = []
    store.progress = lambda text, **_: texts.append(text)

    def slow(handler: Handler) -> None:
        handler.begin(Content_Length=len(DATA))
        for part in range(0, len(DATA), 1000):
            handler.wfile.write(DATA[part : part + 1000])
            time.sleep(0.05)

    obtain(
        store,
        spam(url=site.add("/spam", slow), size=len(DATA)),
        spam(url=site.add("/egg", DATA), size=len(DATA), file_name="egg.whl", hashes={}),
    )

    assert texts[0].startswith("downloading 2 files for ")
    assert any(text.startswith("downloading 1 of 2 files, 0.0 of 0.0 MB, ") for text in texts)


INTERRUPTED = """
import sys
from cloche.cli.dispatch import install_signal_handlers
from cloche.model.plan import Wanted
from cloche.store import Store
from cloche.store.fetch.artifacts import Artifact
from cloche.store.fetch.downloads import obtain
from cloche.testing import fake_host, fake_interpreter

install_signal_handlers()
root, home, url = sys.argv[1:]
files = [Artifact("spam", "1.0", f"{n}.whl", f"{url}/{n}", hashes={"sha256": f"{n:064}"}) for n in range(20)]
with Store.open(fake_host(environ={"HOME": home}, cwd=home), root) as store:
    obtain(files, Wanted(), fake_interpreter(), store)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_run_that_waits_for_a_server(
    store: Store, site: Site, tmp_path: Path, number: signal.Signals
) -> None:
    def part(handler: Handler) -> None:
        handler.begin(Content_Length=len(DATA))
        handler.wfile.write(DATA[:100])
        silence(handler)

    for path in range(20):
        site.add(f"/{path}", part)
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, store.root, str(tmp_path), site.url], stderr=subprocess.PIPE
    )
    while len(site.requests) < downloads.CONNECTIONS:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    started = time.monotonic()
    process.communicate(timeout=60)

    assert process.returncode != 0
    assert time.monotonic() - started < 30
    assert stored_files(store) == []


def fetch_in_another_process(root: str, home: str, url: str) -> None:
    with Store.open(fake_host(environ={"HOME": home}, cwd=home), root) as store:
        downloads.obtain([spam(url=url, size=len(DATA))], Wanted(), fake_interpreter(), store)


@pytest.mark.skipif(sys.platform == "win32", reason="the other process is a fork")
def test_two_processes_do_not_download_the_same_file(store: Store, site: Site, tmp_path: Path) -> None:
    go_on = threading.Event()

    def answer(handler: Handler) -> None:
        go_on.wait(10)
        content(DATA)(handler)

    url = site.add("/spam", answer)
    texts: list[str] = []
    shown: list[dict[str, float]] = []

    def progress(text: str, /, **amounts: float) -> None:
        texts.append(text)
        shown.append(amounts)

    store.progress = progress
    process = multiprocessing.get_context("fork").Process(
        target=fetch_in_another_process, args=(store.root, str(tmp_path), url)
    )
    process.start()
    while not site.requests:
        time.sleep(0.01)
    release = threading.Timer(0.5, go_on.set)
    release.start()

    assert obtain_bytes(store, spam(url=url, size=len(DATA))) == DATA
    process.join()
    assert process.exitcode == 0
    assert site.paths == ["/spam"]
    assert "downloading 0 of 1 file, waiting for another process that downloads 1 of them" in texts
    assert shown[-1] == {"files": 1, "total_files": 1, "bytes": 6000, "total_bytes": 6000, "seconds_left": 0}


def test_progress_does_not_count_what_a_failed_source_sent(
    store: Store, site: Site, pip_options: dict[str, str]
) -> None:
    def break_off(handler: Handler) -> None:
        handler.begin(Content_Length=len(DATA), ETag='"1"')
        handler.wfile.write(DATA[:1000])
        handler.close_connection = True

    shown: list[dict[str, float]] = []
    store.progress = lambda _text, **amounts: shown.append(amounts)
    pip_options |= {"retries": "0", "index-url": site.add_index("spam", {NAME: DATA})}

    assert obtain_bytes(store, spam(url=site.add("/spam", break_off), size=len(DATA))) == DATA
    assert (shown[-1]["bytes"], shown[-1]["total_bytes"]) == (6000, 6000)


@pytest.mark.skipif(sys.platform != "linux", reason="needs resource limits")
def test_a_large_file_needs_little_memory(store: Store, site: Site, tmp_path: Path) -> None:
    """The file has 500 MB, and its server sends it from the disk."""
    import tracemalloc

    size = 500_000_000
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(size)

    def answer(handler: Handler) -> None:
        handler.begin(Content_Length=size)
        with sparse.open("rb") as file:
            handler.connection.sendfile(file)

    with sparse.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest() if sys.version_info >= (3, 11) else digest_of(file)
    artifact = spam(url=site.add("/spam", answer), size=size, hashes={"sha256": digest})
    tracemalloc.start()
    try:
        [path] = obtain(store, artifact)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert os.path.getsize(path) == size
    assert peak < 20_000_000


def digest_of(file: object) -> str:
    hasher = hashlib.sha256()
    while chunk := file.read(1 << 20):  # type: ignore[attr-defined]
        hasher.update(chunk)
    return hasher.hexdigest()

"""Test that downloads respect the user's settings for the index, credentials, proxies and certificates, as pip does."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.errors import SeedError
from cloche.model.value import replace
from cloche.store.fetch.pip_settings import default_index, read_pip_settings
from cloche.store.pip_downloads import download_wheels
from cloche.store.requirements import Requirement
from cloche.testing import fake_host, fake_interpreter
from tests.distributions import make_wheel
from tests.seeding.artifacts import DATA, NAME, failure, obtain_bytes, read, spam
from tests.seeding.server import Handler, Site, content, serving, status
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cloche.store import Store


# Settings of pip


@pytest.fixture
def pip_config(tmp_path: Path) -> Path:
    """Return the path of a configuration file for pip, which is the only one."""
    return tmp_path / "pip.conf"


def settings_in(pip_config: Path, text: str = "", **environ: str) -> dict[str, str]:
    pip_config.write_text(text)
    host = fake_host(environ={"PIP_CONFIG_FILE": str(pip_config), "PATH": os.environ["PATH"], **environ})
    options = read_pip_settings(host).options
    return {name: options[name] for name in options if name in ("index-url", "extra-index-url", "cert", "timeout")}


def test_the_settings_are_those_of_pip(pip_config: Path) -> None:
    """The file overrides the global files of this machine; sections and variables override each other as in pip."""
    text = """
[global]
index-url = https://global.invalid/simple
cert = /global "quoted" 'x'.pem
timeout = 3
extra-index-url =
    https://one.invalid/simple
    https://two.invalid/simple
[install]
timeout = 4
[download]
timeout = 5
"""

    found = settings_in(pip_config, text, PIP_INDEX_URL="https://user:pass@variable.invalid/simple")

    assert found["index-url"] == "https://user:pass@variable.invalid/simple"
    assert found["timeout"] == "4"
    assert found["cert"] == "/global \"quoted\" 'x'.pem"
    assert found["extra-index-url"].split() == ["https://one.invalid/simple", "https://two.invalid/simple"]


def test_paths_are_relative_to_the_directory_of_the_user(tmp_path: Path) -> None:
    """pip and builds run in other directories."""
    environ = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_CERT": "my ca.pem",
        "PIP_FIND_LINKS": "wheels https://links.invalid/x",
        "PIP_BUILD_CONSTRAINT": "a.txt b.txt",
    }
    found = read_pip_settings(fake_host(environ=environ, cwd=str(tmp_path))).options

    assert found["cert"] == str(tmp_path / "my ca.pem")
    assert found["find-links"] == f"{(tmp_path / 'wheels').as_uri()} https://links.invalid/x"
    assert found["build-constraint"] == f"{tmp_path / 'a.txt'} {tmp_path / 'b.txt'}"


def test_the_default_index_is_that_of_pip(pip_config: Path) -> None:
    host = fake_host(environ={"PIP_CONFIG_FILE": os.devnull, "PATH": os.environ["PATH"]})

    assert default_index(host).startswith("https://")
    assert default_index(host).endswith("/simple")


def test_a_configuration_that_pip_cannot_read_is_a_one_line_error(pip_config: Path) -> None:
    with pytest.raises(SeedError, match=r"the settings of pip cannot be read: ") as caught:
        settings_in(pip_config, "index-url = x\n")

    assert caught.value.hint == "run `python -m pip config debug` with the Python that runs cloche"


def test_a_python_without_pip_is_a_one_line_error(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    with pytest.raises(SeedError, match=r"the settings of pip cannot be read: .* has no pip") as caught:
        read_pip_settings(fake_host(executable=str(python)))
    assert "ensurepip" in str(caught.value.hint)
    with pytest.raises(SeedError, match=r"the settings of pip cannot be read: `.*/none` cannot be run"):
        read_pip_settings(fake_host(executable=str(tmp_path / "none")))


def test_real_settings_lead_to_the_file(store: Store, site: Site, pip_config: Path) -> None:
    pip_config.write_text(f"[global]\nindex-url = {site.add_index('spam', {NAME: DATA})}\n")
    store.host = replace(store.host, environ={**store.host.environ, "PIP_CONFIG_FILE": str(pip_config)})

    assert obtain_bytes(store, spam()) == DATA


# Credentials


def protected(
    answer: Callable[[Handler], None], user: str = "ann", password: str = "s3:c/r@t"
) -> Callable[[Handler], None]:
    """Return an answer that needs credentials."""
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def check(handler: Handler) -> None:
        (answer if handler.headers.get("Authorization") == expected else status(401))(handler)

    return check


def with_credentials(url: str, credentials: str = "ann:s3%3Ac%2Fr%40t") -> str:
    return url.replace("://", f"://{credentials}@")


@pytest.fixture
def private(site: Site) -> Site:
    """A server with an index that needs credentials."""
    site.add_index("spam", {NAME: DATA})
    site.answers = {path: protected(answer) for path, answer in site.answers.items()}
    return site


def test_credentials_in_the_url_are_used(store: Store, private: Site, pip_options: dict[str, str]) -> None:
    assert obtain_bytes(store, spam(url=with_credentials(f"{private.url}/files/{NAME}"))) == DATA


def test_credentials_of_an_index_are_used_for_its_files(
    store: Store, private: Site, pip_options: dict[str, str]
) -> None:
    pip_options["index-url"] = with_credentials(f"{private.url}/simple")

    assert obtain_bytes(store, spam()) == DATA


def test_indexes_on_one_server_have_credentials_of_their_own(
    store: Store, private: Site, pip_options: dict[str, str]
) -> None:
    pip_options["index-url"] = with_credentials(f"{private.url}/other", "eve:wrong")
    pip_options["extra-index-url"] = (
        f"{with_credentials(private.url)}/simple {with_credentials(private.url, 'eve:wrong')}/third"
    )

    assert f"/files/{NAME}" not in private.paths
    assert obtain_bytes(store, spam(url=f"{private.url}/simple/../files/{NAME}")) == DATA


def test_credentials_come_from_netrc(store: Store, private: Site, pip_options: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password s3:c/r@t\n")
    (tmp_path / "netrc").chmod(0o600)
    pip_options["index-url"] = f"{private.url}/simple"

    assert obtain_bytes(store, spam()) == DATA


KEYRING = """#!{python}
import json, sys
if sys.argv[1:4] == ["--mode=creds", "--output=json", "get"] and "127.0.0.1" in sys.argv[4]:
    print(json.dumps({{"username": "ann", "password": "s3:c/r@t"}}))
else:
    sys.exit(1)
"""


@pytest.mark.skipif(os.name == "nt", reason="the keyring is a script")
@pytest.mark.parametrize("provider", ["subprocess", "disabled", "auto", ""])
def test_credentials_come_from_the_keyring_if_the_user_names_it(
    store: Store, private: Site, pip_options: dict[str, str], tmp_path: Path, provider: str
) -> None:
    """pip does not ask a keyring either if it cannot ask the user."""
    command = tmp_path / "bin" / "keyring"
    command.parent.mkdir()
    command.write_text(KEYRING.format(python=sys.executable))
    command.chmod(0o755)
    store.host = replace(store.host, environ={**store.host.environ, "PATH": str(command.parent)})
    pip_options |= {"index-url": f"{private.url}/simple", "keyring-provider": provider}

    if provider == "subprocess":
        assert obtain_bytes(store, spam()) == DATA
    else:
        assert "401 Unauthorized" in failure(store, spam())


def test_the_keyring_beside_cloche_can_be_used(
    store: Store, private: Site, pip_options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keyring.py").write_text(
        "class Credential:\n    username = 'ann'\n    password = 's3:c/r@t'\n"
        "def get_credential(service, user): return Credential()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    pip_options |= {"index-url": f"{private.url}/simple", "keyring-provider": "import"}

    assert obtain_bytes(store, spam()) == DATA
    monkeypatch.delitem(sys.modules, "keyring")


@pytest.mark.parametrize("kind", ["unauthorized", "missing", "mismatch", "forbidden network", "index", "broken"])
def test_no_message_contains_credentials_or_tokens(
    store: Store, site: Site, pip_options: dict[str, str], kind: str
) -> None:
    url = with_credentials(f"{site.url}/spam", "user:p4ssword") + "?token=s3cret#frag"
    if kind == "index":
        pip_options["index-url"] = with_credentials(f"{site.url}/simple", "user:p4ssword")
        url = ""
    elif kind == "broken":
        pip_options["retries"] = "0"
        url = "http://user:p4ssword@256.256.256.256/spam?token=s3cret"
    elif kind != "missing":
        site.add("/spam", protected(content(DATA)) if kind == "unauthorized" else b"other")

    message = failure(store, spam(url=url), network="never" if kind == "forbidden network" else "newest")

    assert "p4ssword" not in message
    assert "user" not in message
    assert "s3cret" not in message


def test_credentials_are_not_sent_to_another_server(store: Store, site: Site, pip_options: dict[str, str]) -> None:
    with serving() as other:
        target = other.add("/spam", DATA).replace("127.0.0.1", "localhost")
        site.add("/spam", protected(status(302, Location=target)))

        assert obtain_bytes(store, spam(url=with_credentials(f"{site.url}/spam"))) == DATA
        assert "Authorization" in site.requests[0][1]
        assert "Authorization" not in other.requests[0][1]


@pytest.mark.parametrize("setting", ["index-url", "extra-index-url", "find-links"])
def test_a_setting_with_an_invalid_url_is_a_one_line_error(
    setting: str, store: Store, pip_options: dict[str, str]
) -> None:
    pip_options[setting] = "https://me:secret@a]b/"

    message = failure(store, spam(index="https://index.invalid/simple"))

    assert message == "pip's settings name an index or a page that is not a valid URL: `https://a]b/`"


def test_missing_credentials_have_a_remedy(store: Store, private: Site, pip_options: dict[str, str]) -> None:
    pip_options["index-url"] = f"{private.url}/simple"

    with pytest.raises(SeedError) as caught:
        obtain_bytes(store, spam())

    assert caught.value.hint == "add your credentials to `~/.netrc`, or to the URL of the index in pip's settings"


# Proxies


@pytest.fixture
def proxy(site: Site) -> Site:
    """A proxy: it has the file of a server that does not exist."""
    site.answers["http://files.invalid/spam"] = content(DATA)
    return site


@pytest.mark.parametrize("source", ["setting", "variable"])
def test_the_proxy_is_used(
    store: Store, proxy: Site, pip_options: dict[str, str], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    if source == "setting":
        pip_options["proxy"] = with_credentials(proxy.url, "ann:pass")
    else:
        monkeypatch.setenv("http_proxy", proxy.url)

    assert obtain_bytes(store, spam(url="http://files.invalid/spam")) == DATA
    if source == "setting":
        assert "Proxy-Authorization" in proxy.requests[0][1]


@pytest.mark.parametrize("how", ["no-proxy-env", "no_proxy"])
def test_the_proxy_can_be_switched_off(
    store: Store, site: Site, pip_options: dict[str, str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    if how == "no_proxy":
        monkeypatch.setenv("no_proxy", "127.0.0.1")
    else:
        pip_options["no-proxy-env"] = "true"

    assert obtain_bytes(store, spam(url=site.add("/spam", DATA))) == DATA


def test_a_proxy_that_does_not_answer_is_a_one_line_error(store: Store, pip_options: dict[str, str]) -> None:
    pip_options |= {"proxy": "http://user:p4ssword@127.0.0.1:9", "retries": "0"}

    message = failure(store, spam(url="http://files.invalid/spam"))

    assert message.endswith("the proxy refuses the connection, or does not answer")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_needs_credentials_has_a_remedy(
    store: Store, proxy: Site, pip_options: dict[str, str], scheme: str
) -> None:
    proxy.answers["http://files.invalid/spam"] = proxy.answers["files.invalid:443"] = status(407)
    pip_options |= {"proxy": proxy.url, "retries": "0"}

    with pytest.raises(SeedError, match="407 Proxy Authentication Required") as caught:
        obtain_bytes(store, spam(url=f"{scheme}://files.invalid/spam"))

    assert caught.value.hint == "add your credentials to the URL of the proxy: `http://USER:PASSWORD@HOST:PORT`"


def test_a_socks_proxy_names_the_package_that_it_needs(store: Store, pip_options: dict[str, str]) -> None:
    pip_options |= {"proxy": "socks5://127.0.0.1:9"}

    assert failure(store, spam(url="http://files.invalid/spam")).endswith(
        "a SOCKS proxy needs the package `PySocks`, which is not installed with cloche"
    )


# Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with an authority, and a certificate of it for 127.0.0.1 that also identifies a client."""
    directory = tmp_path_factory.mktemp("certificates")
    openssl = require("openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=directory, check=True, capture_output=True)

    new_key = ["-newkey", "rsa:2048", "-nodes", "-keyout"]
    run("req", "-x509", *new_key, "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
    run("req", *new_key, "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
    run("x509", "-req", "-in", "server.csr", *authority, "-extfile", "names", "-days", "2", "-out", "server.pem")
    both = (directory / "server.key").read_text() + (directory / "server.pem").read_text()
    (directory / "both.pem").write_text(both)
    return directory


@pytest.fixture
def secure(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "both.pem")
    with serving(context) as site:
        yield site


def test_an_unknown_certificate_is_refused(store: Store, secure: Site, pip_options: dict[str, str]) -> None:
    with pytest.raises(SeedError, match="the certificate of the server is not trusted") as caught:
        obtain_bytes(store, spam(url=secure.add("/spam", DATA)))

    assert "pip config set global.cert FILE" in str(caught.value.hint)
    assert secure.requests == []


@pytest.mark.parametrize("source", ["cert", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "trusted-host", "trusted port"])
def test_a_certificate_can_be_trusted(
    store: Store,
    secure: Site,
    certificates: Path,
    pip_options: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "") if source != "REQUESTS_CA_BUNDLE" else None
    if source == "cert":
        pip_options["cert"] = str(certificates / "ca.pem")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", ssl.get_default_verify_paths().openssl_cafile)
    elif source == "trusted-host":
        pip_options["trusted-host"] = "127.0.0.1"
    elif source == "trusted port":
        pip_options["trusted-host"] = secure.url.removeprefix("https://")
    else:
        monkeypatch.setenv(source, str(certificates / "ca.pem"))

    assert obtain_bytes(store, spam(url=secure.add("/spam", DATA))) == DATA


def test_a_missing_certificate_file_is_a_one_line_error(
    store: Store, secure: Site, pip_options: dict[str, str]
) -> None:
    pip_options["cert"] = "/does/not/exist.pem"

    with pytest.raises(SeedError, match=r"/does/not/exist\.pem") as caught:
        obtain_bytes(store, spam(url=secure.add("/spam", DATA)))

    assert str(caught.value.hint).startswith("correct the path in pip's setting `cert` or `client-cert`")


def test_a_client_certificate_is_sent(store: Store, certificates: Path, pip_options: dict[str, str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "both.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificates / "ca.pem")
    pip_options |= {"cert": str(certificates / "ca.pem"), "client-cert": str(certificates / "both.pem")}
    with serving(context) as site:
        assert obtain_bytes(store, spam(url=site.add("/spam", DATA))) == DATA


@pytest.mark.parametrize("hashes", [{}, {"sha256": "0" * 64}])
def test_a_redirect_must_not_leave_https_unless_a_hash_protects_the_file(
    store: Store,
    secure: Site,
    site: Site,
    certificates: Path,
    pip_options: dict[str, str],
    hashes: dict[str, str],
) -> None:
    pip_options["cert"] = str(certificates / "ca.pem")
    secure.add("/spam", status(302, Location=site.add("/spam", DATA)))

    message = failure(store, spam(url=f"{secure.url}/spam", hashes=hashes))

    assert ("it redirects from HTTPS to HTTP" in message) == (not hashes)


# Seeds


def test_a_seed_is_downloaded_with_the_settings_of_the_index_alone(store: Store, site: Site, tmp_path: Path) -> None:
    """Other settings would make pip download other packages, or write elsewhere."""
    wheel = make_wheel(tmp_path / "wheels")
    config = tmp_path / "pip.conf"
    config.write_text(
        f"[global]\nindex-url = {site.add_index('spam', {wheel.name: wheel.read_bytes()})}\n"
        f"[download]\ndest = {tmp_path / 'planted'}\nrequirement = {tmp_path / 'none.txt'}\n"
    )
    environ = {"PIP_CONFIG_FILE": str(config), "PIP_REQUIREMENT": "none.txt", "PIP_NO_BINARY": ":all:"}
    store.host = replace(store.host, environ={**store.host.environ, **environ})

    path = download_wheels([Requirement("spam")], fake_interpreter(), store)["spam"]

    assert read(path) == wheel.read_bytes()
    assert not (tmp_path / "planted").exists()

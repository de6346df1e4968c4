"""The certificates with which `ssl` verifies servers, on a machine that has them at another path than the base's machine."""

from __future__ import annotations

import importlib.util
import os

KNOWN_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""The bundles of Linux distributions: Debian, Fedora, openSUSE, Alpine."""

CARRIED = "etc/ssl/cert.pem"
"""The bundle in an environment that carries its libraries."""

ADDITION = f'''

# Added by cloche for portable environments: OpenSSL knows only the place for certificates on the system it was built for.
def _certificate_bundles():
    defaults = _ssl.get_default_verify_paths()
    if any(os.environ.get(name) for name in (defaults[0], defaults[2])) or os.path.isfile(defaults[1]):
        return ()
    if os.path.isdir(defaults[3]) and os.listdir(defaults[3]):
        return ()
    known = {KNOWN_BUNDLES!r}
    return [path for path in (*known, os.path.join(sys.base_prefix, "{CARRIED}")) if os.path.isfile(path)]


def _set_default_verify_paths(self):
    bundles = _certificate_bundles()
    if bundles:
        self.load_verify_locations(cafile=bundles[0])
    else:
        super(SSLContext, self).set_default_verify_paths()


SSLContext.set_default_verify_paths = _set_default_verify_paths
'''
"""What is appended to `ssl.py`. `SSL_CERT_FILE`, `SSL_CERT_DIR` and the default paths of OpenSSL come first."""


def find_bundle() -> str:
    """Return the path of the certificates to carry: this system's, else pip's; empty if there are none."""
    for path in KNOWN_BUNDLES:
        if os.path.isfile(path):
            return path
    spec = importlib.util.find_spec("pip")
    place = (
        os.path.join(os.path.dirname(spec.origin), "_vendor", "certifi", "cacert.pem") if spec and spec.origin else ""
    )
    return place if os.path.isfile(place) else ""

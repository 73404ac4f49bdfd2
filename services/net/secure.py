"""TLS for the connections that manifests name: MicroPython's own, on a socket of this service.

Its handshake is one C call, of 1.4 s on the RP2040, within the step that moves the first bytes;
what it waits for comes between steps.
"""

from binascii import a2b_base64

import tls  # type: ignore[import-not-found, unused-ignore]


def context(ca):
    """Return what trusts a certificate, DER in base64, and what it has signed.

    Raises ValueError for what is no certificate.
    """
    made = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    made.verify_mode = tls.CERT_REQUIRED  # type: ignore[attr-defined, unused-ignore]
    made.load_verify_locations(a2b_base64(ca))
    return made


def wrap(made, raw, host):
    """Return what encrypts a connection to a host that has to prove its name."""
    return made.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)

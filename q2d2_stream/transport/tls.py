"""TLS contexts from the files that a user names."""

from __future__ import annotations

import ssl
from pathlib import Path

from q2d2_stream.errors import InputError

__all__ = ["client_context", "server_context", "untrusted"]

# Of X509_V_ERR_...: openssl/x509_vfy.h
_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_NUMBER = 10, 9, 62, 64


def server_context(cert: str | Path, key: str | Path | None = None) -> ssl.SSLContext:
    """For a listener.

    Args:
        cert: PEM file with the certificate and those that lead to its authority.
        key: PEM file with the private key; None when ``cert`` holds it too.

    Raises InputError when the files are missing or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An encrypted key would ask for its password on a terminal that shows a call.
        context.load_cert_chain(cert, key, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        files = f"{cert}" if key is None else f"{cert} and {key}"
        raise InputError(
            f"{files} cannot be used as certificate and key ({error}), "
            "expected PEM files that belong together, the key without a password"
        ) from error
    return context


def client_context(ca: str | Path | None = None) -> ssl.SSLContext:
    """For a caller; certificate and host name are always checked.

    Args:
        ca: PEM file with the only authority, or the self-signed certificate, to trust; None for
            the system's authorities.

    Raises InputError when the file is missing or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"{ca} cannot be used as a certificate authority ({error}), expected a PEM file"
        ) from error


def untrusted(address: object, error: ssl.SSLCertVerificationError) -> str:
    """Why the certificate at ``address`` is not trusted, and what to do about it."""
    why = f"the certificate of {address} is not trusted ({error.verify_message.rstrip('.')})"
    if error.verify_code == _EXPIRED:
        return f"{why}: the other side needs a new one"
    if error.verify_code == _NOT_YET:
        return f"{why}: look at the clocks of both sides"
    if error.verify_code in (_OTHER_NAME, _OTHER_NUMBER):
        return f"{why}: call the host by a name that the certificate has"
    return f"{why}: give its authority, or the certificate itself when it is self-signed, with --ca"

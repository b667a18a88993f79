"""The secret's file and the certificates: there, private, valid."""

from __future__ import annotations

import os
import ssl
import stat
import time

from q2d2_stream.doctor.finding import Finding, Verdict
from q2d2_stream.errors import InputError
from q2d2_stream.files.secret_file import read_secret_file
from q2d2_stream.protocol import Secret
from q2d2_stream.transport.tls import client_context, server_context

__all__ = ["check_authority", "check_certificate", "check_secret"]

_SOON_DAYS = 21


def check_secret(path: str) -> list[Finding]:
    """The secret's file: readable by its owner alone, and long enough."""
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        text = read_secret_file(path)
    except FileNotFoundError:
        advice = f"make one: (umask 077; openssl rand -base64 24 > {path})"
        return [Finding("secret", Verdict.RED, f"{path} does not exist", advice)]
    except InputError as error:
        return [Finding("secret", Verdict.RED, str(error))]
    except OSError as error:
        advice = "run this as the user who calls"
        return [Finding("secret", Verdict.RED, f"{path} cannot be read ({error})", advice)]
    facts = {"mode": f"{mode:04o}"}
    if mode & 0o077 and os.name == "posix":
        wrong = f"{path} has mode {mode:04o}: others can read or change it"
        return [Finding("secret", Verdict.RED, wrong, f"run: chmod 600 {path}", facts)]
    try:
        Secret(text)
    except InputError as error:
        return [Finding("secret", Verdict.RED, str(error), "", facts)]
    return [Finding("secret", Verdict.GREEN, f"{path}, mode {mode:04o}", "", facts)]


def check_certificate(cert: str, key: str | None = None) -> list[Finding]:
    """A listener's certificate and key: they belong together, and are valid for a while."""
    try:
        server = server_context(cert, key)
    except InputError as error:
        return [Finding("certificate", Verdict.RED, str(error))]
    try:
        expires = _expiry(server, cert)
    except ssl.SSLCertVerificationError as error:
        text = f"{cert} is not valid ({error.verify_message})"
        return [Finding("certificate", Verdict.RED, text, "make or ask for a new one")]
    return [_judge("certificate", cert, expires)]


def check_authority(ca: str) -> list[Finding]:
    """A caller's file of authorities."""
    try:
        certificates = client_context(ca).get_ca_certs()
    except InputError as error:
        return [Finding("authority", Verdict.RED, str(error))]
    # A self-signed certificate that is no authority is trusted, and not listed.
    ends = [str(certificate["notAfter"]) for certificate in certificates]
    if not ends:
        return [Finding("authority", Verdict.GREEN, ca)]
    return [_judge("authority", ca, min(ssl.cert_time_to_seconds(end) for end in ends))]


def _judge(name: str, path: str, expires_s: float) -> Finding:
    days = (expires_s - time.time()) / 86_400
    facts = {"days_left": days}
    if days < 0:
        return Finding(name, Verdict.RED, f"{path} ran out {-days:.0f} days ago", "renew it", facts)
    text = f"{path}, good for {days:.0f} more days"
    if days < _SOON_DAYS:
        return Finding(name, Verdict.YELLOW, text, "renew it soon", facts)
    return Finding(name, Verdict.GREEN, text, "", facts)


def _expiry(server: ssl.SSLContext, cert: str) -> float:
    """When a certificate ends, as Python tells only of one that a handshake has verified: so a
    handshake in memory, which trusts this very certificate.

    Raises SSLCertVerificationError when it is not valid (today).
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cert)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(to_client, to_server)
    listener = server.wrap_bio(to_server, to_client, server_side=True)
    pending = [caller, listener]
    while pending:
        for end in tuple(pending):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            pending.remove(end)
    certificate = caller.getpeercert()
    assert certificate is not None
    return ssl.cert_time_to_seconds(str(certificate["notAfter"]))

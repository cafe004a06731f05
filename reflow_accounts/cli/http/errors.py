"""Error messages for requests without a usable answer: the cause, and what to do next."""

from __future__ import annotations

import errno
import http.client
import os
import re
import socket
from typing import TYPE_CHECKING

from reflow_accounts.cli.errors import Unreachable
from reflow_accounts.cli.http import timeouts

if TYPE_CHECKING:
    import ssl

    from reflow_accounts.cli.http.server_address import Proxy

# RFC 9110, sections 15.6.3 to 15.6.5: a gateway without an answer, or a server that is overloaded.
GATEWAY_ERRORS = (502, 503, 504)
_CHECK = "Check the address (--server, REFLOW_SERVER)"
_NETWORK = "Check your network connection and try again."
_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})")
_TLS_ALERT = "\x15\x03"

# Codes of OpenSSL's X509_verify_cert (openssl-verification-options(1)).
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_HOST = (62, 64)


def unreachable(server: str, proxy: Proxy | None, error: Exception) -> Unreachable:
    """Return the error to raise when a request to `server` through `proxy` (or None) failed with `error`."""
    reason, advice = _reason(error, server)
    if proxy is None:
        return Unreachable(f"{server} cannot be reached: {reason}. {advice}")
    tunnel = _TUNNEL.match(str(error))
    if tunnel and tunnel[1] == "407":
        return proxy_authentication(server, proxy)
    if tunnel:
        return Unreachable(
            f"{server} cannot be reached: {proxy} does not lead there (status {tunnel[1]}). "
            "Ask the administrator of the proxy, or add the server's host to NO_PROXY."
        )
    # These errors concern the connection to the proxy itself; TLS errors concern the server behind it.
    is_refused = isinstance(error, (socket.gaierror, ConnectionRefusedError, UnicodeError))
    if is_refused or getattr(error, "errno", None) in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return Unreachable(
            f"{server} cannot be reached, because {proxy} cannot be reached: {reason}. "
            f"Check {proxy.source}, or add the server's host to NO_PROXY."
        )
    return Unreachable(f"{server} cannot be reached through {proxy}: {reason}. {advice}")


def proxy_authentication(server: str, proxy: Proxy) -> Unreachable:
    """Return the error to raise when the proxy requires other credentials (status 407)."""
    fault = "refuses its name and password" if proxy.authorization else "requires a name and a password"
    return Unreachable(
        f"{server} cannot be reached: {proxy} {fault}. "
        f"Write them into {proxy.source}, as NAME:PASSWORD@ before the proxy's host."
    )


def incomplete(server: str) -> str:
    """Return the message for an answer that is cut off or damaged."""
    return (
        f"The answer of {server} broke off or was damaged on its way. "
        "Try again; if it stays so, check your network connection."
    )


def not_available(server: str, status: int, through: str = "") -> str:
    """Return the message for a status in GATEWAY_ERRORS without a problem document of Reflow."""
    by = f", asked through {through}," if through else ""
    return (
        f"{server}{by} is not available now (status {status}): the server, or a gateway before it, does not respond. "
        "Try again later; if it stays so, tell the administrator of the server."
    )


def endless(server: str) -> str:
    """Return the message for an answer that is too large."""
    return f"The answer of {server} is too large, so it is not a Reflow server. {_CHECK}."


def not_reflow(server: str, what: str, through: str = "") -> str:
    """Return the message for an answer that does not come from Reflow; `what` describes it."""
    by = f", asked through {through}," if through else ""
    return (
        f"{server}{by} answered with {what}, so it is not a Reflow server. "
        f"{_CHECK} and whether your network asks you to sign in."
    )


def redirected(server: str, target: str) -> Unreachable:
    """Return the error to raise for a redirect, which is never followed."""
    return Unreachable(
        f"{server} redirects to {target}. No redirect is followed, so that your secret goes to no other server.",
        "If you trust that address, name it with --server; "
        "if it is your network that asks you to sign in, do that in a browser.",
    )


def _reason(error: Exception, server: str) -> tuple[str, str]:
    """Return what happened, and what to do next."""
    import ssl

    if isinstance(error, (socket.gaierror, UnicodeError)):
        if getattr(error, "errno", None) == socket.EAI_AGAIN:
            return "its name cannot be looked up", f"{_CHECK} and your network connection."
        return "no machine has this name", f"{_CHECK}."
    if isinstance(error, ConnectionRefusedError):
        return "nothing answers there", f"{_CHECK} and whether the server is running."
    if isinstance(error, timeouts.TooSlow):
        return f"less than 1 MB of its answer arrived in {timeouts.LONGEST} seconds", _NETWORK
    if isinstance(error, TimeoutError):
        return (
            f"no answer within {timeouts.TIMEOUT} seconds",
            f"{_CHECK} and your network, or try again later.",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_reason(error)
    if isinstance(error, ssl.SSLError):
        return "it does not speak https correctly", f"{_CHECK}: is it https:// and the right port?"
    return _protocol_reason(error, server)


def _certificate_reason(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
        when = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
        return (
            f"its certificate {when}",
            "Check this machine's clock; if it is right, tell the administrator of the server.",
        )
    if error.verify_code in _OTHER_HOST:
        return (
            "its certificate is for another host",
            f"{_CHECK}, or whether your network asks you to sign in.",
        )
    return f"its certificate is not trusted ({error.verify_message})", _trust_advice()


def _trust_advice() -> str:
    """Return how to trust an authority; OpenSSL does not report that the file in SSL_CERT_FILE is unusable."""
    import ssl

    file = os.environ.get("SSL_CERT_FILE")
    try:
        if file:
            ssl.create_default_context(cafile=file)
    except OSError as error:
        is_text = isinstance(error, ssl.SSLError) or not error.strerror
        reason = "it holds no certificate in PEM form" if is_text else error.strerror
        return (
            f"{file}, named in SSL_CERT_FILE, cannot be used ({reason}). "
            "Write the path of your authority's certificate there, or unset it."
        )
    return "If your company has its own certificate authority, name its certificate in SSL_CERT_FILE."


def _protocol_reason(error: Exception, server: str) -> tuple[str, str]:
    if isinstance(error, http.client.IncompleteRead):
        return "its answer broke off", _NETWORK
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        if str(error).startswith(_TLS_ALERT):
            return "it speaks https, not http", "Write https:// in the address (--server, REFLOW_SERVER)."
        return "it does not speak HTTP", f"{_CHECK}."
    if isinstance(error, ConnectionError):
        doubt = " (does it want https?)" if server.startswith("http:") else ""
        return "the connection broke off", f"Try again; if it stays so, check the address{doubt}."
    return getattr(error, "strerror", None) or "the connection broke off", _NETWORK

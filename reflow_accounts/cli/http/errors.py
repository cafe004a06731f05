"""Why no answer came, in words: what happened, and what to do next."""

from __future__ import annotations

import errno
import http.client
import re
import socket
from typing import TYPE_CHECKING

from reflow_accounts.cli.errors import Unreachable
from reflow_accounts.cli.http import timeouts

if TYPE_CHECKING:
    import ssl

    from reflow_accounts.cli.http.proxies import Proxy

# RFC 9110, sections 15.6.3 to 15.6.5: a gateway that gets no answer, or a server that takes no requests now.
GATEWAY_FAULTS = (502, 503, 504)
_CHECK = "Check the address (--server, REFLOW_SERVER)"
_NETWORK = "Check your network connection and try again."
_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})")
_TLS_ALERT = "\x15\x03"

# Codes of OpenSSL's X509_verify_cert (openssl-verification-options(1)).
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_HOST = (62, 64)


def explained(server: str, proxy: Proxy | None, error: Exception) -> Unreachable:
    """Return the end of a run that got no answer of `server`, asked through `proxy`, because of `error`."""
    if proxy:
        tunnel = _TUNNEL.match(str(error))
        if tunnel:
            is_asking = tunnel[1] == "407"
            return demand_of_the_proxy(server, proxy) if is_asking else _closed(server, proxy, tunnel[1])
        if _is_of_the_way(error):
            what, _ = _reason(error, server)
            return Unreachable(
                f"{server} cannot be reached: {proxy} was asked for it, and {what}. "
                f"Check {proxy.source}, or add the server's host to NO_PROXY."
            )
    what, then = _reason(error, server)
    by = f" through {proxy}" if proxy else ""
    return Unreachable(f"{server} cannot be reached{by}: {what}. {then}")


def demand_of_the_proxy(server: str, proxy: Proxy) -> Unreachable:
    """Return the end of a run that the proxy let no further without a name and a password."""
    fault = "refuses its name and password" if proxy.authorization else "wants a name and a password"
    return Unreachable(
        f"{server} cannot be reached: {proxy} {fault}. "
        f"Write them into {proxy.source}, as NAME:PASSWORD@ before the proxy's host."
    )


def broken_off(server: str) -> str:
    """Return the sentence for an answer of which a part is missing."""
    return (
        f"The answer of {server} broke off or was damaged on its way. "
        "Try again; if it stays so, check your network connection."
    )


def away(server: str, status: int, through: str = "") -> str:
    """Return the sentence for a status of GATEWAY_FAULTS that Reflow did not write: its words, or none, are others'."""
    by = f", asked through {through}," if through else ""
    return (
        f"{server}{by} is not available now (status {status}): it, or what stands before it, does not answer. "
        "Try again later; if it stays so, tell who runs the server."
    )


def endless(server: str) -> str:
    """Return the sentence for an answer that is too large to be one."""
    return f"The answer of {server} is endless, so it is not Reflow that answers. {_CHECK}."


def _closed(server: str, proxy: Proxy, status: str) -> Unreachable:
    return Unreachable(
        f"{server} cannot be reached: {proxy} does not lead there (status {status}). "
        "Ask who runs the proxy, or add the server's host to NO_PROXY."
    )


def _is_of_the_way(error: Exception) -> bool:
    """Say whether it was the proxy that could not be reached; what TLS says comes from behind it."""
    refused = isinstance(error, (socket.gaierror, ConnectionRefusedError, UnicodeError))
    return refused or getattr(error, "errno", None) in (errno.EHOSTUNREACH, errno.ENETUNREACH)


def _reason(error: Exception, server: str) -> tuple[str, str]:
    """Return what happened and what to do next."""
    import ssl

    if isinstance(error, (socket.gaierror, UnicodeError)):
        return _unnamed(error)
    if isinstance(error, ConnectionRefusedError):
        return "nothing answers there", f"{_CHECK} and whether the server is running."
    if isinstance(error, TimeoutError):
        return _late(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error)
    if isinstance(error, ssl.SSLError):
        return "it does not speak https as it should", f"{_CHECK}: is it https:// and the right port?"
    return _broken(error, server)


def _unnamed(error: Exception) -> tuple[str, str]:
    if getattr(error, "errno", None) == socket.EAI_AGAIN:
        return "its name cannot be looked up", f"{_CHECK} and your network connection."
    return "no machine has this name", f"{_CHECK}."


def _late(error: TimeoutError) -> tuple[str, str]:
    if isinstance(error, timeouts.TooSlow):
        return f"its answer was not there within {timeouts.LONGEST} seconds", _NETWORK
    return f"no answer within {timeouts.TIMEOUT} seconds", f"{_CHECK} and your network, or try again later."


def _untrusted(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
        when = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
        return (
            f"its certificate {when}",
            "Check this machine's clock; if it is right, tell who runs the server.",
        )
    if error.verify_code in _OTHER_HOST:
        return (
            "its certificate is for another host",
            f"{_CHECK}, or whether your network asks you to sign in.",
        )
    return (
        f"its certificate is not trusted ({error.verify_message})",
        "If your company has an authority of its own, name its certificate in SSL_CERT_FILE.",
    )


def _broken(error: Exception, server: str) -> tuple[str, str]:
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

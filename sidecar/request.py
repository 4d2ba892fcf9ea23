"""HttpRequest: what Envoy told us about one HTTP request, made canonical once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from msgspec import Struct

from sidecar.errors import InvalidRequest

# A path that every HTTP implementation reads alike. Envoy has already normalised what its own settings cover; what
# is left over is refused and never repaired, since the upstream might repair it in another way.
_PLAIN_PATH = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,=:@]+/)*[A-Za-z0-9\-._~!$&'()*+,=:@]*\Z")
_CHARACTER = r"(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%[0-9A-Fa-f]{2})"
_ESCAPED_PATH = re.compile(rf"/(?:{_CHARACTER}+/)*{_CHARACTER}*\Z")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_METHOD = re.compile(r"[A-Z][A-Z\-]{0,31}\Z")
_HOST = re.compile(r"(?:[A-Za-z0-9._\-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")


class HttpRequest(Struct, frozen=True, kw_only=True):
    """One HTTP request as the policy sees it.

    `path` is canonical and without query. `headers` maps lower-case names to all values in order, decoded as
    ISO-8859-1, so that every byte survives. `client_ip` is the address that Envoy trusts, in canonical text ("" when
    Envoy gave none). `body` is None when Envoy sent none. `peer_principal` and `peer_certificate` (URL-encoded PEM)
    come from the client's verified TLS certificate. `extensions` are the route's `context_extensions`.
    """

    method: str
    path: str
    host: str = ""
    scheme: str = ""
    query: str = ""
    headers: Mapping[str, tuple[str, ...]] = {}
    client_ip: str = ""
    body: bytes | None = None
    request_id: str = ""
    peer_principal: str = ""
    peer_certificate: str = ""
    extensions: Mapping[str, str] = {}

    def __repr__(self) -> str:
        """Without headers, query and body: what is shown may be logged."""
        return f"HttpRequest({self.method} {self.path})"

    def header(self, name: str) -> str | None:
        """The only value of the header `name` (lower case), or None when it is absent.

        Raises InvalidRequest(`duplicate_header`) when it occurs more than once: a second copy might be the one that
        the upstream reads.
        """
        values = self.headers.get(name)
        if values is None:
            return None
        if len(values) != 1:
            raise InvalidRequest("duplicate_header", name)
        return values[0]


def canonical_method(method: str) -> str:
    """The method as sent; InvalidRequest(`invalid_method`) unless it is an upper-case token."""
    if not _METHOD.match(method):
        raise InvalidRequest("invalid_method")
    return method


@lru_cache(maxsize=1024)
def canonical_host(host: str) -> str:
    """Lower case, without port and without the root's dot; InvalidRequest(`invalid_host`) on anything else."""
    if not host:
        return ""
    if not _HOST.match(host):
        raise InvalidRequest("invalid_host")
    name = host[: host.index("]") + 1] if host.startswith("[") else host.partition(":")[0]
    return name.lower().removesuffix(".")


def split_target(target: str) -> tuple[str, str]:
    """Split a request target into (canonical path, query).

    Percent-escapes of unreserved characters are decoded and the others upper-cased (RFC 3986, section 6.2.2); the
    result is the one spelling that routes are matched against. InvalidRequest(`ambiguous_path`) is raised for what two
    servers may read differently: a missing leading slash, `//`, `.` and `..` segments, path parameters (`;`), escaped
    slashes, backslashes, dots, percent signs and control characters, raw non-ASCII, and fragments.
    """
    path, _, query = target.partition("?")
    if _PLAIN_PATH.match(path):
        canonical = path
    elif _ESCAPED_PATH.match(path):
        canonical = _ESCAPE.sub(_decode_unreserved, path)
    else:
        raise InvalidRequest("ambiguous_path")
    if "/." in canonical and any(part in {".", ".."} for part in canonical.split("/")):
        raise InvalidRequest("ambiguous_path")
    return canonical, query


def _decode_unreserved(match: re.Match[str]) -> str:
    byte = int(match[1], 16)
    if byte in _UNRESERVED and byte != 0x2E:
        return chr(byte)
    if byte <= 0x20 or byte in b"\x7f%/\\.;?#":
        raise InvalidRequest("ambiguous_path")
    return match[0].upper()


@lru_cache(maxsize=4096)
def canonical_address(address: str) -> str:
    """The address in its shortest form, an IPv4-mapped IPv6 address as IPv4; "" when it is no IP address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(parsed)

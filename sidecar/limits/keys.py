"""What a limit can be keyed by: one function `(request, principal, prompt) -> str | None` per name in `by`.

None means that the request has no such property, and the limit doesn't apply to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from urllib.parse import quote

from sidecar.principal import Principal
from sidecar.prompt import Prompt
from sidecar.request import HttpRequest

Key = Callable[[HttpRequest, Principal | None, Prompt | None], str | None]

_PLAIN = re.compile(r"[A-Za-z0-9._~@-]{1,64}\Z")
_LONGEST = 64


def _client_ip(request: HttpRequest, _principal: Principal | None, _prompt: Prompt | None) -> str | None:
    return request.client_ip or None


def _method(request: HttpRequest, _principal: Principal | None, _prompt: Prompt | None) -> str | None:
    return request.method


def _host(request: HttpRequest, _principal: Principal | None, _prompt: Prompt | None) -> str | None:
    return request.host or None


def _path(request: HttpRequest, _principal: Principal | None, _prompt: Prompt | None) -> str | None:
    return request.path


def _principal(_request: HttpRequest, principal: Principal | None, _prompt: Prompt | None) -> str | None:
    return principal.budget if principal is not None else None


def _api_key(_request: HttpRequest, principal: Principal | None, _prompt: Prompt | None) -> str | None:
    return principal.budget if principal is not None and principal.kind == "api_key" else None


def _tenant(_request: HttpRequest, principal: Principal | None, _prompt: Prompt | None) -> str | None:
    return (principal.tenant or None) if principal is not None else None


def _plan(_request: HttpRequest, principal: Principal | None, _prompt: Prompt | None) -> str | None:
    return (principal.plan or None) if principal is not None else None


def _client_id(_request: HttpRequest, principal: Principal | None, _prompt: Prompt | None) -> str | None:
    return (principal.client_id or None) if principal is not None else None


def _model(_request: HttpRequest, _principal: Principal | None, prompt: Prompt | None) -> str | None:
    return prompt.model if prompt is not None else None


def _api(_request: HttpRequest, _principal: Principal | None, prompt: Prompt | None) -> str | None:
    return prompt.api if prompt is not None else None


KEYS: Mapping[str, Key] = {
    "client_ip": _client_ip,
    "method": _method,
    "host": _host,
    "path": _path,
    "principal": _principal,
    "api_key": _api_key,
    "tenant": _tenant,
    "plan": _plan,
    "client_id": _client_id,
    "model": _model,
    "api": _api,
}
"""Every name that `by` may hold."""

OF_REQUEST = frozenset({"client_ip", "method", "host", "path"})
"""The names whose value is known before anybody is authenticated."""


def escape(value: str) -> str:
    """`value` as one part of a bucket's key: injective, and free of every character that separates parts.

    Letters, digits and `._~@-` stay readable, anything else becomes `%XX`; the empty value is `%`. What would be
    longer than 64 characters is `#` with its BLAKE2b digest (160 bits), so that keys stay short.
    """
    if _PLAIN.match(value):
        return value
    if not value:
        return "%"
    if len(value) <= _LONGEST:
        escaped = quote(value, safe="@~", errors="surrogatepass")
        if len(escaped) <= _LONGEST:
            return escaped
    return "#" + blake2b(value.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def bucket_key(slot: str, name: str, values: str) -> str:
    """The key of a bucket: `{slot}:name:values`, all parts escaped already. Redis Cluster hashes the slot alone."""
    return f"{{{slot}}}:{name}:{values}"

"""Conditions on routes, in the Common Expression Language."""

from __future__ import annotations

from typing import Any

from sidecar.errors import ConfigurationError
from sidecar.principal import Principal
from sidecar.request import HttpRequest

_SAMPLE_REQUEST = HttpRequest(method="GET", path="/")
_SAMPLE_PRINCIPAL = Principal(id="key:0", kind="api_key", subject="sample", budget="key:0")


class Condition:
    """One expression, compiled. `request` has method, host, path, client_ip; `principal` has the fields of Principal.

    Headers and queries are left out on purpose: whoever calls writes them. Raises ConfigurationError for an
    expression that can't be compiled or that names something else.
    """

    def __init__(self, expression: str, key: str) -> None:
        try:
            import cel  # noqa: PLC0415 - an extra: most tables need no expressions
        except ImportError:
            raise ConfigurationError(
                "configuration", key, "needs the CEL library", "pip install portcullis[cel]"
            ) from None
        try:
            self._program = cel.compile(expression)
        except ValueError as error:
            problem = str(error).splitlines()[0]
            raise ConfigurationError("configuration", key, f"is no CEL expression: {problem}") from None
        try:
            self._program.execute(_context(_SAMPLE_REQUEST, _SAMPLE_PRINCIPAL))
        except RuntimeError as error:
            problem = str(error).splitlines()[0].split(". ")[0]
            raise ConfigurationError("configuration", key, problem, "known are request and principal") from None
        except Exception:  # noqa: S110 - what a sample lacks, a request may have
            pass

    def holds(self, request: HttpRequest, principal: Principal | None) -> bool:
        """Whether the expression is true; a fault while it is evaluated, or another type than bool, is no."""
        try:
            return self._program.execute(_context(request, principal)) is True
        except Exception:
            return False


def _context(request: HttpRequest, principal: Principal | None) -> dict[str, Any]:
    context: dict[str, Any] = {
        "request": {
            "method": request.method,
            "host": request.host,
            "path": request.path,
            "client_ip": request.client_ip,
        },
        "principal": None,
    }
    if principal is not None:
        context["principal"] = {
            "id": principal.id,
            "kind": principal.kind,
            "subject": principal.subject,
            "tenant": principal.tenant,
            "plan": principal.plan,
            "scopes": sorted(principal.scopes),
            "key_id": principal.key_id,
            "issuer": principal.issuer,
            "client_id": principal.client_id,
            "environment": principal.environment,
            "metadata": dict(principal.metadata),
        }
    return context

"""Layers: which configured limits a request touches, and the buckets that it takes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sidecar.limits.keys import KEYS, OF_REQUEST, Key, bucket_key, escape
from sidecar.limits.limit import Algorithm, Charge, Limit
from sidecar.principal import Principal
from sidecar.prompt import Prompt
from sidecar.request import HttpRequest

_CACHE = 16_384  # charges kept per layer, so that a caller who comes back costs one look-up


def window_name(limit: Limit) -> str:
    """The part of a key that says what its number means: a bucket survives a new rate, but not a new window."""
    return f"{'w' if limit.algorithm is Algorithm.FIXED_WINDOW else 'b'}{limit.period_us}"


@dataclass(frozen=True, slots=True)
class _Layer:
    """One limit with its keys looked up. `owned` buckets share a slot with the others of their tenant."""

    limit: Limit
    name: str
    keys: tuple[Key, ...]
    owned: bool
    charges: dict[tuple[str, ...], Charge]

    def charge(self, request: HttpRequest, principal: Principal | None, prompt: Prompt | None) -> Charge | None:
        parts = []
        for key in self.keys:
            value = key(request, principal, prompt)
            if value is None:
                return None
            parts.append(value)
        owner = _owner(principal) if self.owned and principal is not None else ""
        known = (owner, *parts)
        charge = self.charges.get(known)
        if charge is None:
            values = ":".join(map(escape, parts))
            charge = Charge(self.limit, bucket_key(owner or f"{self.name}:{values}", self.name, values))
            if len(self.charges) >= _CACHE:
                self.charges.clear()
            self.charges[known] = charge
        return charge


def _owner(principal: Principal) -> str:
    return _slot("t.", principal.tenant) if principal.tenant else _slot("p.", principal.budget)


@lru_cache(maxsize=_CACHE)
def _slot(kind: str, value: str) -> str:
    return kind + escape(value)


class Layers:
    """The configured limits and those of the plans, compiled."""

    def __init__(self, limits: Sequence[Limit], plans: Mapping[str, Sequence[Limit]]) -> None:
        layers = [_compile(limit, limit.name) for limit in limits]
        self._address = tuple(layer for layer in layers if _of_address(layer.limit))
        self._caller = tuple(layer for layer in layers if not _of_address(layer.limit))
        self._plans = {
            plan: tuple(_compile(limit, f"{limit.name}/{escape(plan)}") for limit in own) for plan, own in plans.items()
        }

    @property
    def limits(self) -> dict[str, Limit]:
        """All limits by the name in their buckets' keys."""
        layers = (*self._address, *self._caller, *(layer for own in self._plans.values() for layer in own))
        return {layer.name.partition(":")[0]: layer.limit for layer in layers}

    def address(self, request: HttpRequest) -> tuple[Charge, ...]:
        """Charges to the limits that an address is held to before anybody is authenticated."""
        found = [layer.charge(request, None, None) for layer in self._address]
        return tuple([charge for charge in found if charge is not None])

    def caller(self, request: HttpRequest, principal: Principal | None, prompt: Prompt | None) -> tuple[Charge, ...]:
        """Charges to all other limits, those of the principal's plan included."""
        found = [layer.charge(request, principal, prompt) for layer in self._caller]
        if principal is not None and principal.plan in self._plans:
            found += [layer.charge(request, principal, prompt) for layer in self._plans[principal.plan]]
        return tuple([charge for charge in found if charge is not None])


def _of_address(limit: Limit) -> bool:
    return "client_ip" in limit.by and OF_REQUEST.issuperset(limit.by)


def _compile(limit: Limit, name: str) -> _Layer:
    # Only a tenant's own callers can reach the buckets of its principals and keys. A bucket keyed by address or model
    # alone is shared between tenants and has to be the same one for all of them.
    owned = not {"principal", "api_key", "tenant"}.isdisjoint(limit.by)
    return _Layer(limit, f"{name}:{window_name(limit)}", tuple(KEYS[key] for key in limit.by), owned, {})

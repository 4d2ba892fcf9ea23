"""The decision about one request, on one screen."""

from __future__ import annotations

from sidecar import apis
from sidecar.apis import body
from sidecar.apis.settings import BodySettings
from sidecar.authentication import Authentication
from sidecar.authorization import Authorization
from sidecar.decision import Allow, Decision, Deny, Evidence, Reason
from sidecar.errors import InvalidBody, InvalidCredential, InvalidRequest, StoreUnavailable, TooManyFailures
from sidecar.inspection import Inspection
from sidecar.inspection.finding import Action
from sidecar.limits import Layers, Limiter
from sidecar.limits.limit import Taken
from sidecar.request import HttpRequest

INSPECTION_DEADLINE = "inspection_deadline"

_BODY_REASONS = {
    "body_too_large": Reason.BODY_TOO_LARGE,
    "body_partial": Reason.BODY_TOO_LARGE,
    "unsupported_encoding": Reason.UNSUPPORTED_MEDIA_TYPE,
    "unsupported_charset": Reason.UNSUPPORTED_MEDIA_TYPE,
}


class Policy:
    """identify -> authenticate -> authorize -> parse -> throttle -> inspect.

    All buckets of a request are taken in one step, so that the store is asked at most once and a request over any
    limit costs nothing. A caller who is refused before that step pays for the address alone: guessing is not free.
    """

    def __init__(
        self,
        *,
        authentication: Authentication,
        authorization: Authorization,
        layers: Layers,
        limiter: Limiter,
        inspection: Inspection,
        body_settings: BodySettings,
    ) -> None:
        self._authentication = authentication
        self._authorization = authorization
        self._layers = layers
        self._limiter = limiter
        self._inspection = inspection
        self._body_settings = body_settings

    async def decide(self, request: HttpRequest) -> Decision:
        """Decide about one request. Raises nothing that a caller can cause.

        There is no deadline over the whole: each thing that is waited for (a key, the buckets, a long prompt) has one
        of its own, and together they stay below the 200 ms that Envoy waits.
        """
        api = apis.match(request.method, request.path)
        evidence = Evidence(error_style=api.error_style, api=api.name)
        return Decision(await self._judge(request, api, evidence), evidence)

    async def _judge(self, request: HttpRequest, api: apis.ApiFormat, evidence: Evidence) -> Allow | Deny:
        address = self._layers.address(request)
        known = self._limiter.peek(address)
        if known is not None:
            return _over_limit(known, evidence)
        refusal = await self._admit(request, api, evidence)
        if refusal is not None:
            taken = await self._limiter.take(address)
            return refusal if taken.admitted else _over_limit(taken, evidence)
        caller = self._layers.caller(request, evidence.principal, evidence.prompt)
        taken = await self._limiter.take(address + caller)
        if not taken.admitted:
            return _over_limit(taken, evidence)
        evidence.taken = taken
        return await self._inspect(evidence)

    async def _admit(self, request: HttpRequest, api: apis.ApiFormat, evidence: Evidence) -> Deny | None:
        """Who asks, whether they may, and what for; None when nothing speaks against it."""
        try:
            principal = evidence.principal = await self._authentication.authenticate(request)
            route = self._authorization.route(request)
            if principal is None and (route is None or not route.public):
                return Deny(Reason.MISSING_CREDENTIAL, "missing_credential")
            if route is None:
                return Deny(Reason.FORBIDDEN, "route_not_allowed")
            evidence.route = route.path
            refusal = self._authorization.check(route, request, principal)
            if refusal is not None:
                return refusal
            content = body.decode(request, self._body_settings)
            if content is None:
                return None
            evidence.prompt = prompt = api.parse(content, request.header("content-type") or "")
            return self._authorization.check_model(route, principal, prompt.model)
        except TooManyFailures as bad:
            return Deny(Reason.OVER_LIMIT, bad.code, retry_after=bad.retry_after)
        except InvalidCredential as bad:
            return Deny(Reason.INVALID_CREDENTIAL, bad.code)
        except InvalidBody as bad:
            return Deny(_BODY_REASONS.get(bad.code, Reason.INVALID_BODY), bad.code)
        except InvalidRequest as bad:
            return Deny(Reason.INVALID_REQUEST, bad.code)
        except StoreUnavailable as fault:
            return Deny(Reason.UNAVAILABLE, fault.code)

    async def _inspect(self, evidence: Evidence) -> Allow | Deny:
        if evidence.prompt is None:
            return Allow()
        principal = evidence.principal
        try:
            verdict = await self._inspection.inspect(
                evidence.prompt,
                route=evidence.route,
                plan=principal.plan if principal else "",
                tenant=principal.tenant if principal else "",
                scopes=principal.scopes if principal else frozenset(),
            )
        except TimeoutError:
            return Deny(Reason.UNAVAILABLE, INSPECTION_DEADLINE)
        evidence.findings = verdict.findings
        if verdict.action is Action.DENY:
            rules = tuple(dict.fromkeys(f.rule for f in verdict.findings if f.action is Action.DENY))
            return Deny(Reason.PROMPT_REFUSED, rules[0], rules=rules)
        return Allow()


def _over_limit(taken: Taken, evidence: Evidence) -> Deny:
    evidence.taken = taken
    over = next(status for status in taken.statuses if status.over and not status.charge.limit.shadow)
    return Deny(Reason.OVER_LIMIT, "over_limit", message=f"Rate limit {over.charge.limit.name} reached.")

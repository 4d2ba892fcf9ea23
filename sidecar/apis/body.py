"""The bytes of a body, free of content encoding."""

from __future__ import annotations

import re

from sidecar.apis.encodings import unpack
from sidecar.apis.settings import BodySettings
from sidecar.errors import InvalidBody
from sidecar.request import HttpRequest

_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\";\s]*)", re.IGNORECASE)
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_NO_LENGTH = ("0",)
_PARTIAL = "x-envoy-auth-partial-body"


def decode(request: HttpRequest, settings: BodySettings) -> bytes | None:
    """The body of `request` as the upstream's application will see it; None when its method has none, nor it.

    Raises InvalidBody: `body_too_large` and `body_partial` (413), `unsupported_encoding` and `unsupported_charset`
    (415), `body_missing` and `body_undecodable` (400); InvalidRequest(`duplicate_header`) for a second
    `content-type`. Takes time and memory in proportion to `max_unpacked_bytes` at most.
    """
    body = request.body
    if not body:
        if request.headers.get("content-length", _NO_LENGTH) != _NO_LENGTH or "transfer-encoding" in request.headers:
            # Envoy did not send us what it will send the upstream: `with_request_body` is not set.
            raise InvalidBody("body_missing")
        return None if request.method in _BODILESS else b""
    if len(body) > settings.max_bytes:
        raise InvalidBody("body_too_large")
    headers = request.headers
    if _PARTIAL in headers and any("true" in value.lower() for value in headers[_PARTIAL]):
        # Envoy has cut it: what it kept to itself would reach the upstream unread.
        raise InvalidBody("body_partial")
    if "content-length" in headers and any(value.strip() != str(len(body)) for value in headers["content-length"]):
        raise InvalidBody("body_partial")
    content_type = request.header("content-type")
    if content_type is not None and ";" in content_type:
        charsets = _CHARSET.findall(content_type)
        if charsets and not all(charset.lower() in _UTF_8 for charset in charsets):
            raise InvalidBody("unsupported_charset")
    if "content-encoding" in headers:
        return _unpack(body, headers["content-encoding"], settings)
    return body


def _unpack(body: bytes, values: tuple[str, ...], settings: BodySettings) -> bytes:
    codings = [coding.strip().lower() for value in values for coding in value.split(",")]
    codings = [coding for coding in codings if coding not in {"", "identity"}]
    if not codings:
        return body
    coding = codings[0].removeprefix("x-")
    # A second layer has no honest use, and some servers undo only one.
    if len(codings) > 1 or coding not in settings.encodings:
        raise InvalidBody("unsupported_encoding")
    return unpack(body, coding, settings.max_unpacked_bytes)


__all__ = ["BodySettings", "decode"]

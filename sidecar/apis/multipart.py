"""multipart/form-data (RFC 7578): the fields of an upload, and how many files it has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from sidecar.apis.documents import decode_text, guess_text
from sidecar.errors import InvalidBody

_CHARACTER = r"[A-Za-z0-9'()+_,./:=?-]"
_BOUNDARY = re.compile(
    rf"\s*multipart/form-data\s*;\s*boundary=(?:\"({_CHARACTER}{{1,70}})\"|({_CHARACTER}{{1,70}}))\s*\Z", re.IGNORECASE
)
_DISPOSITION = re.compile(
    rb"form-data((?:[ \t]*;[ \t]*[a-z*]+=(?:\"(?:[^\"\\\r\n]|\\.)*\"|[^;\s\"]+))*)[ \t]*\Z",
    re.IGNORECASE,
)
_PARAMETER = re.compile(rb";[ \t]*([a-z*]+)=(?:\"((?:[^\"\\\r\n]|\\.)*)\"|([^;\s\"]+))", re.IGNORECASE)
_HEADERS = frozenset({b"content-disposition", b"content-type", b"content-length"})
_CHARSET = re.compile(rb"charset\s*=\s*\"?([^\";\s]*)")
_UTF_8 = frozenset({b"utf-8", b"utf8", b"us-ascii"})
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_MAX_PARTS = 100
_MAX_HEADERS = 4096


@dataclass(frozen=True, slots=True)
class Form:
    """`fields` are (name, text) in order. `files` counts the parts with a file name; `file_names` has the names.

    `documents` are the texts of those files that are text.
    """

    fields: tuple[tuple[str, str], ...]
    files: int
    file_names: tuple[str, ...]
    documents: tuple[str, ...] = ()


def parse(body: bytes, content_type: str) -> Form:
    """Read a form strictly: whatever two parsers may split in two ways is refused.

    Raises InvalidBody(`multipart_malformed`) for an absent or odd boundary, text before the first part or behind the
    last, bare line feeds in headers, folded or repeated headers, two names that differ, a transfer encoding, nested
    multiparts, fields that are not UTF-8. Linear in the body.
    """
    found = _BOUNDARY.match(content_type)
    if found is None:
        raise InvalidBody("multipart_malformed", "boundary")
    delimiter = b"--" + (found[1] or found[2]).encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if pieces[0] or len(pieces) < 2 or pieces[-1] not in (b"--", b"--\r\n") or len(pieces) > _MAX_PARTS + 2:
        raise InvalidBody("multipart_malformed", "parts")
    fields: list[tuple[str, str]] = []
    names: list[str] = []
    documents: list[str] = []
    files = 0
    for piece in pieces[1:-1]:
        # A laxer parser ends lines at a bare line feed and would find another part here.
        if not piece.startswith(b"\r\n") or b"\n" + delimiter in piece:
            raise InvalidBody("multipart_malformed", "delimiter")
        head, blank, content = piece[2:].partition(b"\r\n\r\n")
        if not blank:
            raise InvalidBody("multipart_malformed", "headers")
        parameters = _read_headers(head, len(content))
        if "filename" in parameters:
            files += 1
            names.append(parameters["filename"])
            text = decode_text(content) or guess_text(content)
            if text:
                documents.append(text)
        else:
            try:
                fields.append((parameters["name"], content.decode()))
            except UnicodeDecodeError:
                raise InvalidBody("multipart_malformed", "text") from None
    return Form(tuple(fields), files, tuple(names), tuple(documents))


def _read_headers(head: bytes, size: int) -> dict[str, str]:
    """The parameters of a part's Content-Disposition. `size` is that of its content, in bytes."""
    if len(head) > _MAX_HEADERS:
        raise InvalidBody("multipart_malformed", "header")
    lines: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() in lines or name.lower() not in _HEADERS or _CONTROLS.search(line):
            raise InvalidBody("multipart_malformed", "header")
        lines[name.lower()] = value.strip(b" \t")
    kind = lines.get(b"content-type", b"").lower()
    charset = _CHARSET.search(kind)
    length = lines.get(b"content-length")
    found = _DISPOSITION.match(lines.get(b"content-disposition", b""))
    if (
        found is None
        or kind.startswith(b"multipart/")
        or (charset is not None and charset[1] not in _UTF_8)
        or (length is not None and length != str(size).encode())
    ):
        raise InvalidBody("multipart_malformed", "header")
    return _read_parameters(found[1])


def _read_parameters(text: bytes) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, quoted, bare in _PARAMETER.findall(text):
        key = name.decode().lower()
        if key in parameters or key not in ("name", "filename", "filename*"):
            raise InvalidBody("multipart_malformed", "disposition")
        try:
            parameters[key] = (quoted or bare).decode()
        except UnicodeDecodeError:
            raise InvalidBody("multipart_malformed", "disposition") from None
    # Some clients give the name of a file twice (RFC 6266); only when both agree does it not matter which is read.
    extended = parameters.pop("filename*", None)
    # Some servers take a backslash for an escape: `mod\el` would be `model` to them.
    if "\\" in parameters.get("name", "\\") or (
        extended is not None and _decode_extended(extended) != parameters.get("filename")
    ):
        raise InvalidBody("multipart_malformed", "disposition")
    return parameters


def _decode_extended(value: str) -> str:
    """The value of a parameter in the extended notation of RFC 8187."""
    charset, _, encoded = value.partition("''")
    if charset.lower() != "utf-8":
        raise InvalidBody("multipart_malformed", "disposition")
    return unquote(encoded)

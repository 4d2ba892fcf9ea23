"""multipart/form-data (RFC 7578): the fields of an upload, and how many files it has."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from sidecar.errors import InvalidBody

_CHARACTER = r"[A-Za-z0-9'()+_,./:=?-]"
_BOUNDARY = re.compile(
    rf"\s*multipart/form-data\s*;\s*boundary=(?:\"({_CHARACTER}{{1,70}})\"|({_CHARACTER}{{1,70}}))\s*\Z", re.IGNORECASE
)
_DISPOSITION = re.compile(
    rb"content-disposition:[ \t]*form-data((?:[ \t]*;[ \t]*[a-z*]+=(?:\"(?:[^\"\\\r\n]|\\.)*\"|[^;\s\"]+))*)[ \t]*\Z",
    re.IGNORECASE,
)
_PARAMETER = re.compile(rb";[ \t]*([a-z*]+)=(?:\"((?:[^\"\\\r\n]|\\.)*)\"|([^;\s\"]+))", re.IGNORECASE)
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
    last, bare line feeds in headers, folded or repeated headers, names in the extended notation (`filename*`), a
    transfer encoding, nested multiparts, fields that are not UTF-8. Linear in the body.
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
        parameters = _read_headers(head)
        if "filename" in parameters:
            files += 1
            names.append(parameters["filename"])
            with suppress(UnicodeDecodeError):
                documents.append(content.decode())
        else:
            try:
                fields.append((parameters["name"], content.decode()))
            except UnicodeDecodeError:
                raise InvalidBody("multipart_malformed", "text") from None
    return Form(tuple(fields), files, tuple(names), tuple(filter(None, documents)))


def _read_headers(head: bytes) -> dict[str, str]:
    """The parameters of a part's Content-Disposition; the only other header that it may have is its type."""
    lines: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n"):
        name = line.partition(b":")[0].lower()
        if name in lines or name not in (b"content-disposition", b"content-type") or _CONTROLS.search(line):
            raise InvalidBody("multipart_malformed", "header")
        lines[name] = line.lower() if name == b"content-type" else line
    kind = lines.get(b"content-type", b"")
    found = _DISPOSITION.match(lines.get(b"content-disposition", b""))
    if found is None or b"multipart/" in kind or b"charset" in kind or len(head) > _MAX_HEADERS:
        raise InvalidBody("multipart_malformed", "header")
    parameters: dict[str, str] = {}
    for name, quoted, bare in _PARAMETER.findall(found[1]):
        key = name.decode().lower()
        if key in parameters or key not in ("name", "filename"):
            raise InvalidBody("multipart_malformed", "disposition")
        try:
            parameters[key] = (quoted or bare).decode()
        except UnicodeDecodeError:
            raise InvalidBody("multipart_malformed", "disposition") from None
    if "name" not in parameters:
        raise InvalidBody("multipart_malformed", "name")
    return parameters

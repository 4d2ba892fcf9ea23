"""Content of a message: a string, or parts of text, images, audio, files, tool calls."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.apis.documents import read_data_url
from sidecar.apis.text import Object, collect, refuse_lookalikes
from sidecar.errors import InvalidBody
from sidecar.prompt import Role, Segment

_IMAGES = frozenset({"image_url", "image"})
_FILES = frozenset({"input_audio", "audio_url", "video_url", "file"})
_ATTACHED = _IMAGES | _FILES
_OPAQUE = frozenset({"data", "file_data"})
_LONGEST_NAME = 40
_PART = frozenset({"type", "text"}) | _ATTACHED


@dataclass(slots=True)
class Attachments:
    """What a prompt carries besides text, counted while it is read."""

    images: int = 0
    files: int = 0


def read_content(content: object, role: Role, path: str, into: list[Segment], attachments: Attachments) -> None:
    """Append the text of a message's content, in OpenAI's form. Raises InvalidBody(`invalid_field`)."""
    if content is None:
        return
    if type(content) is str:
        into.append(Segment(role, content, path))
        return
    if type(content) is not list:
        raise InvalidBody("invalid_field", "content")
    for index, part in enumerate(content):
        where = f"{path}[{index}]"
        if type(part) is str:
            into.append(Segment(role, part, where))
        elif type(part) is not dict:
            raise InvalidBody("invalid_field", "content")
        else:
            text = part.get("text")
            if type(text) is str and len(part) == 2 and "type" in part:
                into.append(Segment(role, text, f"{where}.text"))
            else:
                refuse_lookalikes(part, _PART)
                _read_part(part, role, where, into, attachments)


def _read_part(part: Object, role: Role, path: str, into: list[Segment], attachments: Attachments) -> None:
    for name, value in part.items():
        if name in _IMAGES:
            attachments.images += 1
            read_link(value, role, f"{path}.{name}", into)
        elif name in _FILES:
            attachments.files += 1
            read_link(value, role, f"{path}.{name}", into)
    collect(part, role, path, into, skip=_ATTACHED)


def read_link(value: object, role: Role, path: str, into: list[Segment]) -> None:
    """Append what is text about an attachment: its address, its names, and its data where that is text."""
    if type(value) is str:
        if not value.startswith("data:"):
            into.append(Segment(role, value, path))
        elif text := read_data_url(value):
            into.append(Segment(Role.TOOL, text, path))
    elif type(value) is dict:
        for name, inner in value.items():
            if name not in _OPAQUE or (type(inner) is str and inner.startswith("data:")):
                read_link(inner, role, f"{path}.{name[:_LONGEST_NAME]}", into)

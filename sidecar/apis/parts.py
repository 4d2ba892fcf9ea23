"""Content of a message: a string, or parts of text, images, audio, files, tool calls."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.apis.documents import is_data_url, read_base64, read_data_url
from sidecar.apis.text import Object, below, collect, refuse_lookalikes
from sidecar.errors import InvalidBody
from sidecar.prompt import Role, Segment

_IMAGES = frozenset({"image_url", "image", "image_embeds", "image_pil"})
_FILES = frozenset(
    {"input_audio", "audio_url", "audio_embeds", "video_url", "input_video", "file", "file_data", "file_url"}
)
_ATTACHED = _IMAGES | _FILES
_TENSORS = "prompt_embeds"
_SKIPPED = _ATTACHED | {_TENSORS}
_TENSORS_SKIPPED = _SKIPPED | {"data"}
_ENCODED = frozenset({"file_data", "image_embeds", "audio_embeds"})
_BASE64 = frozenset({"data", "file_data", "bytes", "b64_json"})
_PART = frozenset({"type", "text"}) | _SKIPPED
_TEXT_KINDS = ("text", "input_text", "output_text")


@dataclass(slots=True)
class Attachments:
    """What a prompt carries besides text, counted while it is read. `input_ids` is as in Prompt."""

    images: int = 0
    files: int = 0
    input_ids: int = 0


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
            if type(text) is str and len(part) == 2 and part.get("type") in _TEXT_KINDS:
                into.append(Segment(role, text, f"{where}.text"))
            else:
                read_part(part, role, where, into, attachments)


def read_part(part: Object, role: Role, path: str, into: list[Segment], attachments: Attachments) -> None:
    """Append the text of one part, and count what else it is."""
    refuse_lookalikes(part, _PART)
    kind = part.get("type")
    images = files = 0
    for name, value in part.items():
        if name in _ATTACHED:
            images += name in _IMAGES
            files += name in _FILES
            read_link(value, role, f"{path}.{name}", into, encoded=name in _ENCODED)
    if not images + files and type(kind) is str:  # one that is named only by an id
        images, files = "image" in kind, "file" in kind
    attachments.images += images
    attachments.files += files
    attachments.input_ids += _TENSORS in part or kind == _TENSORS
    collect(part, role, path, into, skip=_SKIPPED if kind != _TENSORS else _TENSORS_SKIPPED)


def read_link(value: object, role: Role, path: str, into: list[Segment], *, encoded: bool = False) -> None:
    """Append what is text about an attachment: its address, its names, and its data where that is text.

    `encoded`: a string that is no address is base64.
    """
    if type(value) is str:
        if is_data_url(value):
            text = read_data_url(value)
        elif encoded:
            text = read_base64(value)
        else:
            into.append(Segment(role, value, path))
            return
        if text:
            into.append(Segment(Role.TOOL, text, path))
    elif type(value) is list:
        for index, inner in enumerate(value):
            read_link(inner, role, below(path, f"[{index}]"), into, encoded=encoded)
    elif type(value) is dict:
        for name, inner in value.items():
            read_link(inner, role, below(path, f".{name}"), into, encoded=name in _BASE64)

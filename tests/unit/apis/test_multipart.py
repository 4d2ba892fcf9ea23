"""Forms with files: what is read, and what two parsers might split in two ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.apis import match
from sidecar.apis.multipart import parse
from sidecar.errors import InvalidBody

TYPE = "multipart/form-data; boundary=XX"


def part(head: bytes, content: bytes = b"v") -> bytes:
    return b"--XX\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + content + b"\r\n"


END = b"--XX--\r\n"
NAME = b'name="a"'


def test_fields_and_files_are_told_apart() -> None:
    form = parse(
        part(NAME, b"one\r\ntwo") + part(b'name="f"; filename="x.wav"\r\nContent-Type: audio/wav', b"\xff\x00") + END,
        TYPE,
    )
    assert (form.fields, form.files, form.file_names) == ((("a", "one\r\ntwo"),), 1, ("x.wav",))


@pytest.mark.parametrize(
    "head",
    [
        b"name=a",
        NAME + b"\r\nContent-Type: text/plain; charset=utf-8",
        NAME + b"\r\nContent-Length: 1",
        b"NAME=a\r\ncontent-type:text/plain",
    ],
)
def test_what_clients_in_other_languages_write_is_read(head: bytes) -> None:
    assert parse(part(head) + END, TYPE).fields == (("a", "v"),)


def test_a_file_named_twice_alike_is_read() -> None:
    form = parse(part(b"name=f; filename=\"a b.txt\"; filename*=utf-8''a%20b.txt") + END, TYPE)
    assert (form.file_names, form.documents) == (("a b.txt",), ("v",))


@pytest.mark.parametrize(
    "content_type",
    ['multipart/form-data; boundary="XX"', "Multipart/Form-Data;boundary=XX", " multipart/form-data ; boundary=XX "],
)
def test_spellings_of_the_boundary(content_type: str) -> None:
    assert parse(part(NAME) + END, content_type).fields == (("a", "v"),)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "multipart/form-data",
        "multipart/mixed; boundary=XX",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=XX; boundary=YY",
        "multipart/form-data; boundary=XX; charset=utf-16",
        "multipart/form-data; boundary=X X",
        "multipart/form-data; boundary*=utf-8''XX",
        f"multipart/form-data; boundary={'X' * 71}",
    ],
)
def test_an_odd_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidBody, match="multipart_malformed"):
        parse(part(NAME) + END, content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--XX",
        part(NAME),
        b"preamble\r\n" + part(NAME) + END,
        part(NAME) + END + b"epilogue",
        part(NAME) + b"--XX --\r\n",
        part(NAME, b"v\n--XX\r\nContent-Disposition: form-data; name=b\r\n\r\nhidden") + END,
        b'--XX\nContent-Disposition: form-data; name="a"\n\nv\n--XX--\n',
        b'--XX \r\nContent-Disposition: form-data; name="a"\r\n\r\nv\r\n--XX--\r\n',
        b"--XX\r\n\r\nv\r\n--XX--\r\n",
        b"--XX\r\nContent-Type: text/plain\r\n\r\nv\r\n--XX--\r\n",
        part(b"filename=x"),
        part(NAME + b'; name="b"') + END,
        part(NAME + b"; filename*=utf-8''x") + END,
        part(NAME + b"; size=1") + END,
        part(NAME + b"; filename=y; filename*=utf-8''x") + END,
        part(NAME + b"; filename=x; filename*=latin-1''x") + END,
        part(NAME + b"\r\nContent-Length: 2") + END,
        part(NAME + b"\r\nContent-Length: 1\r\nContent-Length: 1") + END,
        part(NAME + b"\r\nContent-Transfer-Encoding: base64") + END,
        part(NAME + b'\r\nContent-Disposition: form-data; name="b"') + END,
        part(NAME + b"\r\nContent-Type: multipart/mixed; boundary=YY") + END,
        part(NAME + b"\r\nContent-Type: text/plain; charset=utf-16") + END,
        part(NAME + b"\r\n folded") + END,
        part(NAME + b"\nX: y") + END,
        part(NAME + b" \x00") + END,
        part(NAME, b"\xff") + END,
        part(b'name="\xff"') + END,
        part(b'name="a') + END,
        part(b'name="mod\\el"') + END,
        part(NAME) * 102 + END,
        part(b"name=" + b"a" * 5000) + END,
    ],
)
def test_what_two_parsers_may_read_differently_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBody, match="multipart_malformed"):
        parse(body, TYPE)


def test_a_transcription_is_read() -> None:
    body = (
        part(b'name="model"', b"whisper-1")
        + part(b'name="prompt"', b"Names: Ada")
        + part(b'name="file"; filename="talk.wav"', b"\xff\xfb")
    )
    prompt = match("POST", "/v1/audio/transcriptions").parse(body + END, TYPE)
    assert (prompt.api, prompt.model, prompt.files) == ("openai.transcriptions", "whisper-1", 1)
    assert [s.text for s in prompt.segments] == ["Names: Ada", "talk.wav"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (part(b'name="model"') + part(b'name="model"') + END, "ambiguous_key"),
        (part(b'name="Model"') + END, "ambiguous_key"),
        (part(b'name="n"', b"-1") + END, "invalid_field"),
        (part(b'name="n"', "٣".encode()) + END, "invalid_field"),
    ],
)
def test_an_ambiguous_form_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(InvalidBody) as refused:
        match("POST", "/v1/images/edits").parse(body, TYPE)
    assert refused.value.code == code


@given(
    body=st.lists(st.sampled_from([b"--XX", b"\r\n", b"--", b"Content-Disposition: form-data; ", NAME, b"x", b"\n"]))
)
def test_arbitrary_forms_raise_nothing_else(body: list[bytes]) -> None:
    try:
        parse(b"".join(body), TYPE)
    except InvalidBody:
        return

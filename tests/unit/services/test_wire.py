"""Appended bytes mean what protobuf would have written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar._pb.authorization_pb2 import CheckResponse
from sidecar._pb.core_pb2 import HeaderValueOption
from sidecar.services import wire

TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=400)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=8))
def test_appended_headers_are_those_that_protobuf_would_add(headers: list[tuple[str, str]]) -> None:
    response = CheckResponse()
    response.status.code = 0
    response.status.message = "kept"
    kept = response.ok_response.headers.add()
    kept.header.key = "x-portcullis-principal"
    response.ok_response.headers_to_remove.append("authorization")
    appended = CheckResponse.FromString(response.SerializeToString() + wire.response_headers(headers))
    for name, value in headers:
        option = response.ok_response.response_headers_to_add.add()
        option.header.key, option.header.value = name, value
        option.append.value = False
        option.append_action = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    assert appended == response

"""Every message, field, enum value and method that we declare has Envoy's number, type and label.

The other side is PyPI's `xds-protos`, in an environment of its own: it overwrites files of other packages, and its
messages have the names of ours.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import google.protobuf
import pytest
from google.protobuf import descriptor, descriptor_pb2, descriptor_pool

from sidecar._pb import authorization_pb2, core_pb2, ratelimit_pb2, types_pb2
from sidecar._pb import descriptor_pb2 as descriptors_pb2

OURS = (authorization_pb2, core_pb2, descriptors_pb2, ratelimit_pb2, types_pb2)
XDS_PROTOS = "xds-protos==1.85.0"
MODULES = (
    "envoy.config.core.v3.address_pb2",
    "envoy.config.core.v3.base_pb2",
    "envoy.extensions.common.ratelimit.v3.ratelimit_pb2",
    "envoy.service.auth.v3.external_auth_pb2",
    "envoy.service.ratelimit.v3.rls_pb2",
    "envoy.type.v3.http_status_pb2",
    "envoy.type.v3.ratelimit_unit_pb2",
)
# Envoy has it since pull request 44059 (2026); no released xds-protos does.
NEWER = {"envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.is_negative_hits"}
DUMP = """
import importlib, sys
from google.protobuf import descriptor_pb2

files = {}

def add(file):
    if file.name not in files:
        for dependency in file.dependencies:
            add(dependency)
        files[file.name] = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(files[file.name])

for name in sys.argv[1:]:
    add(importlib.import_module(name).DESCRIPTOR)
sys.stdout.buffer.write(descriptor_pb2.FileDescriptorSet(file=files.values()).SerializeToString())
"""


@dataclass(frozen=True, slots=True)
class Field:
    """What the wire format of a field depends on."""

    number: int
    type: int
    refers_to: str
    repeated: bool
    packed: bool
    presence: bool
    oneof: str


def field(found: descriptor.FieldDescriptor) -> Field:
    target = found.message_type or found.enum_type
    return Field(
        number=found.number,
        type=found.type,
        refers_to=target.full_name if target else "",
        repeated=found.is_repeated,
        packed=found.is_packed,
        presence=found.has_presence,
        oneof=found.containing_oneof.name if found.containing_oneof else "",
    )


def messages(found: descriptor.Descriptor) -> Iterator[descriptor.Descriptor]:
    yield found
    for nested in found.nested_types:
        yield from messages(nested)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> descriptor_pool.DescriptorPool:
    folder = tmp_path_factory.mktemp("xds")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    # Without its dependencies: messages need only protobuf, and grpcio would double the download.
    subprocess.run(
        [*install, "--no-deps", "--no-compile", XDS_PROTOS, f"protobuf=={google.protobuf.__version__}"], check=True
    )
    answer = subprocess.run([python, "-I", "-c", DUMP, *MODULES], capture_output=True, check=True, cwd=Path("/"))
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(answer.stdout).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def declared() -> list[descriptor.Descriptor]:
    return [
        message for ours in OURS for top in ours.DESCRIPTOR.message_types_by_name.values() for message in messages(top)
    ]


def test_every_field_of_every_message_is_envoys(theirs: descriptor_pool.DescriptorPool) -> None:
    ours: dict[str, Field] = {}
    envoys: dict[str, Field] = {}
    for message in declared():
        ours |= {found.full_name: field(found) for found in message.fields}
        other = theirs.FindMessageTypeByName(message.full_name)
        envoys |= {found.full_name: field(found) for found in other.fields}
    assert len(ours) > 100
    assert {name: found for name, found in ours.items() if name not in NEWER} == envoys
    assert ours.keys() - envoys.keys() == NEWER


def test_every_value_of_every_enum_is_envoys(theirs: descriptor_pool.DescriptorPool) -> None:
    enums = [enum for message in declared() for enum in message.enum_types]
    enums += [enum for ours in OURS for enum in ours.DESCRIPTOR.enum_types_by_name.values()]
    ours = {enum.full_name: {value.name: value.number for value in enum.values} for enum in enums}
    envoys = {name: {value.name: value.number for value in theirs.FindEnumTypeByName(name).values} for name in ours}
    assert len(ours) == 6
    assert ours == envoys


def test_every_method_of_every_service_is_envoys(theirs: descriptor_pool.DescriptorPool) -> None:
    def methods(service: descriptor.ServiceDescriptor) -> dict[str, tuple[str, str, bool, bool]]:
        return {
            method.name: (
                method.input_type.full_name,
                method.output_type.full_name,
                method.client_streaming,
                method.server_streaming,
            )
            for method in service.methods
        }

    services = [service for ours in OURS for service in ours.DESCRIPTOR.services_by_name.values()]
    ours = {service.full_name: methods(service) for service in services}
    assert sorted(ours) == ["envoy.service.auth.v3.Authorization", "envoy.service.ratelimit.v3.RateLimitService"]
    assert ours == {name: methods(theirs.FindServiceByName(name)) for name in ours}

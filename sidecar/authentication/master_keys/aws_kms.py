"""A master key in AWS KMS."""

from __future__ import annotations

import asyncio
import base64
import binascii
from functools import partial
from typing import Any

from sidecar.authentication.master_keys.wrapped import Wrapped
from sidecar.authentication.settings import AwsKmsSettings
from sidecar.errors import ConfigurationError, SealBroken, StoreUnavailable

# What KMS answers when the blob is not this key's or was changed, and when the key is gone or not ours to use.
_BROKEN = frozenset(
    {
        "AccessDeniedException",
        "DisabledException",
        "IncorrectKeyException",
        "InvalidCiphertextException",
        "InvalidKeyUsageException",
        "KMSInvalidStateException",
        "NotFoundException",
    }
)
_TIMEOUT = 2.0


class AwsKmsMasterKey:
    """Encrypt and Decrypt of a symmetric KMS key; the context is KMS's encryption context."""

    def __init__(self, settings: AwsKmsSettings) -> None:
        try:
            import boto3  # noqa: PLC0415 - an extra: most installations keep the key elsewhere
            from botocore.config import Config  # noqa: PLC0415
            from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        except ImportError:
            raise ConfigurationError(
                "configuration", "authentication.api_keys.master_key.aws_kms", "needs boto3", "pip install .[kms]"
            ) from None
        self._key_id = settings.key_id
        config = Config(connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"total_max_attempts": 2})
        try:
            self._kms: Any = boto3.client(
                "kms", region_name=settings.region, endpoint_url=settings.endpoint, config=config
            )
        except (BotoCoreError, ValueError) as error:
            raise ConfigurationError(
                "configuration", "authentication.api_keys.master_key.aws_kms", f"is of no use: {type(error).__name__}"
            ) from None

    async def wrap(self, secret: bytes, context: str) -> Wrapped:
        """See MasterKey."""
        answer = await self._call(
            self._kms.encrypt, KeyId=self._key_id, Plaintext=secret, EncryptionContext={"portcullis": context}
        )
        return Wrapped(f"aws-kms:{self._key_id}", base64.b64encode(answer["CiphertextBlob"]).decode())

    async def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        """See MasterKey. The key is named by the wrapping, so that an older key unwraps until `keys rewrap`."""
        kind, _, key_id = wrapped.reference.partition(":")
        if kind != "aws-kms":
            raise SealBroken("master_key_unknown", f"sealed under master key {wrapped.reference}, not by AWS KMS")
        try:
            blob = base64.b64decode(wrapped.blob, validate=True)
        except (binascii.Error, ValueError):
            raise SealBroken("seal_broken", f"a key wrapped under {wrapped.reference} is damaged") from None
        answer = await self._call(
            self._kms.decrypt, KeyId=key_id, CiphertextBlob=blob, EncryptionContext={"portcullis": context}
        )
        plain: bytes = answer["Plaintext"]
        return plain

    async def is_current(self, wrapped: Wrapped) -> bool:
        """See MasterKey. KMS rotates the material behind one key id by itself."""
        return wrapped.reference == f"aws-kms:{self._key_id}"

    async def close(self) -> None:
        """See MasterKey."""
        self._kms.close()

    async def _call(self, method: Any, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see above

        try:
            return await asyncio.to_thread(partial(method, **arguments))
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _BROKEN:
                raise SealBroken("master_key_refused", f"AWS KMS answers {code} for key {self._key_id}") from None
            raise StoreUnavailable("master_key_unavailable", f"AWS KMS answers {code}") from None
        except BotoCoreError as error:
            raise StoreUnavailable("master_key_unavailable", type(error).__name__) from None

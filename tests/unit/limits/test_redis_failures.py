"""How Redis's errors are named, and what becomes of a reply that was never sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from redis import exceptions

from sidecar.errors import StoreUnavailable
from sidecar.limits.limit import Charge, Limit
from sidecar.limits.order import Order
from sidecar.limits.redis_store import RedisStore

ORDERS = [Order([Charge(Limit("l", 1, 1, 1), "k")])]


class Client:
    """A client whose next commands end as told."""

    def __init__(self, *endings: Exception | Sequence[int]) -> None:
        self.endings, self.commands = list(endings), list[str]()

    async def execute_command(self, *args: Any, **_options: Any) -> Any:
        self.commands.append(args[0])
        ending = self.endings.pop(0)
        if isinstance(ending, Exception):
            raise ending
        return ending


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (exceptions.TimeoutError(), "store_timeout"),
        (exceptions.BusyLoadingError(), "store_loading"),
        (exceptions.ReadOnlyError(), "store_read_only"),
        (exceptions.OutOfMemoryError(), "store_out_of_memory"),
        (exceptions.ClusterDownError("CLUSTERDOWN"), "store_cluster_down"),
        (exceptions.MasterDownError("MASTERDOWN"), "store_cluster_down"),
        (exceptions.ConnectionError(), "store_connection"),
        (exceptions.AuthenticationError(), "store_connection"),
        (ConnectionResetError(), "store_connection"),
        (exceptions.ResponseError("ERR unknown command"), "store_error"),
    ],
)
async def test_an_error_of_redis_has_a_stable_code(error: Exception, code: str) -> None:
    client = Client(error)
    with pytest.raises(StoreUnavailable) as failure:
        await RedisStore(client, "p").take(ORDERS)
    assert failure.value.code == code
    assert client.commands == ["EVALSHA"]  # never twice: it may have been carried out


async def test_a_forgotten_script_is_sent_once_more() -> None:
    client = Client(exceptions.NoScriptError(), [5, 1, 6, 0, 0, 0, 0])
    (outcome,) = await RedisStore(client, "p").take(ORDERS)
    assert outcome.taken.admitted
    assert client.commands == ["EVALSHA", "EVAL"]
    client = Client(exceptions.NoScriptError(), exceptions.BusyLoadingError())
    with pytest.raises(StoreUnavailable):
        await RedisStore(client, "p").take(ORDERS)

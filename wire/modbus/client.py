"""A Modbus TCP client: one connection, one request at a time, errors that say what to do next."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from core.clock import MS, NS
from core.config import Config, Duration
from core.errors import NotConnected, WireError
from wire.modbus.config import BITS
from wire.modbus.station import endpoint

_REASONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    10: "gateway path unavailable",
    11: "no answer behind the gateway",
}
#: the device itself cannot be reached through its gateway: as good as a time-out
AWAY = frozenset({10, 11})


class ModbusClientConfig(Config):
    """How to reach a server: ``url`` is ``tcp://host:port`` (port 502 if none is given).

    ``timeout`` of one request; ``pause`` between requests (some old converters need it).
    """

    url: str
    timeout: Duration = 500 * MS
    pause: Duration = 0


class NoAnswer(WireError):
    """A unit did not answer in time; the connection stands."""


class ExceptionAnswer(WireError):
    """A unit answered with an exception; ``code`` is Modbus'."""

    def __init__(self, code: int, where: str) -> None:
        self.code = code
        super().__init__(f"{where}: {_REASONS.get(code, 'exception')} (code {code})")


class ModbusClient:
    """See module. Raises NotConnected when the connection is gone, NoAnswer, ExceptionAnswer."""

    def __init__(self, config: ModbusClientConfig) -> None:
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        self.config = config
        self._client: AsyncModbusTcpClient | None = None

    @property
    def connected(self) -> bool:
        """Tell whether the connection stands."""
        return self._client is not None and bool(self._client.connected)

    async def connect(self) -> None:
        """Open the connection; raises NotConnected."""
        await self.close()
        host, port = endpoint(self.config.url)
        client = AsyncModbusTcpClient(
            host, port=port, timeout=self.config.timeout / NS, retries=0, reconnect_delay=0, reconnect_delay_max=0
        )
        client.set_max_no_responses(1 << 30)  # when to give up is decided by who knows the units
        if not await client.connect():
            client.close()
            raise NotConnected(f"{self.config.url}: no Modbus server answers")
        self._client = client

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def read(self, unit: int, table: str, address: int, count: int) -> list[int]:
        """Return registers or bits (as 0 and 1)."""
        client, where = self._ready(), f"unit {unit} {table} {address}"
        call = {
            "input": client.read_input_registers,
            "holding": client.read_holding_registers,
            "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
        }[table]
        answer = await self._answer(call(address, count=count, device_id=unit), where)
        values = [int(v) for v in (answer.bits if table in BITS else answer.registers)][:count]
        if len(values) < count:
            raise ExceptionAnswer(3, f"{where}: {len(values)} values came instead of {count}")
        return values

    async def write(self, unit: int, table: str, address: int, values: list[int]) -> None:
        """Write holding registers or one coil."""
        client, where = self._ready(), f"unit {unit} {table} {address}"
        if table == "coil":
            await self._answer(client.write_coil(address, bool(values[0]), device_id=unit), where)
        elif len(values) == 1:
            await self._answer(client.write_register(address, values[0], device_id=unit), where)
        else:
            await self._answer(client.write_registers(address, values, device_id=unit), where)

    def _ready(self) -> AsyncModbusTcpClient:
        if self._client is None or not self._client.connected:
            raise NotConnected(f"{self.config.url}: the connection is lost")
        return self._client

    async def _answer(self, request: Awaitable[ModbusPDU], where: str) -> ModbusPDU:
        if self.config.pause:
            await asyncio.sleep(self.config.pause / NS)
        try:
            answer: ModbusPDU = await request
        except ConnectionException as error:
            raise NotConnected(f"{self.config.url}: the connection is lost") from error
        except ModbusException as error:
            if not self.connected:
                raise NotConnected(f"{self.config.url}: the connection is lost") from error
            raise NoAnswer(f"{where}: no answer within {self.config.timeout / MS:.0f} ms") from error
        except (OSError, ValueError, IndexError) as error:
            raise NoAnswer(f"{where}: unreadable answer ({error})") from error
        if answer.isError():
            raise ExceptionAnswer(int(getattr(answer, "exception_code", 4)), where)
        return answer

"""A Modbus TCP server: pymodbus reads and writes the protocol units, the connections are ours.

pymodbus' own server keeps one request a connection: of two that come in one segment, as pipelining clients send them,
it answers the second twice, and a wrong protocol id makes it wait forever. Here a connection answers in order, and
what is no Modbus is counted and ends it.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Mapping
from typing import Any, cast

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import DecodePDU, ExceptionResponse

from core.config import Config
from core.errors import WireError
from core.metrics import Metrics
from wire.modbus.unit import AddressError, Unit

log = logging.getLogger(__name__)

_HEAD = struct.Struct(">HHHB")  # transaction, protocol 0, length behind itself, unit
_LONGEST = 254
_TABLE_OF = {1: "coil", 2: "discrete", 3: "holding", 4: "input", 5: "coil", 6: "holding", 15: "coil", 16: "holding",
             22: "holding", 23: "holding"}  # fmt: skip


class ModbusServerConfig(Config):
    """Where the server listens; ``port`` 0 takes a free one. ``connections``: most at once."""

    host: str = "127.0.0.1"
    port: int = 502
    connections: int = 32


class ModbusServer:
    """Serves units by number; ``units`` may grow while it serves. Counts ``requests``, ``refused`` and ``rejected``."""

    def __init__(self, config: ModbusServerConfig, metrics: Metrics | None = None) -> None:
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # every odd frame of a client would be an error
        self.config = config
        self.units: dict[int, Unit] = {}
        self.metrics = metrics or Metrics()
        self._decode = DecodePDU(True).decode
        self._context = _Context(self.units)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen; raises WireError where the port is taken."""
        try:
            self._server = await asyncio.start_server(self._serve, self.config.host, self.config.port)
        except OSError as error:
            where = f"{self.config.host}:{self.config.port}"
            raise WireError(f"Modbus server cannot listen on {where}: {error.strerror or error}") from error

    async def stop(self) -> None:
        """Close every connection and the port."""
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._tasks) >= self.config.connections:
            self.metrics.count("connections_refused")
            writer.close()
            return
        self._tasks.add(task)
        try:
            while (answer := await self._exchange(reader)) is not None:
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            log.debug("a Modbus client left")
        except asyncio.CancelledError:
            log.debug("the Modbus server stops")  # the stream's own task must not end cancelled: it would be logged
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader) -> bytes | None:
        """Return the answer to the next request, None where what came is no Modbus."""
        transaction, protocol, length, unit = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        if protocol != 0 or not 2 <= length <= _LONGEST:
            self.metrics.count("rejected")
            return None
        answer = await self.answer(unit, await reader.readexactly(length - 1))
        return _HEAD.pack(transaction, 0, len(answer) + 1, unit) + answer

    async def answer(self, unit: int, request: bytes) -> bytes:
        """Return the answer to a protocol data unit; whatever the bytes are, there is one."""
        self.metrics.count("requests")
        function = request[0]
        if function not in _TABLE_OF:
            return self._refuse(function, ExcCodes.ILLEGAL_FUNCTION)
        try:
            pdu = self._decode(request)
        except (ModbusException, ValueError, IndexError, struct.error):
            pdu = None
        if pdu is None:
            self.metrics.count("rejected")
            return self._refuse(function, ExcCodes.ILLEGAL_VALUE)
        if unit not in self.units:
            return self._refuse(function, ExcCodes.GATEWAY_NO_RESPONSE)
        pdu.dev_id = unit
        response = await pdu.datastore_update(cast(Any, self._context), unit)
        if isinstance(response, ExceptionResponse):
            self.metrics.count("refused")
        return bytes([response.function_code]) + bytes(response.encode())

    def _refuse(self, function: int, code: ExcCodes) -> bytes:
        self.metrics.count("refused")
        return bytes([function & 0x7F | 0x80, int(code)])


class _Context:
    """The registers as pymodbus asks for them."""

    def __init__(self, units: Mapping[int, Unit]) -> None:
        self._units = units

    async def async_getValues(self, unit: int, function: int, address: int, count: int = 1) -> Any:  # noqa: N802
        """Return registers or bits, or why not."""
        table = _TABLE_OF[function]
        most = 2000 if table in ("coil", "discrete") else 125
        if not 1 <= count <= most:
            return ExcCodes.ILLEGAL_VALUE
        try:
            values = self._units[unit].read(table, address, count)
        except AddressError:
            return ExcCodes.ILLEGAL_ADDRESS
        return [bool(v) for v in values] if table in ("coil", "discrete") else values

    async def async_setValues(self, unit: int, function: int, address: int, values: Any) -> Any:  # noqa: N802
        """Take in what is written, or return why not."""
        if not values:
            return ExcCodes.ILLEGAL_VALUE
        try:
            self._units[unit].write(_TABLE_OF[function], address, values)
        except AddressError:
            return ExcCodes.ILLEGAL_ADDRESS
        return None

    def device_ids(self) -> list[int]:
        """Return the unit numbers."""
        return list(self._units)

"""Method calls as commands: hand them to the equipment and return its first word."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from asyncua import ua

from core.clock import NS
from core.command import Command, CommandResult
from core.errors import CommandRefused, DecodeError
from core.spec import CommandSpec, DeviceSpec
from wire.opcua.door import CALLER
from wire.opcua.names import read_command
from wire.opcua.nodes import Method

OnCall = Callable[[Command], None]
_PATIENCE = 60 * NS
_MOST = 1_000


class Calls:
    """Commands that clients called and the equipment has not answered yet."""

    def __init__(self, on_call: OnCall, now: Callable[[], int], wait_s: float) -> None:
        self._on_call = on_call
        self._now = now
        self._wait = wait_s
        self._waiting: dict[str, asyncio.Future[CommandResult]] = {}

    def whole(self, device: DeviceSpec) -> Method:
        """Return the method that takes a whole command as JSON: (status, detail, time)."""

        async def call(_parent: Any, text: Any) -> list[Any]:
            try:
                command = replace(read_command(str(text.Value)), device=device.path)
                if CALLER.get().may != "gateway":  # only the gateway calls in the name of others
                    command = replace(command, issuer=f"user:{CALLER.get().name}", cause=None)
                result = await self._run(command, device)
            except DecodeError as error:
                result = CommandResult("", device.path, "refused", str(error), self._now())
            return [*_words(result), ua.Variant(result.t, ua.VariantType.Int64)]

        return call

    def single(self, device: DeviceSpec) -> Callable[[CommandSpec], Method]:
        """Return what makes the method of one command: arguments in the order of its specification."""

        def make(spec: CommandSpec) -> Method:
            async def call(_parent: Any, *values: Any) -> list[Any]:
                if len(values) != len(spec.args):
                    raise ua.uaerrors.BadArgumentsMissing
                args = {name: value.Value for name, value in zip(spec.args, values, strict=True)}
                now = self._now()
                issuer = f"user:{CALLER.get().name}"
                command = Command(uuid.uuid4().hex, device.path, spec.name, issuer, now, now + _PATIENCE, args)
                return _words(await self._run(command, device))

            return call

        return make

    def answer(self, result: CommandResult) -> None:
        """Give the equipment's word to the call that waits for it."""
        future = self._waiting.pop(result.id, None)
        if future is not None and not future.done():
            future.set_result(result)

    def cancel(self) -> None:
        """Let every waiting call return."""
        for future in self._waiting.values():
            future.cancel()
        self._waiting.clear()

    async def _run(self, command: Command, device: DeviceSpec) -> CommandResult:
        refused = self._refusal(command, device)
        if refused:
            return CommandResult(command.id, device.path, "refused", refused, self._now())
        future: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        self._waiting[command.id] = future
        try:
            self._on_call(command)
            return await asyncio.wait_for(future, self._wait)
        except CommandRefused as error:
            return CommandResult(command.id, device.path, "refused", str(error), self._now())
        except TimeoutError:
            return CommandResult(command.id, device.path, "accepted", "waits for the equipment", self._now())
        finally:
            self._waiting.pop(command.id, None)

    def _refusal(self, command: Command, device: DeviceSpec) -> str:
        spec = next((c for c in device.commands if c.name == command.name), None)
        if spec is None and command.name not in ("rebirth", "replay"):
            return f"unknown command {command.name}"
        if spec is not None and not set(command.args) <= set(spec.args):
            return f"unknown argument {min(set(command.args) - set(spec.args))}"
        if command.id in self._waiting or len(self._waiting) >= _MOST:
            return "busy"
        return ""


def _words(result: CommandResult) -> list[Any]:
    return [ua.Variant(result.status, ua.VariantType.String), ua.Variant(result.detail, ua.VariantType.String)]

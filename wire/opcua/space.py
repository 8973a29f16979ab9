"""A device as OPC UA nodes, in the style of OPC 40001-1 Machinery (structure and names, not its type nodes).

Machines/<device>/Identification/{Manufacturer, SerialNumber, ProductInstanceUri, Model}
                 /MachineryBuildingBlocks/MachineryItemState/CurrentState
                 /Monitoring/{Status, Health, Process, Consumption}/<stream>/<channel>
                 /Commands/<command>
                 /Testbed/{Spec, LastResult, LastEvent, Command}
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asyncua import ua

from core.spec import ChannelSpec, CommandSpec, DeviceSpec, StreamSpec
from wire.opcua import names
from wire.opcua.nodes import Method, NodeWriter, ns0, text
from wire.opcua.units import UNECE_URI, display, unit_id

_STANDARD_STATES = {
    "NotAvailable": ("unknown", "notavailable", "offline", "disconnected"),
    "OutOfService": ("outofservice", "maintenance", "repair", "failed", "fault", "broken", "down", "aborted"),
    "Executing": ("executing", "execute", "running", "run", "producing", "busy", "active", "on", "moving", "driving"),
}


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Indices of the namespaces that a server uses."""

    own: int
    machinery: int
    di: int


class Space:
    """Writes devices into the address space."""

    def __init__(self, writer: NodeWriter, ns: Namespaces) -> None:
        self._write = writer
        self._ns = ns

    def frame(self) -> None:
        """Add what stands above the devices."""
        objects = ns0("ObjectsFolder")
        self._write.folder(names.MACHINES, objects, self._machinery("Machines"))
        self._write.folder("Testbed", objects, "Testbed")
        self._write.variable(names.REVISION, self._write.id("Testbed"), "Revision", "String")

    def add(self, device: DeviceSpec, command: Method, method: Callable[[CommandSpec], Method], history: bool) -> None:
        """Add a device; ``command`` takes JSON, ``method(spec)`` makes the method of one command."""
        w, top = self._write, device.path
        node = w.folder(top, w.id(names.MACHINES), device.device, device.label)
        self._identify(device, node)
        blocks = w.folder(f"{top}/@blocks", node, self._machinery("MachineryBuildingBlocks"))
        state = w.folder(f"{top}/@blocks/state", blocks, self._machinery("MachineryItemState"))
        w.variable(state_id(top), state, ua.QualifiedName("CurrentState", 0), "LocalizedText")
        w.value(state_id(top)).value = ua.DataValue(ua.Variant(text("NotAvailable", "en")))
        monitoring = w.folder(f"{top}/@monitoring", node, self._machinery("Monitoring"))
        for stream in device.streams:
            self._stream(device.stream_path(stream.name), stream, monitoring, history)
        commands = w.folder(f"{top}/@commands", node, "Commands") if device.commands else None
        for spec in device.commands:
            self._command(top, spec, commands, method(spec))
        self._testbed(device, node, command)

    def remove(self, device: str) -> None:
        """Remove a device and all its nodes."""
        self._write.remove(device, self._write.id(names.MACHINES))

    def _machinery(self, name: str) -> Any:
        return ua.QualifiedName(name, self._ns.machinery)

    def _identify(self, device: DeviceSpec, node: Any) -> None:
        w, who, top = self._write, device.identity, f"{device.path}/@identification"
        place = w.folder(top, node, ua.QualifiedName("Identification", self._ns.di))
        parts = {
            "Manufacturer": (text(who.manufacturer), "LocalizedText"),
            "SerialNumber": (who.serial, "String"),
            "ProductInstanceUri": (who.product_uri, "String"),
            "Model": (text(who.model), "LocalizedText"),
        }
        for name, (value, kind) in parts.items():
            w.property(f"{top}/{name}", place, ua.QualifiedName(name, self._ns.di), value, kind)

    def _stream(self, path: str, stream: StreamSpec, monitoring: Any, history: bool) -> None:
        w, device = self._write, path.rpartition("/")[0]
        for channel in stream.layout.channels:
            group = w.folder(f"{device}/@monitoring/{channel.group}", monitoring, channel.group.capitalize())
            place = w.folder(f"{path}/@{channel.group}", group, stream.name)
            self._channel(names.channel_id(path, channel.name), channel, place, stream.fast, history)
        if stream.fast:
            group = w.folder(f"{device}/@monitoring/process", monitoring, "Process")
            place = w.folder(f"{path}/@process", group, stream.name)
            w.variable(names.channel_id(path, names.BLOCK), place, "Block", "Int64", rank=1, history=history)
            w.variable(names.channel_id(path, names.QUALITY), place, "Quality", "ByteString", history=history)

    def _channel(self, name: str, channel: ChannelSpec, place: Any, fast: bool, history: bool) -> None:
        w, rank = self._write, 1 if fast else -1
        if channel.states and not fast:
            node = w.variable(
                name, place, channel.name, "Int32", "MultiStateDiscreteType", channel.label, history=history
            )
            states = [text(channel.states.get(i, "")) for i in range(max(channel.states) + 1)]
            w.property(f"{name}/EnumStrings", node, ua.QualifiedName("EnumStrings", 0), states, "LocalizedText")
            return
        node = w.variable(name, place, channel.name, "Double", "AnalogUnitRangeType", channel.label, rank, history)
        unit = ua.EUInformation(UNECE_URI, unit_id(channel.unit), text(display(channel.unit)), text(channel.unit))
        w.property(f"{name}/EngineeringUnits", node, ua.QualifiedName("EngineeringUnits", 0), unit, "EUInformation")
        if channel.low is not None and channel.high is not None:
            limits = ua.Range(channel.low, channel.high)
            w.property(f"{name}/EURange", node, ua.QualifiedName("EURange", 0), limits, "Range")

    def _command(self, device: str, spec: CommandSpec, place: Any, call: Method) -> None:
        inputs = [argument(name, "Double", unit) for name, unit in spec.args.items()]
        outputs = [argument("Status", "String"), argument("Detail", "String")]
        self._write.method(names.method_id(device, spec.name), place, spec.name, call, inputs, outputs, spec.label)

    def _testbed(self, device: DeviceSpec, node: Any, command: Method) -> None:
        w, top = self._write, device.path
        place = w.folder(names.testbed_id(top), node, "Testbed")
        w.variable(names.spec_id(top), place, "Spec", "String")
        w.variable(names.result_id(top), place, "LastResult", "String")
        w.variable(names.event_id(top), place, "LastEvent", "String")
        outputs = [argument("Status", "String"), argument("Detail", "String"), argument("Time", "Int64", "ns")]
        w.method(names.command_id(top), place, "Command", command, [argument("Command", "String")], outputs)


def state_id(device: str) -> str:
    """Return the string id of MachineryItemState's CurrentState."""
    return f"{device}/@blocks/state/current"


def argument(name: str, data_type: str, unit: str = "") -> Any:
    """Return the description of a method argument."""
    return ua.Argument(Name=name, DataType=ns0(data_type), ValueRank=-1, Description=text(unit))


def item_state(state: str) -> str:
    """Return the MachineryItemState (OPC 40001-1) that a named state of ours stands for."""
    plain = state.lower().replace("_", "").replace(" ", "").replace("-", "")
    return next((standard for standard, ours in _STANDARD_STATES.items() if plain in ours), "NotExecuting")

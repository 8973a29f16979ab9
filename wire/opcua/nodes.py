"""Writes nodes into a server's address space, a few lines per kind of node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AttributeValue
from asyncua.server.internal_server import InternalServer

from core.spec import Name

Method = Callable[..., Awaitable[list[Any]]]
_WAITING = ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)
_READ = ua.AccessLevel.CurrentRead.mask
_READ_HISTORY = _READ | ua.AccessLevel.HistoryRead.mask


def ns0(name: str) -> Any:
    """Return a node id of the OPC UA standard by its name."""
    return ua.NodeId(getattr(ua.ObjectIds, name))


def text(value: str, locale: str | None = None) -> Any:
    """Return a LocalizedText."""
    return ua.LocalizedText(value, locale)


class NodeWriter:
    """Adds nodes; a node id is a string in our namespace, a parent an id of ours or of the standard."""

    def __init__(self, core: InternalServer, namespace: int) -> None:
        self._core = core
        self._ns = namespace

    def id(self, name: str) -> Any:
        """Return the node id of a string in our namespace."""
        return ua.NodeId(name, self._ns, ua.NodeIdType.String)

    def value(self, name: str) -> AttributeValue:
        """Return the cell that holds a variable's value."""
        return self._core.aspace[self.id(name)].attributes[ua.AttributeIds.Value]

    def folder(self, name: str, parent: Any, browse: Any, label: Name | None = None) -> Any:
        """Add an object and return its node id; nothing happens if it is there."""
        attributes = ua.ObjectAttributes()
        _describe(attributes, browse, label)
        attributes.EventNotifier = 0
        return self._add(name, parent, browse, attributes, "HasComponent", "BaseObjectType", ua.NodeClass.Object)

    def variable(
        self,
        name: str,
        parent: Any,
        browse: Any,
        data_type: str,
        kind: str = "BaseDataVariableType",
        label: Name | None = None,
        rank: int = -1,
        history: bool = False,
    ) -> Any:
        """Add a variable without a value yet and return its node id."""
        attributes = ua.VariableAttributes()
        _describe(attributes, browse, label)
        attributes.DataType = ns0(data_type)
        attributes.ValueRank = ua.ValueRank(rank)
        attributes.ArrayDimensions = [0] if rank == 1 else None
        attributes.Historizing = history
        attributes.AccessLevel = attributes.UserAccessLevel = _READ_HISTORY if history else _READ
        node = self._add(name, parent, browse, attributes, "HasComponent", kind, ua.NodeClass.Variable)
        self.value(name).value = ua.DataValue(StatusCode=_WAITING)
        return node

    def property(self, name: str, parent: Any, browse: Any, value: Any, data_type: str) -> None:
        """Add a property with its value."""
        attributes = ua.VariableAttributes()
        _describe(attributes, browse, None)
        attributes.DataType = ns0(data_type)
        attributes.Value = value if isinstance(value, ua.Variant) else ua.Variant(value)
        attributes.ValueRank = ua.ValueRank.OneDimension if attributes.Value.is_array else ua.ValueRank.Scalar
        attributes.AccessLevel = attributes.UserAccessLevel = _READ
        self._add(name, parent, browse, attributes, "HasProperty", "PropertyType", ua.NodeClass.Variable)

    def method(
        self,
        name: str,
        parent: Any,
        browse: Any,
        call: Method,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        label: Name | None = None,
    ) -> None:
        """Add a method; ``call(object_id, *variants)`` returns the output variants."""
        attributes = ua.MethodAttributes()
        _describe(attributes, browse, label)
        attributes.Executable = attributes.UserExecutable = True
        node = self._add(name, parent, browse, attributes, "HasComponent", "", ua.NodeClass.Method)
        for side, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            if arguments:
                listed = ua.Variant(list(arguments), ua.VariantType.ExtensionObject)
                self.property(f"{name}/{side}", node, ua.QualifiedName(side, 0), listed, "Argument")
        self._core.aspace.add_method_callback(node, call)

    def remove(self, prefix: str, parent: Any) -> None:
        """Remove the node ``prefix``, all below it, and the reference that leads to it."""
        space = self._core.aspace
        gone = [
            node
            for node in space.keys()  # noqa: SIM118 - no dict
            if node.NamespaceIndex == self._ns
            and (node.Identifier == prefix or f"{node.Identifier}".startswith(prefix + "/"))
        ]
        for node in gone:
            del space[node]
        top = self.id(prefix)
        references = space[parent].references
        references[:] = [r for r in references if r.NodeId != top]

    def _add(
        self, name: str, parent: Any, browse: Any, attributes: Any, reference: str, kind: str, node_class: Any
    ) -> Any:
        node = self.id(name)
        if node in self._core.aspace:
            return node
        item = ua.AddNodesItem()
        item.RequestedNewNodeId = node
        item.ParentNodeId = parent
        item.BrowseName = browse if isinstance(browse, ua.QualifiedName) else ua.QualifiedName(browse, self._ns)
        item.NodeClass = node_class
        item.ReferenceTypeId = ns0(reference)
        item.NodeAttributes = attributes
        if kind:
            item.TypeDefinition = ns0(kind)
        (result,) = self._core.node_mgt_service.add_nodes([item])
        result.StatusCode.check()
        return node


def _describe(attributes: Any, browse: Any, label: Name | None) -> None:
    name = browse.Name if isinstance(browse, ua.QualifiedName) else browse
    attributes.DisplayName = text(label.en, "en") if label else text(name)
    attributes.Description = text(label.ko, "ko") if label else text("")
    attributes.WriteMask = attributes.UserWriteMask = 0

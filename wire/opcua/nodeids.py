"""Node ids as people write them, found on a server whose namespace indices may move from start to start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncua import ua

from core.errors import WireError

#: built-in types of values that commands write
TYPES = ("Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double")


def check(text: str) -> str:
    """Return a node text; raises ValueError where it is none of ``nsu=…;s=…``, ``ns=2;i=7``, ``/PLC/DB1/Temp``."""
    if text.startswith("/"):
        if not all(text[1:].split("/")):
            raise ValueError(f"{text!r}: an empty name in the path")
        return text
    rest = text.partition(";")[2] if text.startswith("nsu=") else text
    try:
        ua.NodeId.from_string(rest)
    except ua.UaError as error:
        raise ValueError(f"{text!r} is no node: write nsu=<uri>;s=<id>, ns=<n>;i=<id> or /path/from/Objects") from error
    return text


async def find(session: Any, text: str, uris: Sequence[str]) -> Any:
    """Return a node id on this server, None where it has no such namespace or path.

    ``nsu=<uri>;s=…`` follows the namespace's uri wherever its index is; ``/PLC/DB1/Temp`` is a path of browse names
    below Objects (namespaces do not matter), for servers whose node ids change.
    """
    if text.startswith("/"):
        return await _walk(session, text[1:].split("/"))
    if not text.startswith("nsu="):
        return ua.NodeId.from_string(text)
    uri, _, rest = text.removeprefix("nsu=").partition(";")
    return ua.NodeId.from_string(f"ns={list(uris).index(uri)};{rest}") if uri in uris else None


def variant(value: float, kind: str) -> Any:
    """Return a number as a value of a built-in type; raises WireError where it does not fit."""
    try:
        whole = kind not in ("Float", "Double", "Boolean")
        if whole and value != int(value):
            raise ValueError("not a whole number")
        exact = bool(value) if kind == "Boolean" else int(value) if whole else float(value)
        return ua.Variant(exact, getattr(ua.VariantType, kind))
    except (ValueError, OverflowError) as error:
        raise WireError(f"{value} is no {kind}: {error}") from error


async def _walk(session: Any, names: Sequence[str]) -> Any:
    node = ua.NodeId(ua.ObjectIds.ObjectsFolder)
    for name in names:
        wanted = ua.BrowseDescription(
            NodeId=node,
            BrowseDirection=ua.BrowseDirection.Forward,
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
            IncludeSubtypes=True,
            NodeClassMask=0,
            ResultMask=ua.BrowseResultMask.BrowseName,
        )
        (result,) = await session.browse(ua.BrowseParameters(NodesToBrowse=[wanted]))
        node = next((r.NodeId for r in result.References or () if r.BrowseName.Name == name), None)
        if node is None:
            return None
        node = ua.NodeId(node.Identifier, node.NamespaceIndex, node.NodeIdType)
    return node

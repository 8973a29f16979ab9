"""Names that both ends of our OPC UA share: namespaces, node ids, arguments."""

from __future__ import annotations

import json
from dataclasses import asdict

from core.command import Cause, Command, CommandResult, Event
from core.errors import DecodeError

#: our nodes; string ids ``<site>/<area>/<device>/<stream>/<channel>``
NAMESPACE = "urn:iiot-testbed:devices"
#: browse names of OPC 40001-1 and OPC 10000-100 (names only, their type nodes are not loaded)
MACHINERY = "http://opcfoundation.org/UA/Machinery/"
DI = "http://opcfoundation.org/UA/DI/"

MACHINES = "Machines"
REVISION = "Testbed/Revision"
#: companions of the channel arrays of a fast stream
BLOCK, QUALITY = "@block", "@quality"


def channel_id(stream_path: str, channel: str) -> str:
    """Return the string id of a channel's variable."""
    return f"{stream_path}/{channel}"


def spec_id(device: str) -> str:
    """Return the string id of the variable that carries the device's catalog entry as JSON."""
    return f"{device}/@testbed/Spec"


def result_id(device: str) -> str:
    """Return the string id of the variable that carries the last command result as JSON."""
    return f"{device}/@testbed/LastResult"


def event_id(device: str) -> str:
    """Return the string id of the variable that carries the last event as JSON."""
    return f"{device}/@testbed/LastEvent"


def testbed_id(device: str) -> str:
    """Return the string id of the object that holds what our own client reads."""
    return f"{device}/@testbed"


def command_id(device: str) -> str:
    """Return the string id of the method that takes a whole command as JSON."""
    return f"{device}/@testbed/Command"


def method_id(device: str, command: str) -> str:
    """Return the string id of the method of one command, for any client."""
    return f"{device}/@commands/{command}"


def write_command(command: Command) -> str:
    """Return a command as JSON text."""
    return json.dumps(asdict(command), ensure_ascii=False)


def read_command(text: str) -> Command:
    """Return the command of :func:`write_command`; raises DecodeError on anything else."""
    try:
        value = json.loads(text)
        cause = value.get("cause")
        return Command(**{**value, "cause": Cause(**cause) if cause else None})
    except (ValueError, TypeError, AttributeError) as error:
        raise DecodeError("command", str(error)) from error


def write_note(note: Event | CommandResult) -> str:
    """Return an event or a command result as JSON text."""
    return json.dumps(asdict(note), ensure_ascii=False)


def read_result(text: str) -> CommandResult:
    """Return a command result of :func:`write_note`; raises DecodeError on anything else."""
    try:
        return CommandResult(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise DecodeError("result", str(error)) from error


def read_event(text: str) -> Event:
    """Return an event of :func:`write_note`; raises DecodeError on anything else."""
    try:
        return Event(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise DecodeError("event", str(error)) from error

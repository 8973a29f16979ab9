"""``testbed modbus``: the register maps of a scenario's old machines, as their manual would print them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.table import Table

from wire.modbus.station import Station

modbus = typer.Typer(help="Old machines on Modbus TCP.", no_args_is_help=True)


@modbus.callback()
def modbus_help() -> None:
    """Old machines on Modbus TCP."""


@modbus.command("map")
def modbus_map(
    file: Annotated[Path, typer.Argument(help="Scenario file.")],
    device: Annotated[str, typer.Argument(help="Part of a device's path; none: all of them.")] = "",
    data: Annotated[
        Optional[Path], typer.Option("--data", envvar="IIOT_DATA", help="Folder of real data sets.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print unit ids and registers of the devices that speak Modbus (addresses from 0)."""
    from testbed.scenario import read, stations_of

    scenario = read(file, data)
    found = [s for s in stations_of(scenario.domains, scenario.config.seed) if device in s.device.path]
    if as_json:
        sys.stdout.write(json.dumps([_as_json(s) for s in found], ensure_ascii=False) + "\n")
        return
    console = Console()
    for station in found:
        console.print(_table(station))
    if not found:
        console.print("no device speaks Modbus here")


def _as_json(station: Station) -> dict[str, Any]:
    return {
        "device": station.device.path,
        "unit": station.unit,
        "every_ns": station.every,
        "map": station.plan.model_dump(mode="json", exclude_none=True),
    }


def _table(station: Station) -> Table:
    table = Table(
        title=f"{station.device.path}, unit {station.unit}, polled every {station.every / 1e9:g} s",
        caption="status: 2 bits a channel, 0 good, 1 uncertain, 2 bad sensor, 3 bad; result: count of the command << 8 "
        "| 1 accepted, 2 done, 3 refused, 4 failed, 5 expired; an argument of 0 is not given",
    )
    for column in ("table", "address", "what", "type", "scale", "unit"):
        table.add_column(column, justify="right" if column in ("address", "scale") else "left")
    plan = station.plan
    for name, r in plan.registers.items():
        form = r.type + (" low word first" if r.width > 1 and r.order == "little" else "")
        form += ", begins again at 0" if r.counter else ""
        table.add_row(r.table, str(r.address), name, form, f"{r.scale:g}", r.unit)
    if plan.status:
        table.add_row(plan.status.table, str(plan.status.address), "status", f"uint16 x {plan.status_words}", "", "")
    if plan.heartbeat:
        table.add_row(plan.heartbeat.table, str(plan.heartbeat.address), "heartbeat: counts scans", "uint16", "", "")
    for name, c in plan.commands.items():
        how = f"write {c.arg}" if c.arg else f"write {c.value}"
        table.add_row(c.table, str(c.address), f"command {name}: {how}", "", "", c.units.get(c.arg, ""))
        for arg, word in c.args.items():
            codes = f" ({', '.join(f'{n} {t}' for t, n in word.codes.items())})" if word.codes else ""
            if arg != c.arg:
                unit = c.units.get(arg, "")
                table.add_row("holding", str(word.address), f"  {arg}{codes}", word.type, f"{word.scale:g}", unit)
        if c.result is not None:
            table.add_row("input", str(c.result), f"  result of {name}", "uint16", "", "")
    return table

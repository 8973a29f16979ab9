"""What a person reads at the end of a run, made from the run report."""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


def show(report: dict[str, Any], console: Console) -> None:
    """Print the summary of a run report."""
    name = report["scenario"].rsplit("/", 1)[-1].removesuffix(".yaml")
    parts: list[RenderableType] = [_verdict(report["rows"]), _loop(report), _money(report)]
    if report.get("evaluation"):
        parts.append(_evaluation(report["evaluation"]))
    console.print(Panel(Group(*parts), title=f"{name}: {report['wall_s']:.0f} s, seed {report['seed']}", expand=False))


def _verdict(rows: dict[str, int]) -> Text:
    text = Text()
    by_link = rows.get("lost_by_link", 0)
    whole = rows["lost"] == by_link and rows["duplicated"] == 0
    text.append("every row accounted for: " if whole else "rows are missing: ", "bold green" if whole else "bold red")
    text.append(f"{rows['emitted']:,} emitted, {rows['stored']:,} stored, {rows['lost']:,} lost, ")
    text.append(f"{rows['duplicated']:,} duplicated")
    if by_link:
        text.append(f", {by_link:,} of them by links whose devices keep no rows", "yellow")
    if rows["rejected"]:
        text.append(f", {rows['rejected']:,} rejected to dead letters", "yellow")
    if rows["third_party"]:
        text.append(f", {rows['third_party']:,} from third-party devices", "cyan")
    return text


def _loop(report: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column, justify in (("hop", "left"), ("p50", "right"), ("p99", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    latency = report["latency_ms"]
    hops = {
        "ingest": "sensor → gateway",
        "stored": "sensor → store",
        "edge_loop": "edge rule → equipment",
        "policy_loop": "policy → equipment",
    }
    for key, label in hops.items():
        table.add_row(label, _ms(latency[f"{key}_p50"]), _ms(latency[f"{key}_p99"]))
    return table


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


def _money(report: dict[str, Any]) -> Text:
    devices = report["devices"]
    commands = report["commands"]
    lines = [
        f"devices: {sum(devices.values())} ({', '.join(f'{n} {d}' for d, n in devices.items() if n)})",
        f"analysis: {report['findings']} findings, {report['prognoses']} prognoses, "
        f"{report['work_orders']} work orders",
        f"commands: {', '.join(f'{n} {s}' for s, n in commands.items()) or 'none'}",
    ]
    lines += [f"model {m['name']}: {_metrics(m)}" for m in report["models"]]
    if report["restarts"]:
        lines.append(f"restarts: {report['restarts']}")
    return Text("\n".join(lines))


def _metrics(model: dict[str, Any]) -> str:
    numbers = ", ".join(f"{k} {v:.3g}" for k, v in model.get("metrics", {}).items() if isinstance(v, (int, float)))
    return f"{model.get('failures', 0)} failures in {model.get('trained_rows', 0):,} rows" + (
        f"; {numbers}" if numbers else ""
    )


def _evaluation(values: dict[str, Any]) -> Text:
    return Text(str(values.get("text", values)), "bold")

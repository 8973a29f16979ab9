"""The folder of a comparison: report, pictures, one page, and the books for whoever wants to count again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from testbed.compare.config import CompareConfig
from testbed.compare.ledger import prices
from testbed.compare.plot import draw
from testbed.compare.show import alarm_lines, difference_heads, differences, heads, learnt_lines, rows
from testbed.compare.task import Result


def prepare(out: Path) -> Path:
    """Make an empty folder; raises ConfigError where that cannot be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(str(out), f"cannot be written: {error.strerror}", "choose another --out") from error
    if any(out.iterdir()):
        raise ConfigError(str(out), "is not empty", "choose another --out, or delete it first")
    return out


def write(out: Path, report: Mapping[str, Any], results: Sequence[Result], config: CompareConfig) -> None:
    """Write ``report.json``, ``compare.*``, ``summary.md``, ``prices.json``, ``ledger/``, ``spans/`` and ``truth/``."""
    from pyarrow import parquet

    (out / "report.json").write_text(plain_json(report, indent=1), encoding="utf-8")
    kinds = sorted({kind for r in results for kind in r.ledger.column("kind").unique().to_pylist()})
    (out / "prices.json").write_text(json.dumps(prices(config.costs, kinds), indent=1), encoding="utf-8")
    for name in ("ledger", "spans", "truth"):
        (out / name).mkdir()
    for r in results:
        stem = f"{r.policy}-{r.seed}.parquet"
        parquet.write_table(r.ledger, out / "ledger" / stem)
        parquet.write_table(r.spans, out / "spans" / stem)
        parquet.write_table(r.lives, out / "truth" / stem)
    pictures = draw(report, out)
    (out / "summary.md").write_text(page(report, [p.name for p in pictures]), encoding="utf-8")


def plain_json(value: Any, indent: int | None = None) -> str:
    """Return JSON that every reader takes: what is not a number is null."""
    return json.dumps(_plain(value), ensure_ascii=False, indent=indent, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if hasattr(value, "item") else value


def page(report: Mapping[str, Any], pictures: Sequence[str]) -> str:
    """Return the comparison on one page of Markdown."""
    lines = [
        f"# What maintenance is worth: {report['scenario']}",
        "",
        f"{len(report['seeds'])} seeds, {report['days']} days each, the same worlds under every policy. "
        "Means over seeds; differences are paired by seed, with 95 % intervals (seeds resampled).",
        "",
        *[f"![{p}]({p})" for p in pictures if p.endswith(".png")],
        "",
        *_grid(heads(report), rows(report)),
        "",
        *(_grid(difference_heads(report), differences(report)) if len(report["policies"]) > 1 else ()),
        "",
        *[f"- {line}" for line in (*learnt_lines(report), *alarm_lines(report))],
        "",
        "Every cost is a line of `ledger/*.parquet`: quantity times the price in `prices.json`. Stops are in "
        "`spans/*.parquet`, the sealed truth of all lives in `truth/*.parquet`.",
    ]
    return "\n".join(lines) + "\n"


def _grid(names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table."""
    head = ["| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
    return head + ["| " + " | ".join(cells) + " |" for cells in lines]

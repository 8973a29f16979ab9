"""``testbed evaluate``: published protocols on real data, with baseline and published figures beside the score."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from analytics.importance import FeatureReport

app = typer.Typer(help="Published protocols on real data.", no_args_is_help=True)
Language = Literal["en", "ko"]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
Seeds = Annotated[int, typer.Option(min=1, max=50, help="Repetitions with different splits and models.")]
Features = Annotated[
    bool, typer.Option("--features", help="Say instead which variables are worth measuring, with intervals.")
]
Lang = Annotated[Language, typer.Option("--lang", help="Language of the feature report.")]


@app.callback()
def help_() -> None:
    """Published protocols on real data."""


@app.command("ai4i")
def ai4i(
    path: Annotated[Path, typer.Argument(help="ai4i2020.csv, or the folder that holds it.")],
    seeds: Seeds = 3,
    features: Features = False,
    lang: Lang = "en",
    as_json: AsJson = False,
) -> None:
    """Failures of milling parts (AI4I 2020): stratified 5-fold, nothing leaks, failure modes named."""
    from analytics import evaluate_ai4i, feature_reports

    if features:
        show_features(feature_reports.of_ai4i(path), lang, as_json)
        return
    with progress("AI4I 2020") as told:
        result = evaluate_ai4i.evaluate_ai4i(path, seeds, jobs=min(os.cpu_count() or 1, 5), told=told)
    print_result(result, as_json, _ai4i_lines)


@app.command("cwru")
def cwru(
    path: Annotated[Path, typer.Argument(help="cwru_feature_time_48k_2048_load_1.csv, or the folder that holds it.")],
    seeds: Seeds = 3,
    features: Features = False,
    lang: Lang = "en",
    as_json: AsJson = False,
) -> None:
    """Bearing faults of the CWRU time-feature table: stratified hold-out of 750 rows."""
    from analytics import evaluate_cwru, feature_reports

    if features:
        show_features(feature_reports.of_cwru(path), lang, as_json)
        return
    with progress("CWRU") as told:
        result = evaluate_cwru.evaluate_cwru(path, seeds, told=told)
    print_result(result, as_json, _cwru_lines)


@app.command("cmapss")
def cmapss(
    folder: Annotated[Path, typer.Argument(help="Folder with train_*, test_* (.parquet or .txt) and RUL_*.txt.")],
    subset: Annotated[str, typer.Option(help="FD001 to FD004.")] = "FD001",
    seeds: Seeds = 5,
    features: Features = False,
    lang: Lang = "en",
    as_json: AsJson = False,
) -> None:
    """Remaining life of turbofan engines (NASA C-MAPSS): train, predict every test engine, compare."""
    from analytics import evaluate_cmapss, feature_reports

    if features:
        show_features(feature_reports.of_cmapss(folder, subset), lang, as_json)
        return
    with progress(f"C-MAPSS {subset}") as told:
        result = evaluate_cmapss.evaluate_cmapss(folder, subset, seeds, told=told)
    print_result(result, as_json, _cmapss_lines)


def show_features(report: FeatureReport, lang: Language, as_json: bool) -> None:
    """Print a feature report."""
    text = json.dumps(report.as_json(), ensure_ascii=False) if as_json else report.text(lang)
    sys.stdout.write(f"{text}\n")


def print_result(result: dict[str, Any], as_json: bool, lines: Callable[[dict[str, Any]], Iterator[str]]) -> None:
    """Print figures as one JSON object or as lines for people."""
    text = json.dumps(result) if as_json else "\n".join(lines(result))
    sys.stdout.write(f"{text}\n")


@contextmanager
def progress(title: str) -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error while figures are made."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda done: bar.update(task, completed=done)


def _ai4i_lines(r: dict[str, Any]) -> Iterator[str]:
    mean, interval, trivial = r["mean"], r["interval"], r["trivial"]
    yield f"{r['protocol']}; {r['rows']:,} parts, {r['failures']} failures, {r['seeds']} seeds"
    yield f"PR-AUC    {mean['pr_auc']:.3f} {_span(interval['pr_auc'])}   trivial {trivial['pr_auc']:.3f}"
    yield f"F1        {mean['f1']:.3f} {_span(interval['f1'])}   trivial {trivial['f1']:.3f}"
    yield (
        f"macro F1  {mean['macro_f1']:.3f}   MCC {mean['mcc']:.3f}   ROC-AUC {mean['roc_auc']:.3f}   "
        f"F1 at threshold 0.5 {mean['f1_at_half']:.3f}"
    )
    yield (
        f"without physics features (same folds, forest on the six columns): PR-AUC {mean['raw_pr_auc']:.3f}, "
        f"F1 at 0.5 {mean['raw_f1_at_half']:.3f}"
    )
    yield from (f"published: {line}" for line in r["published"])
    yield f"chosen inside the training folds: {'; '.join(r['chosen'])}"
    yield "failed parts by mode: recall and precision of its name; share that is both called and named"
    for code, m in r["modes"].items():
        shares = (m["recall"], m["precision"], m["recall_of_calls"])
        told = "  ".join("  -  " if v is None else f"{v:.3f}" for v in shares)
        yield f"  {code} {m['name']:<17} {m['rows']:>4} parts  {told}"


def _cwru_lines(r: dict[str, Any]) -> Iterator[str]:
    yield f"{r['protocol']}; {r['rows']:,} windows, {r['classes']} classes, {r['seeds']} seeds"
    yield (
        f"accuracy {r['accuracy']:.4f} {_span(r['interval'])}   trivial (largest class) {r['trivial']:.3f}   "
        f"untuned forest on the same splits {r['forest']:.4f}"
    )
    yield f"by split: {', '.join(f'{a:.4f}' for a in r['accuracy_by_seed'])}"
    yield from (f"published: {line}" for line in r["published"])
    for number, c in enumerate(r["chosen"]):
        inner = ", ".join(f"{name} {value:.4f}" for name, value in c["inner"].items())
        yield f"split {number}: chosen {c['model']} (inside the training rows: {inner})"
    yield "recall: " + ", ".join(f"{name} {value:.3f}" for name, value in r["recall_by_class"].items())


def _cmapss_lines(r: dict[str, Any]) -> Iterator[str]:
    yield f"{r['protocol']}; {r['regimes']} operating regime(s), {len(r['sensors'])} sensors that move"
    if r["left_out"]:
        yield f"left out, because only one of the two files has them: {', '.join(r['left_out'])}"
    yield f"{r['text']} (predictions averaged over {r['seeds']} seeds)"
    yield f"RMSE by seed: {', '.join(f'{v:.2f}' for v in r['rmse_by_seed'])}"
    yield (
        f"90 % interval: covers {r['coverage']:.1%} of the engines (by seed: "
        f"{', '.join(f'{v:.2f}' for v in r['coverage_by_seed'])}), {r['width']:.1f} cycles wide on average"
    )
    yield from (f"published: {line}" for line in r["published"])


def _span(interval: dict[str, float]) -> str:
    return f"[{interval['low']:.3f}, {interval['high']:.3f}]"

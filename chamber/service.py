"""What the command line and the portal call: list plans, run one, judge a recording again, render its report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from chamber import recording as recordings
from chamber.junit import save_junit
from chamber.plan import TestPlan, read_plan
from chamber.recording import Recording, RecordingError
from chamber.report import save_html
from chamber.rig import EXTERNAL, Progress, RigOptions
from chamber.rig import run as run_rig
from chamber.verdict import Judgement, judge, save_json
from core.errors import ConfigError
from wire.broker import Broker
from wire.broker_config import BrokerConfig

VERDICT, REPORT, JUNIT = "verdict.json", "report.html", "junit.xml"


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan and where it lies; ``devices`` are the names that ``run_plan`` takes."""

    path: Path
    plan: TestPlan

    @property
    def devices(self) -> tuple[str, ...]:
        """Simulated devices by name, then ``external``."""
        return (*self.plan.simulated, EXTERNAL)


def list_plans(folder: Path) -> list[PlanFile]:
    """Return every plan of a folder by name; raises ConfigError for a file that is not a plan."""
    if not folder.is_dir():
        raise ConfigError(str(folder), "no such folder", "plans lie in configs/chamber")
    return [PlanFile(path, read_plan(path)) for path in sorted(folder.glob("*.yaml"))]


def find_plan(name: str, folder: Path) -> Path:
    """Return the file of a plan given by path, or by name in the folder of plans; raises ConfigError."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path
    found = folder / f"{name}.yaml"
    if not found.is_file():
        have = ", ".join(sorted(p.stem for p in folder.glob("*.yaml"))) or "none"
        raise ConfigError(str(found), "no such plan", f"there are: {have}")
    return found


async def run_plan(
    plan: Path | TestPlan,
    out: Path,
    options: RigOptions | None = None,
    url: str | None = None,
    progress: Progress | None = None,
    port: int = 0,
    ready: Callable[[str], None] | None = None,
) -> Judgement:
    """Run a plan, save the recording with verdict, report and JUnit file in ``out``, and return the judgement.

    Without ``url`` a broker of our own serves the test on loopback (``port`` 0: a free one) and ends with it.
    ``ready`` is told the broker's URL before the test waits for its devices.
    """
    wanted = plan if isinstance(plan, TestPlan) else read_plan(plan)
    recordings.require_empty(out)
    chosen = options or RigOptions()
    if url is not None:
        made = await _run_at(url, wanted, chosen, progress, ready)
    else:
        with TemporaryDirectory(prefix="chamber-") as folder:
            async with Broker(BrokerConfig(port=port), Path(folder)) as broker:
                made = await _run_at(broker.url, wanted, chosen, progress, ready)
    recordings.save(made, out)
    return _write(recordings.load(out), out)


def check(folder: Path) -> Judgement:
    """Judge a recording again and rewrite its verdict, report and JUnit file.

    Raises
    ------
    RecordingError
        If any file was changed since the recording, or the verdict in the folder is on another recording.
    """
    made = recordings.load(folder)
    _require_same(folder / VERDICT, made)
    return _write(made, folder)


def report(folder: Path) -> Path:
    """Return the path of the report, rendered anew from the recording; raises RecordingError as :func:`check`."""
    check(folder)
    return folder / REPORT


async def _run_at(
    url: str, plan: TestPlan, options: RigOptions, progress: Progress | None, ready: Callable[[str], None] | None
) -> Recording:
    if ready is not None:
        ready(url)
    return await run_rig(plan, url, options, progress)


def _write(made: Recording, folder: Path) -> Judgement:
    judgement = judge(made)
    save_json(judgement, folder / VERDICT)
    save_html(judgement, folder / REPORT)
    save_junit(judgement, folder / JUNIT)
    return judgement


def _require_same(path: Path, made: Recording) -> None:
    """Refuse a recording whose manifest is not the one that was judged before."""
    if not path.exists():
        return
    try:
        said = json.loads(path.read_text(encoding="utf-8"))["recording"]["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path} is not a verdict (delete it to judge again)") from error
    if said != made.digest:
        raise RecordingError(f"{path.parent}: the manifest was changed after the verdict (its SHA-256 differs)")

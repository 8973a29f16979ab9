"""The verdict as JUnit XML, for continuous integration."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from chamber.verdict import Judgement, iso


def save_junit(judgement: Judgement, path: Path) -> None:
    """Write one test suite with a case per requirement; NOT-TESTED is ``skipped``."""
    recording = judgement.recording
    outcomes = [result.outcome for result in judgement.results]
    suite = ET.Element(
        "testsuite",
        name=f"chamber.{recording.plan.id}",
        tests=str(len(outcomes)),
        failures=str(outcomes.count("FAIL")),
        errors="0",
        skipped=str(outcomes.count("NOT-TESTED")),
        timestamp=iso(recording.facts.began),
        time=f"{(recording.facts.ended - recording.facts.began) / 1e9:.3f}",
    )
    for result in judgement.results:
        case = ET.SubElement(suite, "testcase", classname=f"chamber.{recording.plan.id}", name=result.requirement)
        measured = "-" if result.measured is None else f"{result.measured:.6g}"
        said = f"measured {measured} {result.unit}, limit {result.limit} {result.unit}".strip()
        if result.outcome == "FAIL":
            ET.SubElement(case, "failure", message=said).text = result.evidence
        elif result.outcome == "NOT-TESTED":
            ET.SubElement(case, "skipped", message=result.evidence.partition("\n")[0])
        ET.SubElement(case, "system-out").text = f"{said}\n{result.evidence}"
    tree = ET.ElementTree(suite)
    ET.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)

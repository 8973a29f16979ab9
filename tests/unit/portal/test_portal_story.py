from __future__ import annotations

from core.clock import NS
from core.command import Command, CommandResult, Event
from core.finding import Finding, Prognosis, WorkOrder
from portal.story import KEEP_CASES, Story

PUMP, GATE = "s/a/pump", "s/a/gate"


def finding(t: int = 1, score: float = 5.0, active: bool = True, device: str = PUMP) -> Finding:
    return Finding(f"f{t}", device, "zones", t * NS, score, 4.5, "warning", "shakes", active)


def prognosis(t: int, p: float) -> Prognosis:
    return Prognosis(PUMP, "m", t * NS, p, 86_400, 3_600, 1_800, float("inf"))


def order(t: int) -> WorkOrder:
    return WorkOrder("w", PUMP, "maintain", "policy:p", t * NS, (t + 9) * NS, "wear", command="c1")


def command(t: int, name: str = "c1", device: str = PUMP, issuer: str = "policy:p") -> Command:
    return Command(name, device, "maintain", issuer, t * NS, (t + 9) * NS)


def result(t: int, status: str, name: str = "c1", device: str = PUMP) -> CommandResult:
    return CommandResult(name, device, status, "", t * NS)  # type: ignore[arg-type]


def told(*notes: object) -> Story:
    story = Story()
    for note in notes:
        story.tell(note)  # type: ignore[arg-type]
    return story


def test_from_finding_to_result_is_one_case() -> None:
    story = told(finding(1), prognosis(2, 0.8), order(3), command(4), result(5, "accepted"), result(6, "done"))
    (case,) = story.views()
    assert [s["step"] for s in case["steps"]] == ["finding", "prognosis", "order", "command", "result"]
    assert (case["phase"], case["opened"], case["updated"]) == ("solved", 1_000, 6_000)
    assert case["steps"][1]["upper_s"] is None  # infinity is no JSON
    assert case["steps"][0]["t"] == 1_000


def test_after_the_end_a_new_case_begins() -> None:
    story = told(finding(1), order(3), command(4), result(6, "done"), finding(9))
    assert [c["phase"] for c in story.views()] == ["watch", "solved"]


def test_an_unlikely_prognosis_opens_nothing_and_a_likely_one_does() -> None:
    assert told(prognosis(1, 0.2)).views() == []
    assert told(prognosis(1, 0.7)).views()[0]["phase"] == "watch"


def test_what_led_to_the_order_stays() -> None:
    story = told(finding(1), prognosis(2, 0.8), order(3), prognosis(4, 0.1))
    assert next(s for s in story.views()[0]["steps"] if s["step"] == "prognosis")["p_failure"] == 0.8


def test_a_finding_that_ends_clears_the_case_unless_something_was_ordered() -> None:
    assert told(finding(1), finding(2, active=False)).views()[0]["phase"] == "cleared"
    assert told(finding(1), order(2), finding(3, active=False)).views()[0]["phase"] == "planned"


def test_repeated_findings_keep_the_first_time_and_the_worst_score() -> None:
    story = told(finding(1, 5.0), finding(2, 7.0), finding(3, 6.0))
    (case,) = story.views()
    assert (case["count"], case["steps"][0]["score"], case["steps"][0]["t"]) == (3, 7.0, 1_000)


def test_a_measure_on_the_way_leaves_the_order_open() -> None:
    story = told(finding(1), order(2), command(3, "derate"), result(4, "done", "derate"))
    assert story.views()[0]["phase"] == "planned"


def test_a_refused_order_is_a_failed_case() -> None:
    assert told(finding(1), order(2), command(3), result(4, "refused")).views()[0]["phase"] == "failed"


def test_breaking_and_repair() -> None:
    story = told(Event(PUMP, "failure", "bearing seized", 1, "alarm"))
    assert story.views()[0]["phase"] == "broken"
    story.tell(Event(PUMP, "repaired", "new bearing", 2))
    assert story.views()[0]["phase"] == "solved"
    assert not story.tell(Event(PUMP, "part_done", "", 3))


def test_planned_maintenance_ends_the_case() -> None:
    story = told(finding(1), order(2), command(3), Event(PUMP, "maintenance", "", 4 * NS))
    assert story.views()[0]["phase"] == "acting"
    story.tell(Event(PUMP, "maintained", "", 5 * NS))
    story.tell(result(6, "done"))
    assert [c["phase"] for c in story.views()] == ["solved"]


def test_edge_rules_are_counted_reactions() -> None:
    story = Story()
    for t in range(1, 6):
        story.tell(command(t, f"x{t}", GATE, "rule:green"))
        story.tell(result(t, "done", f"x{t}", GATE))
    (case,) = story.views()
    assert (case["kind"], case["count"], case["phase"]) == ("reaction", 5, "solved")


def test_a_late_result_of_an_earlier_reaction_changes_nothing() -> None:
    story = told(command(1, "x1", GATE, "rule:g"), command(2, "x2", GATE, "rule:g"))
    assert not story.tell(result(3, "failed", "x1", GATE))
    assert story.views()[0]["phase"] == "acting"


def test_cases_are_bounded_and_forgotten_devices_start_anew() -> None:
    story = Story()
    for i in range(KEEP_CASES + 5):
        story.tell(finding(i + 1, device=f"s/a/d{i}"))
    assert len(story.cases) == KEEP_CASES
    story.tell(finding(999, device="s/a/d0"))
    assert story.views()[0]["device"] == "s/a/d0"

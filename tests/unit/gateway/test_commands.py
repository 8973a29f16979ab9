import asyncio

import pytest

from core.catalog import Catalog
from core.clock import NS, RunClock, mono_ns
from core.command import Command, CommandResult
from core.errors import CommandRefused, NotConnected
from core.metrics import Metrics
from gateway.commands import CommandConfig, CommandRouter
from tests.unit.gateway.world import MAX, device, wall_clock


class Link:
    def __init__(self, fault: Exception | None = None, wait_s: float = 0.0) -> None:
        self.sent, self.fault, self.wait_s = [], fault, wait_s

    async def send(self, command: Command) -> None:
        await asyncio.sleep(self.wait_s)
        if self.fault:
            raise self.fault
        self.sent.append(command)


def router(link: Link | None, clock: RunClock = MAX, **config) -> tuple[CommandRouter, list[CommandResult]]:
    results: list[CommandResult] = []
    made = CommandRouter(
        CommandConfig.model_validate(config),
        Catalog([device("p1"), device("p2")]),
        clock,
        Metrics(),
        lambda _: link,
        results.extend,
    )
    return made, results


def command(ident: str = "c1", **over) -> Command:
    fields = {
        "id": ident, "device": "s/a/p1", "name": "set_speed", "issuer": "user:kim", "t": 0, "expires": 0,
        "args": {"speed": 1.0},
    }  # fmt: skip
    return Command(**{**fields, **over})


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"issuer": "stranger:x"}, "issuer"),
        ({"issuer": "user:lee"}, "user 'lee'"),
        ({"device": "s/a/p9"}, "no device"),
        ({"name": "explode"}, "no command"),
        ({"args": {"spede": 1.0}}, "no argument"),
    ],
)
def test_what_may_not_go_is_refused_with_its_reason(over, reason):
    made, _ = router(Link(), users=("kim",))
    result = made.check(command(**over))
    assert result is not None
    assert result.status == "refused"
    assert reason in result.detail


def test_a_command_that_may_go_is_admitted_once():
    made, _ = router(Link())
    assert made.repeated(command()) is None
    assert made.check(command()) is None
    assert made.repeated(command()).status == "accepted"
    assert made.metrics.counts["commands_sent"] == 1


def test_the_run_clock_decides_what_is_expired():
    clock = wall_clock()
    made, _ = router(Link(), clock)
    assert made.check(command("old", expires=clock.start - NS)).status == "expired"
    assert made.check(command("new", expires=clock.start + 60 * NS)) is None
    assert made.check(command("open", expires=0)) is None


def test_one_issuer_cannot_flood_a_device_and_others_go_on():
    made, _ = router(Link(), per_minute=3)
    answers = [made.check(command(f"c{i}")) for i in range(5)]
    assert [a is None for a in answers] == [True, True, True, False, False]
    assert made.check(command("x", issuer="rule:stop")) is None
    assert made.check(command("y", device="s/a/p2")) is None


def test_a_device_that_no_source_reaches_is_refused():
    made, _ = router(None)
    assert "no source" in made.check(command()).detail


async def test_commands_of_one_device_go_in_order():
    link = Link(wait_s=0.001)
    made, _ = router(link)
    many = [command(f"c{i}") for i in range(5)]
    assert all(made.check(c) is None for c in many)
    made.dispatch(many)
    await made.close()
    assert [c.id for c in link.sent] == [f"c{i}" for i in range(5)]


@pytest.mark.parametrize(
    ("fault", "status"), [(NotConnected("gone"), "failed"), (CommandRefused("interlock"), "refused")]
)
async def test_a_link_that_fails_gives_a_result(fault, status):
    made, results = router(Link(fault))
    made.check(command())
    made.dispatch([command()])
    await made.close()
    assert [(r.id, r.status) for r in results] == [("c1", status)]
    assert made.pending() == 0


async def test_a_link_that_hangs_fails_in_time():
    made, results = router(Link(wait_s=30), send_timeout="20ms")
    made.check(command())
    made.dispatch([command()])
    await made.close()
    assert [r.status for r in results] == ["failed"]


def test_results_are_told_once_and_end_the_command():
    made, _ = router(Link())
    made.check(command())
    accepted = CommandResult("c1", "s/a/p1", "accepted", "", 1)
    done = CommandResult("c1", "s/a/p1", "done", "", 2)
    assert [made.heard(r) for r in (accepted, accepted, done, done, accepted)] == [True, False, True, False, False]
    assert made.pending() == 0
    assert made.metrics.counts["commands_done"] == 1


def test_no_answer_in_time_is_a_failure():
    made, _ = router(Link(), timeout="1s")
    made.check(command())
    assert made.overdue(mono_ns()) == []
    (result,) = made.overdue(mono_ns() + 2 * NS)
    assert (result.status, result.id) == ("failed", "c1")
    assert made.overdue(mono_ns() + 4 * NS) == []


def test_work_that_was_accepted_may_take_its_time():
    made, _ = router(Link(), timeout="1s", work="1h")
    made.check(command())
    made.heard(CommandResult("c1", "s/a/p1", "accepted", "", 1))
    assert made.overdue(mono_ns() + 120 * NS) == []
    (result,) = made.overdue(mono_ns() + 3601 * NS)
    assert result.status == "failed"


def test_ids_are_remembered_over_a_restart_and_not_for_ever():
    made, _ = router(Link(), remember=3)
    for i in range(5):
        made.check(command(f"c{i}"))
    again, _ = router(Link())
    again.load(made.dump())
    assert again.repeated(command("c4")) is not None
    assert again.repeated(command("c0")) is None
    assert again.pending() == 3
    again.restore(command("c9"))
    assert again.repeated(command("c9")) is not None

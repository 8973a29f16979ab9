"""What policies are told of costs: the prices of a scenario at the repair times of its domains."""

from __future__ import annotations

from core.clock import NS
from testbed.scenario import Scenario

_HOUR = 3600 * NS


def machine_costs(scenario: Scenario) -> dict[str, dict[str, float]]:
    """Return ``cost_failure`` and ``cost_planned`` (KRW) by kind of equipment that has prices; nothing without them."""
    if scenario.config.compare is None:
        return {}
    costs = scenario.config.compare.costs
    return {
        equipment.kind: {
            "cost_failure": costs.failure(equipment.kind, domain.repair / _HOUR),
            "cost_planned": costs.planned(equipment.kind, domain.maintain / _HOUR),
        }
        for domain in scenario.domains
        for equipment in domain.equipment
        if equipment.kind in costs.kinds
    }

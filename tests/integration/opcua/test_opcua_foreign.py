"""What a client that knows nothing of us sees and may do: plain asyncua, no code of ours."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager

import numpy as np
import pytest
from asyncua import Client, ua
from opcua_rig import device, eventually, rows, soon

from core.clock import MS, mono_ns, wall_ns
from core.command import CommandResult, Event
from core.quality import BAD_SENSOR, UNCERTAIN_RANGE
from wire.opcua.config import OpcuaServerConfig

PUMP = "seoul/hall/pump0"
MAIN = f"{PUMP}/main"


@asynccontextmanager
async def foreign(rig):
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    async with Client(rig.publisher.server.url) as client:
        client.own = await client.get_namespace_index("urn:iiot-testbed:devices")
        client.machinery = await client.get_namespace_index("http://opcfoundation.org/UA/Machinery/")
        yield client


def node(client, name: str):
    return client.get_node(ua.NodeId(name, client.own))


async def children(parent) -> dict:
    return {(await child.read_browse_name()).Name: child for child in await parent.get_children()}


class Heard:
    def __init__(self) -> None:
        self.values: list = []
        self.events: list = []

    def datachange_notification(self, node, value, data) -> None:
        self.values.append(value)

    def event_notification(self, event) -> None:
        self.events.append(event)

    async def until(self, n: int) -> None:
        await eventually(lambda: len(self.values) + len(self.events) >= n)


async def test_the_machinery_tree_can_be_walked(rig):
    async with rig([device(0, fast=True)], connect=False) as r, foreign(r) as client:
        machines = await client.nodes.objects.get_child(f"{client.machinery}:Machines")
        pump = (await children(machines))["pump0"]
        assert (await pump.read_display_name()).Text == "Pump"
        tree = await children(pump)
        assert set(tree) == {"Identification", "MachineryBuildingBlocks", "Monitoring", "Commands", "Testbed"}
        identity = await children(tree["Identification"])
        assert (await identity["Manufacturer"].read_value()).Text == "Hanguk Pumps"
        assert await identity["SerialNumber"].read_value() == "SN0"
        assert await identity["ProductInstanceUri"].read_value() == "urn:pump:0"
        groups = await children(tree["Monitoring"])
        assert set(groups) == {"Status", "Health", "Process", "Consumption"}
        process = await children(groups["Process"])
        assert set(await children(process["main"])) == {"temperature", "pressure"}
        assert set(await children(process["wave"])) == {"ax", "ay", "Block", "Quality"}


async def test_variables_carry_unit_range_and_states(rig):
    async with rig([device(0)], connect=False) as r, foreign(r) as client:
        temperature = await children(node(client, f"{MAIN}/temperature"))
        unit = await temperature["EngineeringUnits"].read_value()
        assert (unit.UnitId, unit.DisplayName.Text) == (4408652, "°C")  # CEL of UNECE Recommendation 20
        limits = await temperature["EURange"].read_value()
        assert (limits.Low, limits.High) == (-20.0, 120.0)
        states = await (await children(node(client, f"{MAIN}/state")))["EnumStrings"].read_value()
        assert [state.Text for state in states] == ["idle", "running", "maintenance"]


async def test_values_have_source_time_status_and_type(rig):
    async with rig([device(0)], connect=False) as r, foreign(r) as client:
        temperature, state = node(client, f"{MAIN}/temperature"), node(client, f"{MAIN}/state")
        before = await temperature.read_data_value(raise_on_bad_status=False)
        assert before.StatusCode.name == "BadWaitingForInitialData"
        batch = rows(r.catalog, MAIN, [soon()])
        batch.x[0, 4] = 1
        batch.q[0, :2] = UNCERTAIN_RANGE, BAD_SENSOR
        await r.publisher.publish([batch])
        value = await temperature.read_data_value(raise_on_bad_status=False)
        assert value.Value == ua.Variant(float(batch.x[0, 0]), ua.VariantType.Double)
        assert value.StatusCode.name == "UncertainEngineeringUnitsExceeded"
        assert value.SourceTimestamp.timestamp() == pytest.approx(int(batch.t[0]) / 1e9, abs=1e-6)
        assert abs(value.ServerTimestamp.timestamp() - wall_ns() / 1e9) < 5
        broken = await node(client, f"{MAIN}/pressure").read_data_value(raise_on_bad_status=False)
        assert (broken.StatusCode.name, broken.Value.Value) == ("BadSensorFailure", None)
        assert (await state.read_data_value()).Value == ua.Variant(1, ua.VariantType.Int32)
        item = node(client, f"{PUMP}/@blocks/state/current")
        assert (await item.read_value()).Text == "Executing"


async def test_subscriptions_deadband_and_history(rig):
    async with rig([device(0)], connect=False) as r, foreign(r) as client:
        temperature, pressure = node(client, f"{MAIN}/temperature"), node(client, f"{MAIN}/pressure")
        plain, coarse, percent = Heard(), Heard(), Heard()
        t, values = soon(), [10.0, 10.4, 10.8, 11.2, 11.2, 20.0]
        for target, heard, kind, band in (
            (temperature, coarse, ua.DeadbandType.Absolute, 1.0),
            (pressure, percent, ua.DeadbandType.Percent, 50.0),  # of 0 … 16 bar
        ):
            trigger = ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, kind, band)
            sub = await client.create_subscription(20, heard)
            item = ua.MonitoredItemCreateRequest(
                ItemToMonitor=ua.ReadValueId(NodeId=target.nodeid, AttributeId=ua.AttributeIds.Value),
                MonitoringMode=ua.MonitoringMode.Reporting,
                RequestedParameters=ua.MonitoringParameters(201, 0.0, trigger, 100, True),
            )
            await sub.create_monitored_items([item])
        await (await client.create_subscription(20, plain)).subscribe_data_change(temperature, queuesize=100)
        for step, value in enumerate(values):
            batch = rows(r.catalog, MAIN, [t + step * 100 * MS])
            batch.x[0, :2] = value
            await r.publisher.publish([batch])
        await plain.until(6)
        await coarse.until(4)
        await percent.until(3)
        await asyncio.sleep(0.1)
        assert plain.values == [None, 10.0, 10.4, 10.8, 11.2, 20.0]  # the default filter reports changes
        assert coarse.values == [None, 10.0, 11.2, 20.0]  # slow drift adds up to the band
        assert percent.values == [None, 10.0, 20.0]
        history = await temperature.read_raw_history()
        assert [v.Value.Value for v in history] == values
        start, end = history[1].SourceTimestamp, history[4].SourceTimestamp
        assert [v.Value.Value for v in await temperature.read_raw_history(start, end)] == [10.4, 10.8, 11.2]


async def test_commands_are_methods_with_arguments(rig):
    async with rig([device(0)], connect=False) as r, foreign(r) as client:
        commands = node(client, f"{PUMP}/@commands")
        derate = (await children(commands))["derate"]
        (argument,) = await (await children(derate))["InputArguments"].read_value()
        assert (argument.Name, argument.DataType.Identifier) == ("factor", ua.ObjectIds.Double)

        async def equipment() -> None:
            await eventually(lambda: r.commands)
            got = r.commands[0]
            assert (got.device, got.name, got.args, got.issuer) == (PUMP, "derate", {"factor": 0.8}, "user:opcua")
            await r.publisher.tell([CommandResult(got.id, PUMP, "refused", "interlock", wall_ns())])

        task = asyncio.create_task(equipment())
        assert await commands.call_method(derate, 0.8) == ["refused", "interlock"]
        await task
        with pytest.raises(ua.UaStatusCodeError):
            await commands.call_method(derate)


async def test_events_are_raised_at_the_server(rig):
    async with rig([device(0)], connect=False) as r, foreign(r) as client:
        heard = Heard()
        await (await client.create_subscription(20, heard)).subscribe_events()
        await r.publisher.tell([Event(PUMP, "failure", "bearing seized", wall_ns(), "alarm")])
        await heard.until(1)
        event = heard.events[0]
        assert (event.Message.Text, event.Severity, event.SourceName) == ("bearing seized", 900, f"{PUMP}: failure")


async def test_a_client_may_look_but_not_touch(rig):
    async with rig([device(0)], connect=False) as r, foreign(r) as client:
        with pytest.raises(ua.UaStatusCodeError):
            await node(client, f"{MAIN}/temperature").write_value(1.0)
        with pytest.raises(ua.UaStatusCodeError):
            await client.nodes.objects.add_folder(client.own, "mine")


async def test_arrays_and_their_parts_can_be_read(rig):
    async with rig([device(0, fast=True)], connect=False) as r, foreign(r) as client:
        t0 = soon()
        batch = rows(r.catalog, f"{PUMP}/wave", [t0 + i * MS for i in range(50)])
        await r.publisher.publish([batch])
        ax = node(client, f"{PUMP}/wave/ax")
        assert await ax.read_value() == batch.x[:, 0].tolist()
        part = ua.ReadValueId(NodeId=ax.nodeid, AttributeId=ua.AttributeIds.Value, IndexRange="3:5")
        beyond = ua.ReadValueId(NodeId=ax.nodeid, AttributeId=ua.AttributeIds.Value, IndexRange="90")
        got, none = await client.uaclient.read(ua.ReadParameters(NodesToRead=[part, beyond]))
        assert got.Value.Value == batch.x[3:6, 0].tolist()
        assert none.StatusCode.name == "BadIndexRangeNoData"
        block = await node(client, f"{PUMP}/wave/@block").read_value()
        assert np.array_equal(block, [1, 0, 50, t0, MS])


async def test_a_persona_takes_no_more_items_than_its_model(rig):
    small = {"items": 6, "batch": 2, "slow": "100ms", "publishing": "200ms"}
    async with rig([device(0), device(1)], connect=False, persona=small) as r, foreign(r) as client:
        subscription = await client.create_subscription(20, Heard())
        assert subscription.parameters.RequestedPublishingInterval == 200
        nodes = [node(client, f"seoul/hall/pump{i}/main/{c}") for i in (0, 1) for c in ("temperature", "pressure")]
        began = mono_ns()
        assert all(isinstance(one, int) for one in await subscription.subscribe_data_change(nodes))
        assert mono_ns() - began >= 200 * MS  # two above its batch
        states = [node(client, f"seoul/hall/pump{i}/main/{c}") for i in (0, 1) for c in ("power", "state")]
        results = await subscription.subscribe_data_change(states)
        assert [r if isinstance(r, ua.StatusCode) else "watched" for r in results][:2] == ["watched", "watched"]
        assert [r.name for r in results[2:]] == ["BadTooManyMonitoredItems"] * 2
        values = await client.read_values([node(client, f"seoul/hall/pump0/@testbed/{n}") for n in ("Spec",)])
        assert len(values) == 1


def test_personas_are_named_by_their_model():
    config = OpcuaServerConfig(persona="s7-1200")
    assert (config.limits.items, config.limits.batch) == (1_000, 200)
    assert OpcuaServerConfig(persona="s7-1500").limits.items == 10_000

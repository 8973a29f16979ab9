"""node-opcua's client, which knows nothing of us, at our server: every policy, every kind of user, every service."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from opcua_rig import device, rows, soon

from core.clock import MS, wall_ns
from core.command import CommandResult, Event
from tests.peers.node import SCRIPTS, need_node, node_env
from wire.broker_config import hash_password
from wire.certs import issue
from wire.opcua.identity import identity, make_identities
from wire.opcua.security import OpcuaUser

PUMP = "seoul/hall/pump0"
NODES = {"channel": f"{PUMP}/main/temperature", "object": f"{PUMP}/@commands", "method": f"{PUMP}/@commands/derate"}
SUITES = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")


async def ask(r, tmp_path, jobs, expect=0, on_listening=None):
    """Run the foreign client while our server and its equipment go on; returns what each job saw."""
    plan = {"url": r.publisher.server.url, "folder": str(tmp_path), "jobs": jobs, "nodes": {**NODES, "expect": expect}}
    process = await asyncio.create_subprocess_exec(
        "node", str(SCRIPTS / "opcua_client.js"), json.dumps(plan),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=node_env(),
    )  # fmt: skip
    errors = []

    async def listen() -> None:
        async for line in process.stderr:
            errors.append(line.decode())
            if b"listening" in line and on_listening is not None:
                await on_listening()

    listening, equipment = asyncio.create_task(listen()), asyncio.create_task(answer(r))
    try:
        async with asyncio.timeout(60):
            out = await process.stdout.read()
            await process.wait()
            await listening
    finally:
        equipment.cancel()
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, "".join(errors)
    return json.loads(out.decode().strip().splitlines()[-1])  # it chats before


async def answer(r) -> None:
    """The equipment: it does what it is told at once."""
    done = 0
    while True:
        for command in r.commands[done:]:
            done += 1
            await r.publisher.tell([CommandResult(command.id, command.device, "done", "so be it", wall_ns())])
        await asyncio.sleep(0.01)


@asynccontextmanager
async def secured(rig, tmp_path):
    """A server with certificates and users, and certificates of ours for the foreign client."""
    need_node("node-opcua-client")
    make_identities(tmp_path / "pki-server", "opc.tcp://127.0.0.1/testbed", ("simulator", "gateway"), always=True)
    folder, ca = tmp_path / "pki-server", tmp_path / "ca"
    pairs = {name: issue(ca, name, uri="urn:test:scada", use_rsa=True) for name in ("scada", "kim")}
    (folder / "trusted" / "ca.pem").write_bytes((ca / "ca.crt").read_bytes())
    base = identity(folder, "opc.tcp://127.0.0.1/testbed", "simulator")
    users = (
        *base.users,
        OpcuaUser(name="lee", role="viewer", password=hash_password("look")),
        OpcuaUser(name="park", role="operator", password=hash_password("act")),
        OpcuaUser(name="kim", role="operator", certificate=pairs["kim"].cert),
    )
    security = base.model_copy(update={"policy": "sign", "users": users})
    async with rig([device(0)], connect=False, security=security) as r:
        yield r, pairs


def app(pair) -> dict[str, str]:
    return {"cert": str(pair.cert), "key": str(pair.key)}


async def test_every_service_on_a_plain_loopback_server(rig, tmp_path):
    need_node("node-opcua-client")
    async with rig([device(0)], connect=False) as r:
        start = soon()

        async def produce() -> None:
            for step in range(1, 6):
                await r.publisher.publish([rows(r.catalog, f"{PUMP}/main", [start + step * 100 * MS], seed=step)])
                await asyncio.sleep(0.03)
            await r.publisher.tell([Event(PUMP, "failure", "bearing seized", start, "alarm")])

        first = rows(r.catalog, f"{PUMP}/main", [start], seed=0)
        await r.publisher.publish([first])
        (saw,) = await ask(r, tmp_path, [{"policy": "None", "mode": "None", "full": True}], 6, produce)
        assert "error" not in saw
        expected = [
            [float(rows(r.catalog, f"{PUMP}/main", [start], seed=s).x[0, 0]), (start + s * 100 * MS) // MS]
            for s in range(6)
        ]
        assert saw["machines"] == ["pump0"]
        assert saw["properties"] == ["EURange", "EngineeringUnits"]
        assert saw["unit"] == [4408652, "°C", "http://www.opcfoundation.org/UA/units/un/cefact"]
        assert saw["range"] == [-20, 120]
        assert saw["read"]["value"] == pytest.approx(expected[0][0])
        assert saw["heard"] == expected
        assert saw["history"] == expected
        assert [(e[1], e[2], e[3]) for e in saw["events"]] == [("bearing seized", 900, f"{PUMP}: failure")]
        assert saw["call"] == {"status": "Good", "out": ["done", "so be it"]}
        assert saw["write"] == "BadUserAccessDenied"
        assert [c.issuer for c in r.commands] == ["user:opcua"]


async def test_every_policy_and_every_kind_of_user(rig, tmp_path):
    async with secured(rig, tmp_path) as (r, pairs):
        await r.publisher.publish([rows(r.catalog, f"{PUMP}/main", [soon()])])
        scada = app(pairs["scada"])
        park = {**scada, "user": "park", "password": "act"}
        jobs = [{"policy": p, "mode": m, **park} for p in SUITES for m in ("Sign", "SignAndEncrypt")]
        kim = {"userCert": str(pairs["kim"].cert), "userKey": str(pairs["kim"].key)}
        jobs += [{"policy": p, "mode": "SignAndEncrypt", **scada, **kim} for p in SUITES]
        jobs.append({"policy": "Basic256Sha256", "mode": "SignAndEncrypt", **scada, "user": "lee", "password": "look"})
        saw = await ask(r, tmp_path, jobs)
        assert [s.get("error") for s in saw] == [None] * len(jobs)
        assert {s["channel"]["status"] for s in saw} == {"Good"}
        assert [s["call"]["status"] for s in saw] == ["Good"] * 9 + ["BadUserAccessDenied"]
        assert [c.issuer for c in r.commands] == ["user:park"] * 6 + ["user:kim"] * 3
        assert r.publisher.server.door.refused == {"BadUserAccessDenied": 1}


async def test_strangers_are_refused_counted_and_told_what_to_do(rig, tmp_path, caplog):
    async with secured(rig, tmp_path) as (r, pairs):
        other = issue(tmp_path / "other-ca", "stranger", uri="urn:test:scada", use_rsa=True)
        good = {"policy": "Basic256Sha256", "mode": "SignAndEncrypt", **app(pairs["scada"])}
        jobs = [
            {**good, "user": "park", "password": "guess"},
            good,  # a trusted application, and nobody who uses it
            {**good, **app(other), "user": "park", "password": "act"},
        ]
        saw = await ask(r, tmp_path, jobs)
        assert all("error" in s for s in saw), saw
        door = r.publisher.server.door
        assert door.refused["BadUserAccessDenied"] == 1
        assert door.refused["BadIdentityTokenRejected"] == 1
        assert door.refused["BadCertificateUntrusted"] >= 1
        rejected = list((tmp_path / "pki-server" / "rejected").iterdir())
        assert len(rejected) == 1
        assert f"mv {rejected[0]} {tmp_path / 'pki-server' / 'trusted'}/" in caplog.text
        rejected[0].rename(tmp_path / "pki-server" / "trusted" / rejected[0].name)
        (again,) = await ask(r, tmp_path, jobs[2:3])
        assert "error" not in again

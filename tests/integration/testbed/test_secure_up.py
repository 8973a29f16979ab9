"""``testbed up --secure`` as a person runs it: everything of ours goes on as before, strangers stay outside."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from testbed.vault import Vault
from tests.integration.testbed.harness import ROOT, SLOW_DOWN, Running, assert_every_row, start_up, write_scenario
from wire.broker import find_mosquitto


def ask(up: Running, ca: Path, path: str, token: str, body: dict[str, Any] | None = None) -> Any:
    """Ask the page's API as a program."""
    page = up.said(r"page and API at (https://\S+?)/?\s")[1]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    context = ssl.create_default_context(cafile=str(ca))
    try:
        with urlopen(Request(f"{page}/api/v1{path}", data, headers), timeout=10, context=context) as answer:
            return json.load(answer)
    except HTTPError as error:
        return error.code


def test_a_secured_run_serves_its_own_and_turns_strangers_away(tmp_path: Path) -> None:
    if find_mosquitto() is None or shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto or mosquitto_pub is not installed on this machine")
    scenario = write_scenario(tmp_path, security={}, gateway={"rules": [SLOW_DOWN]})
    with start_up(scenario, tmp_path, "--for", "300s", "--port", "0") as up:
        up.wait("rows are stored", lambda: up.stored() > 0)
        vault = Vault(up.data_dir)
        ca, operator, viewer = vault.ca / "ca.crt", vault.add_token("op", "operator"), vault.add_token("look", "viewer")
        password = vault.add("thermo", "device", ["startup/lab/thermo"])
        up.said("the broker has taken them up")

        # the loop is closed: a rule commands, and a program commands through page, signature and gateway
        up.wait("a rule commands", lambda: up.status("gateway").get("commands", {}).get("done", 0) > 0)
        pump = next(d["path"] for d in ask(up, ca, "/catalog", viewer)["devices"] if d["path"].endswith("pump-01"))
        wanted = {"device": pump, "name": "set_speed", "args": {"factor": 1.0}}
        assert ask(up, ca, "/commands", "nobody", wanted) == 401
        assert ask(up, ca, "/commands", viewer, wanted) == 403
        ident = ask(up, ca, "/commands", operator, wanted)["id"]

        def line(**like: str) -> dict[str, Any] | None:
            found = ask(up, ca, "/audit?limit=2000", viewer)
            return next((x for x in found if all(x[k] == v for k, v in like.items())), None)

        done = up.wait("the command is done", lambda: line(id=ident, result="done"))
        assert (done["who"], done["what"], bool(done["key"]), len(done["trace"])) == ("user:op", "set_speed", True, 32)

        # a stranger, and a device that speaks for another: refused, and everyone can see it
        place = up.manifest.mqtt.removeprefix("mqtts://").split(":")
        base = ["mosquitto_pub", "-h", place[0], "-p", place[1], "--cafile", str(ca), "-m", "{}", "-q", "1", "-V", "5"]
        data = f"iiot/v1/{pump}/data/main"
        for options in ((), ("-u", "thermo", "-P", password)):
            refused = subprocess.run([*base, "-t", data, *options], capture_output=True, text=True, timeout=20)
            assert "not authori" in refused.stderr.lower()
        up.wait("the stranger is seen", lambda: line(what="login-refused", result="refused"))
        up.wait("the other device is seen", lambda: line(what="publish-denied", device=pump))
        refusals = up.wait("they are counted", lambda: up.status("gateway")["security"].get("publish-denied"))
        assert refusals == 1
        up.interrupt()
        report = up.finish()

    assert_every_row(report)
    told = "".join(p.read_text(errors="replace") for p in up.folder.root.rglob("*.log")) + up.stdout + up.stderr
    own = [json.loads(p.read_text())["password"] for p in up.folder.secrets.glob("*.json")]
    assert [secret for secret in (password, operator, viewer, *own) if secret in told] == []
    audit = [sys.executable, "-m", "testbed", "audit", "--data-dir", str(up.data_dir), "--json", "--limit", "5000"]
    trail = json.loads(subprocess.run(audit, capture_output=True, text=True, cwd=ROOT, check=True, timeout=60).stdout)
    assert {"user:op", "rule:slow-down"} <= {x["who"] for x in trail}
    assert {"login-refused", "publish-denied"} <= {x["what"] for x in trail}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--host", "0.0.0.0"), "add --secure"),
        (("--secure", "--broker", "rumqttd"), "--secure needs mosquitto"),
        (("--secure", "--broker", "mqtt://city:1883"), "leave --broker out"),
    ],
)
def test_a_door_that_would_stay_open_is_refused_in_one_line(
    tmp_path: Path, options: tuple[str, ...], line: str
) -> None:
    command = [sys.executable, "-m", "testbed", "up", str(write_scenario(tmp_path)), "--for", "1s"]
    command += ["--data-dir", str(tmp_path / "data"), *options]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ended.returncode in (1, 2)
    assert line in " ".join(ended.stderr.split())
    assert len(ended.stderr.strip().splitlines()) == 1

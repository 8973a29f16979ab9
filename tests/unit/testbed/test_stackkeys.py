"""The keys of a stack: made once, kept while they are good, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from testbed.credentials import credentials
from testbed.runfolder import RunFolder
from testbed.stackkeys import StackKeys
from testbed.vault import OWN, Vault
from wire.ledger import entries


def equip(folder: Path, *areas: str) -> tuple[Vault, RunFolder, Path]:
    vault, run, broker = Vault(folder / "data"), RunFolder(folder / "data"), folder / "broker"
    StackKeys(vault, run, areas, ["broker"]).equip(broker)
    return vault, run, broker


def test_every_role_gets_its_own_account(tmp_path: Path) -> None:
    _, run, broker = equip(tmp_path, "city/works")
    passwords = {credentials(run.secrets, role).password for role in OWN}
    assert len(passwords) == len(OWN)
    accounts = dict(line.split(":", 1) for line in (broker / "passwords").read_text().splitlines())
    assert set(OWN) | {"health"} <= set(accounts)
    assert not [p for p in passwords if p and p in (broker / "passwords").read_text()]
    acl = (broker / "acl").read_text()
    assert "topic write iiot/v1/city/works/+/data/#" in acl
    assert acl.partition("user health")[2].split("user ")[0].strip() == "topic read $SYS/broker/uptime"


def test_doing_it_again_keeps_what_is_good(tmp_path: Path) -> None:
    vault, run, broker = equip(tmp_path, "city/works")
    watched = [*(run.secrets / f"{role}.json" for role in OWN), broker / "server.crt", broker / "mosquitto_sub"]
    before = [p.read_bytes() for p in watched]
    assert [e.hosts for e in entries(vault.ca) if e.name == "broker"] == [("localhost", "127.0.0.1", "::1", "broker")]
    password = vault.add("thermo", "device", ["startup/lab/thermo"])
    equip(tmp_path, "city/works")
    assert [p.read_bytes() for p in watched] == before
    assert "thermo:" in (broker / "passwords").read_text()
    assert password not in (broker / "passwords").read_text()


def test_other_areas_renew_the_accounts(tmp_path: Path) -> None:
    _, run, broker = equip(tmp_path, "city/works")
    before = credentials(run.secrets, "simulator").password
    equip(tmp_path, "city/works", "city/park")
    assert credentials(run.secrets, "simulator").password != before
    assert "iiot/v1/city/park/+/data/#" in (broker / "acl").read_text()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_secrets_are_for_their_owner(tmp_path: Path) -> None:
    _, _, broker = equip(tmp_path, "city/works")
    secret = ("passwords", "acl", "server.key", "mosquitto_sub")
    assert [name for name in secret if (broker / name).stat().st_mode & 0o077] == []

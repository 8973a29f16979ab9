"""Secrets of a machine: made at first use, kept hashed, readable by their owner only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import TestbedError
from portal.passwords import matches
from testbed.cli import app
from testbed.doorkeeper import keep_door
from testbed.secure import Fortress, SecurityConfig, refuse_open_door
from testbed.vault import Vault
from wire.broker_config import BrokerConfig

runner = CliRunner()


def words(folder: Path) -> str:
    return "".join(p.read_text() for p in folder.rglob("*") if p.is_file())


def run(*arguments: str) -> str:
    result = runner.invoke(app, [*arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_everything_is_for_its_owner_only(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    fortress = Fortress(vault, SecurityConfig(mutual=True), ["s/a"])
    fortress.prepare()
    vault.add_token("bi", "viewer")
    vault.issuer_key()
    assert stat.S_IMODE(vault.root.stat().st_mode) == 0o700
    public = {"ca.crt", "crl.pem", "issued.json"}
    loose = [p.name for p in vault.root.rglob("*") if p.is_file() and stat.S_IMODE(p.stat().st_mode) & 0o077]
    assert {name for name in loose if not name.endswith(".crt")} <= public
    vault.root.chmod(0o755)
    with pytest.raises(TestbedError, match="chmod 700"):
        vault.make()


def test_secrets_are_shown_once_and_kept_hashed(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path))
    password = run("users", "add", "kim", "--role", "operator", *data).split()[-1]
    token = run("users", "token", "bi", *data).split()[-1]
    key = run("users", "issuer", "mes", "--issuer", "user:mes", "--areas", "s/a", *data).split()[-1]
    kept = words(tmp_path)
    assert [secret for secret in (password, token, key) if secret in kept] == []
    assert matches(password, Vault(tmp_path).accounts()["kim"].web)
    told = run("users", "list", *data)
    assert [secret for secret in (password, token, key) if secret in told] == []
    assert all(name in told for name in ("kim", "bi", "mes"))


def test_accounts_rotate_and_go(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path))
    run("users", "add", "thermo", "--path", "s/a/thermo", *data)
    before = Vault(tmp_path).accounts()["thermo"].mqtt
    run("users", "rotate", "thermo", *data)
    assert Vault(tmp_path).accounts()["thermo"].mqtt != before
    run("users", "remove", "thermo", *data)
    assert Vault(tmp_path).accounts() == {}


@pytest.mark.parametrize(
    ("name", "role", "paths", "why"),
    [("a b", "viewer", (), "letters"), ("a", "boss", (), "role"), ("a", "device", (), "--path"),
     ("a", "device", ("s/#",), "not site"), ("a", "device", ("s",), "not site")],
)  # fmt: skip
def test_an_account_that_cannot_be_is_one_line(
    tmp_path: Path, name: str, role: str, paths: tuple[str, ...], why: str
) -> None:
    with pytest.raises(TestbedError, match=why):
        Vault(tmp_path).add(name, role, paths)  # type: ignore[arg-type]


def test_certificates_are_issued_rotated_and_revoked(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path))
    run("certs", "issue", "thermo", *data)
    first = (tmp_path / "security/ca/thermo.crt").read_bytes()
    run("certs", "rotate", "thermo", *data)
    assert (tmp_path / "security/ca/thermo.crt").read_bytes() != first
    run("certs", "revoke", "thermo", *data)
    assert run("certs", "list", *data).count("revoked") == 2
    run("certs", "issue", "plc", "--opcua", "urn:startup:plc", "--host", "plc.local", *data)
    run("certs", "rotate", "plc", *data)


def test_the_door_follows_the_vault(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    door = keep_door(vault, lambda *_: None)
    token = vault.add_token("bi", "viewer")
    assert door.token(token, "here") is not None
    vault.remove_token("bi")
    assert door.token(token, "here") is None


def test_nothing_listens_beyond_this_machine_without_security() -> None:
    refuse_open_door("127.0.0.1", "--host")
    with pytest.raises(TestbedError, match=r"--host 0\.0\.0\.0 opens the page to the network: add --secure"):
        refuse_open_door("0.0.0.0", "--host")


def test_somebody_elses_broker_is_not_ours_to_secure(tmp_path: Path) -> None:
    fortress = Fortress(Vault(tmp_path), SecurityConfig(), [])
    fortress.prepare()
    with pytest.raises(TestbedError, match="leave --broker out"):
        fortress.broker(BrokerConfig(kind="external", url="mqtt://city:1883"))

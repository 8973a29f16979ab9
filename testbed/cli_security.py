"""Commands about who may come in: certs, users, audit."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer
from rich.console import Console
from rich.table import Table

from core.clock import NS

if TYPE_CHECKING:
    from testbed.vault import Vault
    from wire.accounts import Role

certs = typer.Typer(help="Certificates of the project's CA: issue, list, rotate, revoke.", no_args_is_help=True)
users = typer.Typer(help="Accounts, API tokens and signing keys: add, list, rotate, remove.", no_args_is_help=True)
DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="TESTBED_DATA_DIR", help="Where runs and secrets are kept.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Scope = Annotated[Optional[list[str]], typer.Option(help="Pattern; repeatable. None: everything.")]
DATA_DIR = Path(".testbed")


def _vault(data_dir: Path) -> Vault:
    from testbed.vault import Vault

    vault = Vault(data_dir)
    vault.make()
    return vault


def _day(ns: int) -> str:
    return datetime.fromtimestamp(ns / NS, UTC).strftime("%Y-%m-%d") if ns else ""


def _show(columns: Sequence[str], rows: Sequence[Sequence[str]], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], ensure_ascii=False) + "\n")
        return
    table = Table(box=None)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)


# --- certificates ------------------------------------------------------------------------------------------------


@certs.command("issue")
def certs_issue(
    name: Annotated[str, typer.Argument(help="Account of a device, or name of a server.")],
    host: Annotated[Optional[list[str]], typer.Option(help="Server: host name or address; repeatable.")] = None,
    opcua: Annotated[str, typer.Option(help="OPC UA application URI, for an OPC UA client or server.")] = "",
    days: Annotated[int, typer.Option(min=1, max=3650)] = 825,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Issue a certificate: for a client, or with --host for a server; the files stay readable by you only."""
    from wire.accounts import check_account
    from wire.certs import issue

    check_account(name, "viewer", ())
    vault = _vault(data_dir)
    pair = issue(
        vault.ca, name, hosts=host or (), uri=opcua, client=not host and not opcua, days=days, use_rsa=bool(opcua)
    )
    sys.stdout.write(f"certificate {pair.cert}\nkey         {pair.key}\nCA          {vault.ca / 'ca.crt'}\n")


@certs.command("list")
def certs_list(data_dir: DataDir = DATA_DIR, as_json: AsJson = False) -> None:
    """List what the CA has issued."""
    from wire.ledger import entries

    rows = [(e.name, e.purpose, e.state, _day(e.expires), ", ".join(e.hosts)) for e in entries(_vault(data_dir).ca)]
    _show(("name", "purpose", "state", "until", "hosts"), rows, as_json)


@certs.command("rotate")
def certs_rotate(name: str, data_dir: DataDir = DATA_DIR) -> None:
    """Issue the newest certificate of a name anew and revoke those before it."""
    from core.errors import TestbedError
    from wire.certs import issue
    from wire.ledger import entries, revoke

    vault = _vault(data_dir)
    old = [e for e in entries(vault.ca) if e.name == name]
    if not old:
        raise TestbedError(f"certificate {name}: there is none; testbed certs list shows what there is")
    last = old[-1]
    uri = _uri(vault.ca / f"{name}.crt") if last.purpose == "opcua" else ""
    pair = issue(
        vault.ca, name, hosts=last.hosts, uri=uri, client=last.purpose == "client", use_rsa=last.purpose == "opcua"
    )
    if any(not e.revoked for e in old):
        revoke(vault.ca, name, keep=entries(vault.ca)[-1].serial)
    sys.stdout.write(f"certificate {pair.cert} is new; those before it are revoked\n")


def _uri(cert: Path) -> str:
    from cryptography import x509

    names = x509.load_pem_x509_certificate(cert.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)[0]


@certs.command("revoke")
def certs_revoke(name: str, data_dir: DataDir = DATA_DIR) -> None:
    """Revoke every certificate of a name; a broker that runs here takes it up by itself."""
    from wire.ledger import revoke

    gone = revoke(_vault(data_dir).ca, name)
    sys.stdout.write(f"{name}: {len(gone)} revoked\n")


# --- accounts ----------------------------------------------------------------------------------------------------


def _once(what: str, name: str, secret: str) -> None:
    """Show a secret, the only time that anyone can."""
    sys.stdout.write(f"{what} of {name} (shown once, not kept): {secret}\n")


@users.command("add")
def users_add(
    name: str,
    role: Annotated[str, typer.Option(help="device, gateway, platform, operator or viewer")] = "device",
    path: Annotated[Optional[list[str]], typer.Option(help="Device: site/area/device, or site/area.")] = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Add an account for the broker; operators and viewers also log in at the page."""
    _once("password", name, _vault(data_dir).add(name, _role(role), path or ()))


@users.command("rotate")
def users_rotate(name: str, data_dir: DataDir = DATA_DIR) -> None:
    """Give an account a new password."""
    _once("password", name, _vault(data_dir).rotate(name))


@users.command("remove")
def users_remove(name: str, data_dir: DataDir = DATA_DIR) -> None:
    """Remove an account; a broker that runs here hangs up on it."""
    _vault(data_dir).remove(name)
    sys.stdout.write(f"{name} removed\n")


@users.command("list")
def users_list(data_dir: DataDir = DATA_DIR, as_json: AsJson = False) -> None:
    """List accounts, tokens and signing keys, without their secrets."""
    vault = _vault(data_dir)
    rows = [(name, "account", a.role, ", ".join(a.paths), _day(a.made)) for name, a in vault.accounts().items()]
    rows += [(name, "token", t.role, "", _day(t.made)) for name, t in vault.tokens().items()]
    rows += [(e["id"], "key", e["issuer"], ", ".join(e.get("areas", ())), "") for e in vault.issuers()]
    _show(("name", "what", "role", "scope", "since"), rows, as_json)


@users.command("token")
def users_token(
    name: str,
    role: Annotated[str, typer.Option(help="viewer reads, operator commands")] = "viewer",
    remove: Annotated[bool, typer.Option("--remove", help="Withdraw it.")] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make (or renew) a token with which a program uses the API (Authorization: Bearer)."""
    vault = _vault(data_dir)
    if remove:
        vault.remove_token(name)
        sys.stdout.write(f"{name} removed\n")
    else:
        _once("token", name, vault.add_token(name, _role(role)))


@users.command("issuer")
def users_issuer(
    name: str,
    issuer: Annotated[str, typer.Option(help="Who signs with it, e.g. user:kim or policy:*")],
    kinds: Scope = None,
    areas: Scope = None,
    commands: Scope = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Let a program command under a signing key of its own, within a scope; from the next start on."""
    given = {"kinds": kinds, "areas": areas, "commands": commands}
    scope = {key: value for key, value in given.items() if value}
    _once("private Ed25519 key", name, _vault(data_dir).add_issuer(name, issuer, scope))


def _role(text: str) -> Role:
    from core.errors import TestbedError
    from wire.accounts import ROLES

    for role in ROLES:
        if role == text:
            return role
    raise TestbedError(f"--role {text}: write one of {', '.join(ROLES)}")


# --- a stack of containers ----------------------------------------------------------------------------------------


def equip(
    scenario: Annotated[Path, typer.Argument(help="Scenario file: it says for which areas the simulator speaks.")],
    broker_dir: Annotated[Path, typer.Option(help="Folder for the files of mosquitto.")],
    name: Annotated[Optional[list[str]], typer.Option(help="Host name of the broker; repeatable.")] = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make CA, certificates, accounts and rights for roles and a mosquitto that are started one by one."""
    from simulator.domain import devices
    from testbed.runfolder import RunFolder
    from testbed.scenario import read
    from testbed.stackkeys import StackKeys

    areas = sorted({f"{spec.site}/{spec.area}" for d in read(scenario).domains for _, spec in devices(d, 0)})
    StackKeys(_vault(data_dir), RunFolder(data_dir), areas, name or ()).equip(broker_dir)
    sys.stdout.write(f"the files of the broker are in {broker_dir}; clients trust {broker_dir / 'ca.crt'}\n")


# --- audit -------------------------------------------------------------------------------------------------------


def audit(
    data_dir: DataDir = DATA_DIR,
    device: Annotated[str, typer.Option(help="site/area/device; none: all")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 200,
    as_json: AsJson = False,
) -> None:
    """Who commanded what, when, with which result, and who was turned away: of the latest run, newest first."""
    from testbed.audit import trail
    from testbed.runfolder import latest

    lines = trail(latest(data_dir), device, limit)
    if as_json:
        sys.stdout.write(json.dumps(lines, ensure_ascii=False) + "\n")
        return
    _show(
        ("when", "who", "what", "device", "result", "detail"),
        [[str(line[k]) for k in ("when", "who", "what", "device", "result", "detail")] for line in lines],
        False,
    )

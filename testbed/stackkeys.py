"""What a secured stack of containers needs before it starts: CA, certificates, accounts, the broker's files.

``testbed up --secure`` does the same for its own mosquitto. Here the broker is somebody else's process: it gets a
folder with what ``configs/deploy/mosquitto.conf`` names.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from testbed.credentials import credentials
from testbed.runfolder import RunFolder
from testbed.secure import Fortress, SecurityConfig, lasting
from testbed.vault import OWN, Vault
from wire.broker_config import BrokerConfig, BrokerUser, secret_file, write_accounts
from wire.ledger import write_crl

#: the account that the broker's own health check uses; it reads one topic
HEALTH = "health"
UPTIME = "$SYS/broker/uptime"
LOCAL = ("localhost", "127.0.0.1", "::1")


class StackKeys:
    """Equips the run folder and the broker's folder; doing so again keeps what is still good.

    Parameters
    ----------
    vault, run
        Where the secrets and the run of the stack lie.
    areas
        ``site/area`` that the simulator speaks for.
    names
        Host names and addresses under which clients reach the broker.
    """

    def __init__(self, vault: Vault, run: RunFolder, areas: Sequence[str], names: Sequence[str]) -> None:
        self.vault, self.run, self.areas, self.names = vault, run, tuple(areas), tuple(names)

    def equip(self, folder: Path) -> None:
        """Make everything; raises TestbedError where a place cannot be written or is open to others."""
        self.run.make()
        self.vault.make()
        if not self._equipped():
            fortress = Fortress(self.vault, SecurityConfig(hosts=self.names), self.areas)
            fortress.prepare()
            fortress.equip(self.run)
        self._broker(folder)

    def _equipped(self) -> bool:
        """Tell whether every role has an account that the vault still knows, with today's areas."""
        accounts = self.vault.accounts()
        known = all(role in accounts and credentials(self.run.secrets, role).secure for role in OWN)
        return known and accounts["simulator"].paths == self.areas

    def _broker(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "store").mkdir(exist_ok=True)
        write_crl(self.vault.ca)
        pair = lasting(self.vault.ca, "broker", list(dict.fromkeys([*LOCAL, *self.names])))
        for source, name in ((self.vault.ca / "ca.crt", "ca.crt"), (pair.cert, "server.crt")):
            shutil.copyfile(source, folder / name)
        secret_file(folder / "server.key", pair.key.read_text(encoding="utf-8"))
        password = self._health(folder)
        users = {**self.vault.broker_users(), HEALTH: BrokerUser(password=password, read=(UPTIME,))}
        write_accounts(BrokerConfig(kind="mosquitto", users=users), folder)

    def _health(self, folder: Path) -> str:
        """Write the options of the health check, as mosquitto_sub reads them; a running broker knows the last ones."""
        from portal.passwords import new_password

        file = folder / "mosquitto_sub"
        if file.exists():
            return file.read_text(encoding="utf-8").rpartition("-P ")[2].strip()
        password = new_password()
        options = ["-h localhost", "-p 8883", f"--cafile {folder / 'ca.crt'}", f"-u {HEALTH}", f"-P {password}"]
        secret_file(file, "\n".join(options) + "\n")
        return password

"""The page and API over the stored data of a finished run."""

from __future__ import annotations

from core.clock import FOREVER
from testbed.control import Control
from testbed.export import open_store
from testbed.runfolder import RunFolder


async def run(folder: RunFolder, control: Control, port: int, host: str = "127.0.0.1", secure: bool = False) -> None:
    """Serve until told to stop."""
    from core.command import Command, CommandResult, Event
    from core.finding import Finding, Prognosis, WorkOrder
    from core.spec import Name
    from portal.app import create_app
    from portal.config import PortalConfig
    from portal.live import LiveState
    from portal.run import RunInfo
    from portal.server import serve
    from testbed.credentials import Credentials, credentials
    from testbed.doorkeeper import page_guard

    manifest = folder.manifest()
    _, store = open_store(folder)
    try:
        reader = store.reader()
        info = RunInfo(Name(manifest.name["ko"], manifest.name["en"]), manifest.seed, manifest.clock, manifest.scenario)
        live = LiveState(store.catalog, info)
        for kind in (Event, Finding, Prognosis, WorkOrder, Command, CommandResult):
            live.tell(list(reader.notes(kind, manifest.start, FOREVER)))
        for role, status in folder.statuses().items():
            live.status(role, status)
        live.set_phase("ended")
        door, tls = page_guard(credentials(folder.secrets, "platform") if secure else Credentials(), lambda *_: None)
        config = PortalConfig(host=host, port=port)
        served = await serve(create_app(live, reader, None, config, door), host, port, tls)
        control.say("told", text=f"page and API of {folder.root.name} at {served.url}")
        try:
            await control.next()
        finally:
            await served.stop()
    finally:
        store.close()

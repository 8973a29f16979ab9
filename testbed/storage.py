"""Which store a run uses: the configuration's, or the one that the command line chose for this run.

The choice stands in ``store.json`` of the run's folder, so that a restarted platform, ``export`` and ``portal`` find
the same store. Tokens are never written there: they stay in the environment.
"""

from __future__ import annotations

import json
import os
from typing import Any

from core.config import parse
from core.errors import ConfigError
from gateway.kinds import GatewayConfig
from gateway.stores.influx import from_environment
from testbed.runfolder import RunFolder

_ENVIRONMENT = {"url": "INFLUXDB_URL", "org": "INFLUXDB_ORG", "bucket": "INFLUXDB_BUCKET"}


def asked_store(kind: str | None) -> dict[str, Any]:
    """Return the settings of a store that was asked for by kind, empty for None.

    Raises
    ------
    ConfigError
        If there is no such kind, or the environment lacks the token.
    """
    if kind is None:
        return {}
    if kind not in ("duck", "influx"):
        raise ConfigError("--store", f"no such store: {kind!r}", "write duck or influx")
    if kind == "duck":
        return {"kind": kind}
    if not from_environment("INFLUXDB_TOKEN"):
        hint = "InfluxDB needs its token in the environment, or in the file that INFLUXDB_TOKEN_FILE names"
        raise ConfigError("INFLUXDB_TOKEN", "is not set", hint)
    named = {key: os.environ[name] for key, name in _ENVIRONMENT.items() if os.environ.get(name)}
    return {"kind": kind, **named}


def choose_store(run: RunFolder, kind: str | None) -> None:
    """Keep the choice of a store for this run; None leaves it as it is.

    Raises
    ------
    ConfigError
        See :func:`asked_store`; also if the run's rows are in another kind of store already.
    """
    asked = asked_store(kind)
    if not asked:
        return
    earlier = _chosen(run)
    if earlier.get("kind", kind) != kind:
        hint = f"go on with --store {earlier['kind']}, or choose another --data-dir"
        raise ConfigError(str(run.root), f"the rows of this run are in {earlier['kind']}", hint)
    choice = parse({"store": asked}, GatewayConfig, "--store").store
    scratch = run.store_choice.with_suffix(".part")
    scratch.write_text(choice.model_dump_json(exclude_unset=True), encoding="utf-8")
    scratch.replace(run.store_choice)


def with_store(gateway: GatewayConfig, run: RunFolder) -> GatewayConfig:
    """Return the gateway's configuration with the store that was chosen for this run."""
    chosen = _chosen(run)
    if not chosen:
        return gateway
    store = parse({"store": chosen}, GatewayConfig, str(run.store_choice)).store
    return gateway.model_copy(update={"store": store})


def _chosen(run: RunFolder) -> dict[str, Any]:
    return dict(json.loads(run.store_choice.read_text(encoding="utf-8"))) if run.store_choice.exists() else {}

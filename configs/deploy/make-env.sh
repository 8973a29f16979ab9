#!/bin/sh
# Writes .env for docker-compose.yml with fresh secrets, once. It is never committed and never overwritten.
set -eu
cd "$(dirname "$0")/../.."
if [ -e .env ]; then
  echo ".env is there already: delete it first if you want new secrets (the volumes keep the old ones)"
  exit 0
fi
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
umask 077
cat > .env <<END
# what runs
SCENARIO=configs/scenarios/seoul.yaml

# ports on this machine; all are published on loopback only
MQTT_PORT=1883
OPCUA_PORT=4840
MODBUS_PORT=5020
PORTAL_PORT=8080
INFLUX_PORT=8086
GRAFANA_PORT=3000

# secrets
INFLUX_PASSWORD=$(secret)
INFLUX_TOKEN=$(secret)
GRAFANA_PASSWORD=$(secret)
END
echo "wrote .env"

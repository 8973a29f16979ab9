#!/bin/sh
# Writes what docker-compose.yml needs, once: .env (ports, scenario) and fresh secrets as files below .secrets.
# Neither is ever committed or overwritten.
set -eu
cd "$(dirname "$0")/../.."
if [ -e .secrets ]; then
  echo ".secrets is there already: delete it first if you want new secrets (the volumes keep the old ones)"
  exit 0
fi
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
# the folder is for you only; the files must be readable by the users of the containers that they are mounted in
(umask 077 && mkdir .secrets)
for name in influx_password influx_token grafana_password; do
  secret > ".secrets/$name"
  chmod 444 ".secrets/$name"
done
[ -e .env ] || cat > .env <<END
# what runs
SCENARIO=configs/scenarios/seoul.yaml

# where rows are kept, and how long
INFLUX_BUCKET=testbed
INFLUX_RETENTION=90d

# ports on this machine; all are published on loopback only
MQTT_PORT=8883
OPCUA_PORT=4840
MODBUS_PORT=5020
PORTAL_PORT=8080
INFLUX_PORT=8086
GRAFANA_PORT=3000
END
echo "wrote .env and .secrets; grafana: user testbed, password in .secrets/grafana_password"

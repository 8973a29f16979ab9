// A Sparkplug edge node by somebody else (npm sparkplug-client), told what to do by lines on standard input:
//   node sparkplug_edge.js mqtt://host:port GROUP NODE DEVICE
//   data NAME VALUE [MS]   skip (lose one sequence number)   many N   die   stop
// It answers rebirths and writes; every step is one JSON line on standard output.
const readline = require("readline");
const sparkplug = require("sparkplug-client");

const [url, group, node, device] = process.argv.slice(2);
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const values = { "Inputs/Temp": 20.0, "Outputs/Speed": 1000, "Running": true };
const types = { "Inputs/Temp": "Double", "Outputs/Speed": "Int32", "Running": "Boolean" };

const client = sparkplug.newClient({
  serverUrl: url, username: "", password: "", groupId: group, edgeNode: node, clientId: `foreign-${node}`,
  version: "spBv1.0", keepalive: 5, publishDeath: true, mqttOptions: { reconnectPeriod: 200 },
});

const metric = (name, extra) => ({ name, value: values[name], type: types[name], timestamp: Date.now(), ...extra });

function birth() {
  client.publishNodeBirth({
    timestamp: Date.now(),
    metrics: [{ name: "Node Control/Rebirth", type: "Boolean", value: false, timestamp: Date.now() }],
  });
  client.publishDeviceBirth(device, {
    timestamp: Date.now(),
    metrics: [
      metric("Inputs/Temp", {
        properties: { engUnit: { type: "String", value: "°C" }, Quality: { type: "Int32", value: 192 } },
      }),
      metric("Outputs/Speed", { properties: { engUnit: { type: "String", value: "rpm" } } }),
      metric("Running"),
      { name: "Properties/Hardware Make", type: "String", value: "Foreign Works", timestamp: Date.now() },
    ],
  }, { compress: process.env.COMPRESS === "1" });
  say({ did: "birth" });
}

function data(name, value, t) {
  values[name] = value;
  client.publishDeviceData(device, { timestamp: Date.now(), metrics: [metric(name, { timestamp: t || Date.now() })] });
}

client.on("birth", birth);
client.on("ncmd", (payload) => {
  for (const m of payload.metrics || []) {
    if (m.name === "Node Control/Rebirth" && m.value) { say({ did: "rebirth asked" }); birth(); }
  }
});
client.on("dcmd", (to, payload) => {
  for (const m of payload.metrics || []) {
    say({ did: "written", device: to, name: m.name, value: Number(m.value), type: m.type });
    if (m.name in values) data(m.name, types[m.name] === "Boolean" ? Boolean(m.value) : Number(m.value));
  }
});

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [what, name, value, t] = line.split(" ");
  if (what === "data") data(name, Number(value), Number(t));
  if (what === "skip") client.seq = (client.seq + 1) % 256;
  if (what === "many") for (let i = 0; i < Number(name); i++) data("Inputs/Temp", i, Date.now() + i);
  if (what === "die") process.kill(process.pid, "SIGKILL");
  if (what === "stop") { client.stop(); setTimeout(() => process.exit(0), 200); }
  say({ did: what });
});
process.stdin.on("close", () => process.exit(0));

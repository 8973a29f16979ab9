// A Sparkplug host by somebody else: npm mqtt and sparkplug-payload. Prints every message as a JSON line.
//   node sparkplug_host.js mqtt://host:port
// Lines on standard input: "rebirth GROUP NODE" and "write GROUP NODE DEVICE ALIAS TYPE VALUE".
const readline = require("readline");
const mqtt = require("mqtt");
const payloads = require("sparkplug-payload").get("spBv1.0");

const say = (what) => process.stdout.write(JSON.stringify(what, (_, v) =>
  v && typeof v === "object" && "low" in v && "high" in v ? Number(v) : v) + "\n");
const client = mqtt.connect(process.argv[2], { clientId: "foreign-host" });
client.on("connect", () => client.subscribe("spBv1.0/#", { qos: 1 }, () => say({ did: "listening" })));
client.on("message", (topic, bytes, packet) => {
  const parts = topic.split("/");
  if (parts[1] === "STATE") {
    say({ kind: "STATE", node: parts[2], retain: packet.retain, qos: packet.qos, state: JSON.parse(bytes.toString()) });
    return;
  }
  const payload = payloads.decodePayload(bytes);
  const metrics = (payload.metrics || []).map((m) => ({
    ...m, timestamp: Number(m.timestamp), alias: m.alias === undefined ? null : Number(m.alias),
    value: typeof m.value === "bigint" || (m.value && m.value.low !== undefined) ? Number(m.value) : m.value,
  }));
  say({
    kind: parts[2], group: parts[1], node: parts[3], device: parts[4] || "", qos: packet.qos, retain: packet.retain,
    seq: payload.seq === undefined ? null : Number(payload.seq), timestamp: Number(payload.timestamp), metrics,
  });
});
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [what, group, node, device, alias, type, value] = line.split(" ");
  const send = (topic, metrics) =>
    client.publish(topic, Buffer.from(payloads.encodePayload({ timestamp: Date.now(), metrics })));
  if (what === "rebirth") {
    send(`spBv1.0/${group}/NCMD/${node}`, [{ name: "Node Control/Rebirth", type: "Boolean", value: true }]);
  }
  if (what === "write") {
    send(`spBv1.0/${group}/DCMD/${node}/${device}`, [{ alias: Number(alias), type, value: JSON.parse(value) }]);
  }
});
process.stdin.on("close", () => process.exit(0));

// A device of guideline v1 written with npm mqtt: birth, rows, will; answers rebirth, replay and stop.
// node mqtt_device.js URL VERSION QOS  -> one JSON object a line; ends without a goodbye when standard input closes.
const mqtt = require("mqtt");

const [url, version, qos] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const base = "iiot/v1/startup/lab/npm";
const sid = Date.now();
const rows = [];
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const trace = `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`;

const client = mqtt.connect(url, {
  protocolVersion: version, clientId: `npm-${version}-${qos}`, clean: false, reconnectPeriod: 0,
  ...(version === 5 ? { properties: { sessionExpiryInterval: 60 } } : {}),
  will: { topic: `${base}/state`, payload: JSON.stringify({ online: false, sid }), qos: 1, retain: true },
});

function send(kind, value, options = {}) {
  const properties = version === 5 && options.trace ? { userProperties: { traceparent: options.trace } } : undefined;
  client.publish(`${base}/${kind}`, JSON.stringify(value), { qos: 1, retain: false, ...options, properties },
    (error) => error && say({ error: String(error) }));
}

function birth() {
  send("birth", {
    manufacturer: "Startup", serialNumber: "npm", productInstanceUri: "urn:startup:npm", sid, kind: "oven",
    streams: [{ name: "air", rate: 10, channels: [{ name: "temp", quantity: "temperature", unit: "Cel" }] }],
    commands: [{ name: "stop" }, { name: "replay", args: { stream: "1", sid: "1", from: "1", to: "1" } }],
  }, { retain: true });
}

function sendRow(row) {
  send("data/air", row, { qos, trace });
}

client.on("message", (topic, payload, packet) => {
  const command = JSON.parse(payload);
  say({ command: command.name, id: command.id, trace: packet.properties?.userProperties?.traceparent ?? "" });
  const back = packet.properties?.userProperties?.traceparent;
  if (command.name === "rebirth") birth();
  if (command.name === "replay") rows.filter((r) => r.seq >= command.args.from && r.seq <= command.args.to).forEach(sendRow);
  send("result", { id: command.id, status: "done", t: Date.now() }, { trace: back });
});

client.on("connect", () => {
  client.subscribe(`${base}/command`, { qos: 1 }, () => {
    send("state", { online: true, sid }, { retain: true });
    birth();
    for (let seq = 0; seq < 10; seq += 1) {
      const row = { t: Date.now() - 10 + seq, seq, sid, v: { temp: seq === 9 ? 95 : 20 + seq } };
      rows.push(row);
      if (seq !== 4) sendRow(row); // the gateway has to ask for this one
    }
    say({ ready: true, sid });
  });
});
client.on("error", (error) => { say({ error: String(error) }); process.exit(1); });
process.stdin.on("end", () => process.exit(0)).resume();

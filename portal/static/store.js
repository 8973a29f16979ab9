// The page's copy of the run: filled by one snapshot, kept up by deltas.

const SPARK = 60;
const SPARK_MS = 1000;

export const store = {
  run: null, pulse: null, catalog: null, devices: new Map(), streams: [], layouts: {},
  values: new Map(), health: {}, cases: [], sparks: new Map(), sparkAt: new Map(),
};

function takeCatalog(catalog) {
  store.catalog = catalog;
  store.streams = catalog.streams;
  store.layouts = catalog.layouts;
  store.devices = new Map(catalog.devices.map((device) => [device.path, device]));
  for (const device of catalog.devices) device.indices = [];
  catalog.streams.forEach(([path], index) => store.devices.get(path)?.indices.push(index));
}

function takeValues(values) {
  for (const [stream, row] of Object.entries(values)) store.values.set(Number(stream), row);
}

function growSparks() {
  for (const [path, device] of store.devices) {
    if (!device.lead) continue;
    const row = store.values.get(device.lead[0]);
    if (!row || row[0] - (store.sparkAt.get(path) ?? 0) < SPARK_MS * store.step) continue;
    const points = store.sparks.get(path) ?? [];
    points.push(row[1][device.lead[1]]);
    if (points.length > SPARK) points.splice(0, points.length - SPARK);
    store.sparks.set(path, points);
    store.sparkAt.set(path, row[0]);
  }
}

/** Take in a snapshot or a delta; returns what changed. */
export function take(message) {
  const changed = { catalog: "catalog" in message, cases: "cases" in message, health: Object.keys(message.health ?? {}).length > 0 };
  if (message.run) store.run = message.run;
  store.step = Math.max(1, Number(store.run?.speed) || 1);
  if (message.catalog) takeCatalog(message.catalog);
  if (message.sparks) {
    store.sparks = new Map(Object.entries(message.sparks));
    store.sparkAt = new Map();
  }
  if (message.values) takeValues(message.values);
  if (message.run) Object.assign(store, { health: {} });
  Object.assign(store.health, message.health ?? {});
  if (message.cases) store.cases = message.cases;
  store.pulse = { now: message.now, phase: message.phase, hops: message.hops, rows: message.rows, latency: message.latency_ms, roles: message.roles, counts: message.counts };
  growSparks();
  return changed;
}

export function healthOf(path) {
  return store.health[path] ?? "unknown";
}

/** The channel that stands for a device: {channel, value, good}, or null before its first row. */
export function leadOf(device) {
  if (!device.lead) return null;
  const [index, column] = device.lead;
  const channel = store.layouts[store.streams[index]?.[2]]?.[column];
  const row = store.values.get(index);
  if (!channel || !row) return channel ? { channel, value: null, good: false } : null;
  return { channel, value: row[1][column], good: row[2] === 0 || (row[2][column] & 192) === 192 };
}

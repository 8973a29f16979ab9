// One device in full: who it is, what it measures, what is foreseen, its history from the store, its commands.

import { lineChart, sparkPath } from "./chart.js";
import { byId, el, setAttr, setText, svg } from "./dom.js";
import { mayCommand, proof } from "./person.js";
import { healthOf, store } from "./store.js";
import { describe } from "./story.js";
import { channelName, labelOf, lang, reading, t, tOr, clock } from "./text.js";

const RANGES = [["5m", "range.5m"], ["1h", "range.1h"], ["24h", "range.24h"], ["30d", "range.30d"]];
let shown = null; // {path, key, range, cells, recent, live}

export function openDrawer(path) {
  const device = store.devices.get(path);
  if (!device) return;
  const dialog = byId("drawer");
  shown = { path, range: "5m", cells: new Map(), chart: el("div", { class: "chart-box" }) };
  const channels = channelsOf(device);
  const first = channels.find(({ index, column }) => device.lead && index === device.lead[0] && column === device.lead[1]) ?? channels[0];
  dialog.replaceChildren(head(device), el("div", { class: "drawer-body" }, outlook(path), workOrder(path), table(device, channels), history(), commands(device), identity(device)));
  if (!dialog.open) dialog.showModal();
  selectChannel(first);
  seedSparks(path);
  renderDrawer();
}

export function initDrawer() {
  byId("drawer").addEventListener("close", () => { shown = null; });
  byId("drawer").addEventListener("click", (event) => { if (event.target === byId("drawer")) byId("drawer").close(); });
}

function channelsOf(device) {
  return device.indices.flatMap((index) => {
    const [, stream, layout] = store.streams[index];
    return (store.layouts[layout] ?? []).map((channel, column) => ({ index, stream, column, channel, key: `${stream}/${channel.name}` }));
  });
}

function head(device) {
  const close = el("button", { type: "button", class: "close", "aria-label": t("drawer.close"), onclick: () => byId("drawer").close() }, svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, svg("path", { d: "M5 5l10 10M15 5L5 15" })));
  return el("header", { class: "drawer-head" }, el("div", {}, el("h2", { id: "drawer-title" }, labelOf(device.label, device.device)), el("p", { class: "small" }, device.path)), el("span", { class: "chip", id: "drawer-health" }), close);
}

function outlook(path) {
  const one = store.cases.find((c) => c.device === path && c.kind === "condition");
  if (!one) return null;
  const lines = one.steps.map((step) => el("li", {}, el("strong", {}, t(`step.${step.step}`)), ` ${describe(step, path).sentence} `, el("time", { class: "small figure" }, clock(step.t))));
  return el("section", { class: "outlook" }, el("h3", {}, t("drawer.story")), el("ul", {}, lines));
}

/** The work order of a device with its reason, what it is expected to save, and what was measured until then. */
function workOrder(path) {
  const step = store.cases.filter((c) => c.device === path).flatMap((c) => c.steps).find((one) => one.step === "order");
  if (!step) return null;
  const { sentence, small } = describe(step, path);
  const plot = el("img", { class: "evidence", src: `/api/v1/workorders/${encodeURIComponent(step.id)}/evidence.svg?lang=${lang}`, alt: t("drawer.evidence"), width: 560, height: 190 });
  return el("section", {}, el("h3", {}, t("drawer.order")), el("p", {}, sentence), el("p", { class: "small" }, small), plot);
}

function table(device, channels) {
  const body = channels.map((entry) => {
    const cells = { value: el("td", { class: "figure" }), line: svg("path", {}), points: [], at: 0, ...entry };
    shown.cells.set(entry.key, cells);
    cells.button = el("button", { type: "button", class: "link-button", "aria-pressed": "false", onclick: () => selectChannel(entry) }, channelName(entry.channel));
    return el("tr", {}, el("th", { scope: "row" }, cells.button), cells.value, el("td", {}, svg("svg", { class: "spark", viewBox: "0 0 120 24", preserveAspectRatio: "none", "aria-hidden": "true" }, cells.line)));
  });
  const header = el("tr", {}, el("th", { scope: "col" }, t("drawer.channel")), el("th", { scope: "col" }, t("drawer.value")), el("th", { scope: "col" }, t("drawer.recent")));
  return el("section", {}, el("h3", {}, t("drawer.channels")), el("table", { class: "channels" }, el("thead", {}, header), el("tbody", {}, body)));
}

function history() {
  const buttons = RANGES.map(([range, key]) => el("button", { type: "button", "data-range": range, "aria-pressed": String(range === shown.range), onclick: () => { shown.range = range; loadHistory(); } }, t(key)));
  shown.ranges = buttons;
  shown.caption = el("span", { class: "small" });
  shown.file = el("a", { class: "small", download: true }, t("drawer.csv"));
  return el("section", { class: "history" }, el("div", { class: "panel-head" }, el("h3", {}, t("drawer.history")), el("div", { class: "ranges", role: "group", "aria-label": t("drawer.range") }, buttons)), shown.chart, el("p", { class: "under" }, shown.caption, shown.file));
}

function selectChannel(entry) {
  if (!entry) return;
  shown.entry = entry;
  for (const [key, cells] of shown.cells) setAttr(cells.button, "aria-pressed", String(key === entry.key));
  loadHistory();
}

function pickColumns(data) {
  const columns = Object.keys(data).filter((name) => Array.isArray(data[name]) && name !== "t");
  const first = (...names) => names.find((name) => columns.includes(name));
  const mean = first("mean", "value", "avg", data.channel, "x") ?? columns.find((name) => data[name].some((v) => typeof v === "number"));
  return { mean: data[mean] ?? [], low: data[first("min", "low")], high: data[first("max", "high")] };
}

async function loadHistory() {
  const { path, entry, range, ranges, chart, caption, file } = shown;
  for (const button of ranges) setAttr(button, "aria-pressed", String(button.dataset.range === range));
  const query = new URLSearchParams({ device: path, channel: entry.channel.name, start: `-${range}`, end: "now" });
  setText(caption, t("drawer.loading"));
  setAttr(file, "href", `/api/v1/series?${query}&format=csv`);
  try {
    const response = await fetch(`/api/v1/series?${query}`);
    const data = await response.json();
    if (shown?.entry !== entry || shown.range !== range) return; // something else was chosen meanwhile
    if (!response.ok) throw new Error(data.error);
    const label = t("drawer.chart", { channel: channelName(entry.channel) });
    chart.replaceChildren(lineChart({ ...pickColumns(data), t: data.t, start: data.start, end: data.end, channel: entry.channel, label }));
    setText(caption, t(data.t.length ? "drawer.points" : "drawer.empty", { name: channelName(entry.channel), n: data.t.length, every: data.every_ms / 1000 }));
  } catch (error) {
    chart.replaceChildren();
    setText(caption, t("drawer.failed", { why: error.message }));
  }
}

async function seedSparks(path) {
  const response = await fetch(`/api/v1/devices/${path.split("/").map(encodeURIComponent).join("/")}`);
  if (!response.ok || shown?.path !== path) return;
  for (const { stream, values } of (await response.json()).recent) {
    for (const [name, points] of Object.entries(values)) {
      const cells = shown?.cells.get(`${stream}/${name}`);
      if (cells) cells.points = points;
    }
  }
  renderDrawer();
}

export function renderDrawer() {
  if (!shown) return;
  const chip = byId("drawer-health");
  const health = healthOf(shown.path);
  setAttr(chip, "class", `chip chip-${health}`);
  setText(chip, t(`health.${health}`));
  for (const cells of shown.cells.values()) {
    const row = store.values.get(cells.index);
    const value = row?.[1][cells.column] ?? null;
    const good = !row || row[2] === 0 || (row[2][cells.column] & 192) === 192;
    setText(cells.value, reading(cells.channel, value) + (good ? "" : ` (${t("quality.not_good")})`));
    setAttr(cells.value, "data-good", String(good));
    if (row && row[0] - cells.at >= 1000 * store.step) {
      cells.points = [...cells.points.slice(-119), value];
      cells.at = row[0];
    }
    setAttr(cells.line, "d", sparkPath(cells.points, 120, 24));
  }
}

function commands(device) {
  if (!store.run?.commands || !mayCommand() || !device.commands.length) return null;
  return el("section", {}, el("h3", {}, t("drawer.commands")), device.commands.map((command) => commandForm(device, command)));
}

function commandForm(device, command) {
  const inputs = Object.entries(command.args).map(([name, unit]) => [name, el("input", { required: true, inputmode: "decimal", size: 6, name, "aria-label": `${plainArg(name)} ${unit}`, placeholder: plainArg(name) })]);
  const answer = el("output", { class: "small" });
  const send = async (event) => {
    event.preventDefault();
    const values = Object.fromEntries(inputs.map(([name, input]) => [name, input.value.trim() !== "" && Number.isFinite(Number(input.value)) ? Number(input.value) : input.value]));
    const body = JSON.stringify({ device: device.path, name: command.name, args: values });
    const response = await fetch("/api/v1/commands", { method: "POST", headers: { "content-type": "application/json", ...proof() }, body });
    setText(answer, response.ok ? t("drawer.sent") : t("drawer.refused", { why: (await response.json()).error }));
  };
  return el("form", { class: "command", onsubmit: send }, el("button", { type: "submit" }, labelOf(command.label, tOr(`command.${command.name}`, command.name.replaceAll("_", " ")))), inputs.map(([, input]) => input), answer);
}

function plainArg(name) {
  return tOr(`arg.${name}`, name.replaceAll("_", " "));
}

function identity(device) {
  const facts = [
    ["identity.kind", tOr(`kind.${device.kind}`, device.kind)], ["identity.maker", device.identity.manufacturer], ["identity.model", device.identity.model],
    ["identity.serial", device.identity.serial], ["identity.protocol", device.protocols.map((p) => tOr(`protocol.${p}`, p)).join(", ")],
    ["identity.place", device.position ? `${device.position.lat.toFixed(4)}, ${device.position.lon.toFixed(4)}` : ""],
  ].filter(([, value]) => value);
  return el("section", {}, el("h3", {}, t("drawer.identity")), el("dl", { class: "facts" }, facts.map(([key, value]) => el("div", {}, el("dt", {}, t(key)), el("dd", {}, value)))));
}

// The list of devices by domain, each with its leading value and the last minute as a line.

import { sparkPath } from "./chart.js";
import { byId, el, setAttr, setText, svg } from "./dom.js";
import { DOMAINS, shape } from "./map.js";
import { healthOf, leadOf, store } from "./store.js";
import { channelName, count, labelOf, reading, t, tOr } from "./text.js";

const MOST = 120;
const LIST = ["third_party", "own", "factory", "logistics", "urban"];  // visitors first
const ORDER = { alarm: 0, warning: 1, offline: 2, ok: 3, unknown: 4 };
const SPARK_W = 72, SPARK_H = 22;
const rows = new Map();
let domain = "";
let words = "";
let only = null;
let open = () => {};

export function initDevices(onOpen) {
  open = onOpen;
  byId("search").addEventListener("input", (event) => {
    words = event.target.value.trim().toLowerCase();
    layout();
  });
  byId("tabs").replaceChildren(...["", ...DOMAINS].map((name) =>
    el("button", { type: "button", "data-domain": name, "aria-pressed": String(name === ""), onclick: () => choose(name) }, el("span", {}, t(name ? `domain.${name}` : "domain.all")), el("span", { class: "n" }))));
}

function choose(name) {
  domain = name;
  only = null;
  for (const tab of byId("tabs").children) setAttr(tab, "aria-pressed", String(tab.dataset.domain === name));
  layout();
}

/** Show only these devices (a group on the map); one alone opens at once. */
export function pickDevices(paths) {
  if (paths.length === 1) return open(paths[0]);
  choose("");
  only = new Set(paths);
  layout();
  byId("rows").querySelector("button")?.focus();
}

function matches(device) {
  if (only && !only.has(device.path)) return false;
  if (domain && device.domain !== domain) return false;
  return !words || `${device.path} ${device.kind} ${device.label?.ko ?? ""} ${device.label?.en ?? ""}`.toLowerCase().includes(words);
}

function row(device) {
  const value = el("span", { class: "value figure" });
  const what = el("span", { class: "what" });
  const line = svg("path", {});
  const state = el("span", { class: "visually-hidden" });
  const root = el("li", {}, el("button", { type: "button", class: "row", onclick: () => open(device.path) },
    svg("svg", { class: "sign", viewBox: "-8 -8 16 16", "aria-hidden": "true" }, svg("path", { d: shape(device.domain, 5) })), state,
    el("span", { class: "who" }, el("span", { class: "name" }, labelOf(device.label, device.device)), el("span", { class: "where" }, `${tOr(`kind.${device.kind}`, device.kind.replaceAll("_", " "))} · ${tOr(`area.${device.area}`, device.area)}`)),
    svg("svg", { class: "spark", viewBox: `0 0 ${SPARK_W} ${SPARK_H}`, preserveAspectRatio: "none", "aria-hidden": "true" }, line),
    el("span", { class: "reading" }, value, what)));
  return { root, value, what, line, state };
}

/** Choose and order the rows anew: after a change of catalogue, filter or health. */
export function layout() {
  const found = [...store.devices.values()].filter(matches);
  const place = new Map(found.map((device, i) => [device.path, i]));
  found.sort((a, b) => ORDER[healthOf(a.path)] - ORDER[healthOf(b.path)] || LIST.indexOf(a.domain) - LIST.indexOf(b.domain) || place.get(a.path) - place.get(b.path));
  const shown = found.slice(0, MOST);
  for (const path of rows.keys()) if (!store.devices.has(path)) rows.delete(path);
  for (const device of shown) if (!rows.has(device.path)) rows.set(device.path, row(device));
  const list = shown.map((device) => rows.get(device.path).root);
  if (found.length > shown.length) list.push(el("li", { class: "more" }, t("devices.more", { n: count(found.length - shown.length) })));
  if (!found.length) list.push(el("li", { class: "more" }, t(store.devices.size ? "devices.none" : "devices.waiting")));
  if (only) list.unshift(el("li", { class: "more" }, el("button", { type: "button", class: "link-button", onclick: () => choose("") }, t("devices.all"))));
  const held = document.activeElement;
  const current = byId("rows").children;
  if (list.length !== current.length || list.some((node, i) => node !== current[i])) {
    byId("rows").replaceChildren(...list);
    if (held?.isConnected && byId("rows").contains(held)) held.focus();
  }
  for (const tab of byId("tabs").children) {
    const name = tab.dataset.domain;
    const n = [...store.devices.values()].filter((device) => !name || device.domain === name).length;
    setText(tab.lastChild, count(n));
    tab.hidden = n === 0 && tab.getAttribute("aria-pressed") !== "true";
  }
}

/** Forget rows whose device was described anew. */
export function forgetRows() {
  rows.clear();
}

export function renderValues() {
  for (const [path, parts] of rows) {
    const device = store.devices.get(path);
    if (!device || !parts.root.isConnected) continue;
    const lead = leadOf(device);
    setText(parts.value, lead ? reading(lead.channel, lead.value) : "–");
    setText(parts.what, lead ? channelName(lead.channel) : "");
    setAttr(parts.value, "data-good", String(lead?.good ?? true));
    setAttr(parts.root.firstChild, "data-health", healthOf(path));
    setText(parts.state, t(`health.${healthOf(path)}`));
    setAttr(parts.line, "d", sparkPath(store.sparks.get(path) ?? [], SPARK_W, SPARK_H));
  }
}

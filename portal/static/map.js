// The map: devices where they are, coloured by health, shaped by domain; neighbours join into one mark.

import { byId, el, setText, svg } from "./dom.js";
import { CITY, DISTRICTS, HAN, HEIGHT, HILLS, STREAMS, WIDTH, YEOUIDO, curve, place } from "./seoul.js";
import { healthOf, store } from "./store.js";
import { count, labelOf, lang, t, tOr } from "./text.js";

export const DOMAINS = ["factory", "logistics", "urban", "own", "third_party"];
export const HEALTHS = ["ok", "warning", "alarm", "offline", "unknown"];
const RANK = { unknown: 0, ok: 1, offline: 2, warning: 3, alarm: 4 };
const LOUD = new Set(["warning", "alarm"]);
const NEAR = 15, NEAR_CROWDED = 25, CROWD = 150;
const MOST_LABELS = 6;
let layer = null;
let drawn = "";

const SHAPES = {
  factory: (r) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
  logistics: (r) => `M0 ${-r * 1.35}L${r * 1.35} 0L0 ${r * 1.35}L${-r * 1.35} 0Z`,
  urban: (r) => `M${-r * 1.1} 0a${r * 1.1} ${r * 1.1} 0 1 0 ${r * 2.2} 0a${r * 1.1} ${r * 1.1} 0 1 0 ${-r * 2.2} 0Z`,
  own: (r) => `M${-r * 1.25} 0L${-r * 0.6} ${-r * 1.1}H${r * 0.6}L${r * 1.25} 0L${r * 0.6} ${r * 1.1}H${-r * 0.6}Z`,
  third_party: (r) => `M0 ${-r * 1.4}L${r * 1.35} ${r}H${-r * 1.35}Z`,
};

export function shape(domain, size) {
  return (SHAPES[domain] ?? SHAPES.urban)(size);
}

function background() {
  const hill = ([lat, lon, r]) => {
    const [x, y] = place(lat, lon);
    return svg("ellipse", { class: "hill", cx: x, cy: y, rx: r * 1710, ry: r * 1300 });
  };
  const district = ([ko, en, lat, lon]) => {
    const [x, y] = place(lat, lon);
    return svg("text", { class: "district", x, y }, lang === "ko" ? ko : en);
  };
  return [
    svg("defs", {}, svg("clipPath", { id: "city-clip" }, svg("path", { d: curve(CITY, true) }))),
    svg("path", { class: "city", d: curve(CITY, true) }),
    svg("g", { "clip-path": "url(#city-clip)" }, HILLS.map(hill), STREAMS.map((line) => svg("path", { class: "brook", d: curve(line) }))),
    svg("path", { class: "river", d: curve(HAN) }),
    svg("path", { class: "island", d: curve(YEOUIDO, true) }),
    svg("path", { class: "city-edge", d: curve(CITY, true) }),
    svg("g", { "aria-hidden": "true" }, DISTRICTS.map(district)),
  ];
}

export function initMap() {
  layer = svg("g", { class: "marks" });
  const label = t("map.alt");
  byId("map").replaceChildren(svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": label }, background(), layer));
  byId("legend").replaceChildren(...DOMAINS.map((domain) => el("li", {}, svg("svg", { viewBox: "-8 -8 16 16", "aria-hidden": "true" }, svg("path", { d: shape(domain, 5) })), t(`domain.${domain}`))), el("li", { class: "protocols", id: "protocols" }));
}

/** Where a device is now: vehicles tell it themselves. */
function positionOf(device) {
  for (const index of device.indices) {
    const row = store.values.get(index);
    const channels = store.layouts[store.streams[index][2]] ?? [];
    const at = (names) => channels.findIndex((channel) => names.includes(channel.name));
    const [lat, lon] = [at(["lat", "latitude"]), at(["lon", "longitude"])];
    if (row && lat >= 0 && lon >= 0 && row[1][lat] !== null && row[1][lon] !== null) return { lat: row[1][lat], lon: row[1][lon] };
  }
  return device.position;
}

function clusters() {
  const groups = [];
  const placed = [...store.devices.values()].map((device) => [device, positionOf(device)]).filter(([, position]) => position);
  const near = placed.length > CROWD ? NEAR_CROWDED : NEAR;
  placed.sort(([a], [b]) => RANK[healthOf(b.path)] - RANK[healthOf(a.path)]);
  for (const [device, position] of placed) {
    const [x, y] = place(position.lat, position.lon);
    const home = groups.find((group) => Math.hypot(group.x - x, group.y - y) < near);
    if (home) home.devices.push(device);
    else groups.push({ x, y, devices: [device], health: healthOf(device.path) });
  }
  return groups.reverse();
}

function mark(group, onPick) {
  const { x, y, devices, health } = group;
  const one = devices.length === 1;
  const name = one ? labelOf(devices[0].label, devices[0].device) : t("map.group", { n: count(devices.length), name: labelOf(devices[0].label, devices[0].device) });
  const size = one ? 5 : Math.min(9 + 1.5 * Math.sqrt(devices.length), 20);
  const pick = () => onPick(devices.map((device) => device.path), name);
  const domain = devices.every((device) => device.domain === devices[0].domain) ? devices[0].domain : "urban";
  return svg("g", {
    class: `mark-${health} mark`, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, tabindex: 0, role: "button",
    "aria-label": `${name}, ${t(`health.${health}`)}`, onclick: pick,
    onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } },
  },
  LOUD.has(health) ? svg("circle", { class: "halo", r: size + 6 }) : null,
  one ? svg("path", { class: "body", d: shape(domain, size) }) : svg("path", { class: "body group", d: shape(domain, domain === "third_party" ? size : size * 0.86) }),
  one ? null : svg("text", { class: "number", y: domain === "third_party" ? 4 : 0 }, count(devices.length)),
  svg("title", {}, name));
}

function callout(group) {
  const right = group.x < WIDTH * 0.68;
  const x = group.x + (right ? 17 : -17);
  const device = group.devices[0];
  const others = group.devices.filter((one) => LOUD.has(healthOf(one.path))).length - 1;
  const name = labelOf(device.label, device.device);
  return svg("text", { class: `callout callout-${group.health}`, x, y: group.y, "text-anchor": right ? "start" : "end", "aria-hidden": "true" }, others > 0 ? t("map.callout", { name, n: count(others) }) : name);
}

export function renderMap(onPick) {
  const groups = clusters();
  const key = JSON.stringify(groups.map((g) => [Math.round(g.x), Math.round(g.y), g.health, g.devices.length, g.devices[0].path]));
  if (key === drawn) return;
  drawn = key;
  const held = document.activeElement?.closest?.(".mark")?.getAttribute("aria-label");
  const loud = groups.filter((group) => LOUD.has(group.health)).slice(-MOST_LABELS);
  layer.replaceChildren(...groups.map((group) => mark(group, onPick)), ...loud.map(callout));
  if (held) [...layer.querySelectorAll(".mark")].find((node) => node.getAttribute("aria-label") === held)?.focus();
}

export function renderSummary() {
  const totals = Object.fromEntries(HEALTHS.map((health) => [health, 0]));
  for (const path of store.devices.keys()) totals[healthOf(path)] += 1;
  const list = byId("summary");
  if (!list.children.length) list.append(...HEALTHS.map((health) => el("li", { class: `chip chip-${health}` })));
  HEALTHS.forEach((health, i) => {
    list.children[i].hidden = totals[health] === 0 && health !== "ok";
    setText(list.children[i], t("summary.item", { name: t(`health.${health}`), n: count(totals[health]) }));
  });
  const spoken = new Map();
  for (const device of store.devices.values()) for (const name of device.protocols) spoken.set(name, (spoken.get(name) ?? 0) + 1);
  setText(byId("protocols"), [...spoken].map(([name, n]) => t("summary.item", { name: tOr(`protocol.${name}`, name), n: count(n) })).join(" · "));
}

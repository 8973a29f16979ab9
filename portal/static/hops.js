// The loop as a row of hops: what flows through each, how long it takes, and the account of rows.

import { byId, el, setAttr, setText, svg } from "./dom.js";
import { store } from "./store.js";
import { count, latency, number, t } from "./text.js";

const ICONS = {
  sensor: ["M12 20a8 8 0 1 1 8-8", "M12 16a4 4 0 1 1 4-4", "M12 12h.01"],
  network: ["M3 9c5-5 13-5 18 0", "M6.5 13c3-3 8-3 11 0", "M12 17.5h.01"],
  gateway: ["M4 5h16v6H4z", "M4 15h16v4H4z", "M8 8h.01", "M8 17h.01", "M12 11v4"],
  store: ["M5 6c0-4 14-4 14 0s-14 4-14 0", "M5 6v12c0 4 14 4 14 0V6", "M5 12c0 4 14 4 14 0"],
  analysis: ["M3 17l5-6 4 3 5-8 4 4", "M3 21h18"],
  feedback: ["M4 8h11a5 5 0 0 1 0 10H8", "M7.5 4.5L4 8l3.5 3.5"],
};
const LEDGER = ["emitted", "received", "stored", "under_way", "lost", "duplicated", "redelivered", "rejected"];
const MUST_BE_ZERO = new Set(["lost", "duplicated"]);
const cards = new Map();
const entries = new Map();

const rate = (value) => (Number.isFinite(value) ? t("hop.rate", { n: number(value) }) : "–");
const spans = (hop) => t("hop.spans", { p50: latency(hop.p50), p99: latency(hop.p99) });

// hop -> [figure, its caption, small print]
const FACES = {
  sensor: (hop) => [rate(hop.rate), "", t("hop.devices", { n: count(hop.count) })],
  network: (hop) => [latency(hop.p50), t("hop.median"), t("hop.p99", { n: latency(hop.p99) })],
  gateway: (hop) => [rate(hop.rate), "", t("hop.rejected", { n: count(hop.count) })],
  store: (hop) => [rate(hop.rate), "", spans(hop)],
  analysis: (hop, pulse) => [t("hop.findings", { n: count(hop.count) }), "", t("hop.prognoses", { n: count(pulse.counts.prognoses) })],
  feedback: (hop, pulse) => [t("hop.commands", { n: count(hop.count) }), "", t("hop.done", { n: count(pulse.counts.done) })],
};

function card(name) {
  const icon = svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, ICONS[name].map((d) => svg("path", { d })));
  const figure = el("strong", { class: "figure" });
  const caption = el("span", { class: "caption" });
  const small = el("span", { class: "small" });
  const state = el("span", { class: "visually-hidden" });
  const root = el("li", { class: "hop", "data-hop": name }, icon, el("div", { class: "hop-text" }, el("span", { class: "hop-name" }, t(`hop.${name}`), state), el("span", { class: "hop-figure" }, figure, caption), small));
  return { root, figure, caption, small, state };
}

export function initHops() {
  for (const name of Object.keys(ICONS)) cards.set(name, card(name));
  byId("hops").replaceChildren(...[...cards.values()].map((c) => c.root));
  for (const name of LEDGER) {
    const value = el("dd", { class: "figure" }, "–");
    entries.set(name, value);
    byId("ledger").append(el("div", { "data-entry": name, title: t(`rows.${name}.hint`) }, el("dt", {}, t(`rows.${name}`)), value));
  }
}

export function renderHops() {
  const pulse = store.pulse;
  for (const hop of pulse.hops) {
    const c = cards.get(hop.hop);
    if (!c) continue;
    const [figure, caption, small] = FACES[hop.hop](hop, pulse);
    setText(c.figure, figure);
    setText(c.caption, caption);
    setText(c.small, small);
    setText(c.state, hop.state === "ok" ? "" : `: ${t(`role.${hop.state}`)}`);
    setAttr(c.root, "data-state", hop.state);
    setAttr(c.root, "data-flow", String(hop.state === "ok" && (hop.rate === null || hop.rate > 0)));
  }
  for (const [name, node] of entries) {
    const value = pulse.rows[name];
    setText(node, count(value));
    setAttr(node.parentElement, "data-tone", MUST_BE_ZERO.has(name) && Number.isFinite(value) ? (value > 0 ? "bad" : "good") : "plain");
  }
  const { edge_loop_p50: e50, edge_loop_p99: e99, policy_loop_p50: p50 } = pulse.latency;
  setText(byId("loops"), t("loop.latency", { edge: latency(e50), edge99: latency(e99), policy: latency(p50) }));
}

// Small charts of our own: a sparkline for lists and a line chart with a band for the drawer.

import { svg } from "./dom.js";
import { clock, date, hourMinute, number, reading, unit } from "./text.js";

/** Path through values spread over a width; a missing value leaves a gap. */
function trace(points) {
  let pen = false;
  let path = "";
  for (const point of points) {
    if (point === null) { pen = false; continue; }
    path += `${pen ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    pen = true;
  }
  return path;
}

const known = (values) => values.filter((value) => value !== null && value !== undefined && Number.isFinite(value));

export function sparkPath(values, width, height) {
  const seen = known(values);
  if (seen.length < 2) return "";
  const low = Math.min(...seen), high = Math.max(...seen);
  const flat = high - low < 1e-9 * Math.max(1, Math.abs(high));
  const x = (i) => (i / Math.max(values.length - 1, 1)) * width;
  const y = (v) => (flat ? height / 2 : height - 1.5 - ((v - low) / (high - low)) * (height - 3));
  return trace(values.map((v, i) => (v === null || v === undefined ? null : [x(i), y(v)])));
}

function niceStep(span, wanted) {
  const raw = span / wanted;
  const size = 10 ** Math.floor(Math.log10(raw));
  return size * ([1, 2, 5, 10].find((m) => m * size >= raw) ?? 10);
}

const TIME_STEPS = [1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 604800].map((s) => s * 1000);

function timeTicks(start, end, wanted) {
  const step = TIME_STEPS.find((s) => (end - start) / s <= wanted) ?? TIME_STEPS.at(-1);
  const offset = 9 * 3600 * 1000; // ticks on round Korean times
  const ticks = [];
  for (let at = Math.ceil((start + offset) / step) * step - offset; at <= end; at += step) ticks.push(at);
  return { ticks, show: step >= 86_400_000 ? date : step >= 60_000 ? hourMinute : clock };
}

const W = 560, H = 230, LEFT = 52, RIGHT = 10, TOP = 20, BOTTOM = 26;

/** A line chart: ``t`` in ms, ``mean`` and maybe ``low``/``high`` arrays with null for gaps. */
export function lineChart({ t, mean, low, high, start, end, channel, label }) {
  const seen = known([...mean, ...(low ?? []), ...(high ?? [])]);
  let [bottom, top] = seen.length ? [Math.min(...seen), Math.max(...seen)] : [0, 1];
  if (top - bottom < 1e-9 * Math.max(1, Math.abs(top))) [bottom, top] = [bottom - Math.max(1, Math.abs(bottom) * 0.05), top + Math.max(1, Math.abs(top) * 0.05)];
  const step = niceStep(top - bottom, 4);
  [bottom, top] = [Math.floor(bottom / step) * step, Math.ceil(top / step) * step];
  const x = (ms) => LEFT + ((ms - start) / (end - start)) * (W - LEFT - RIGHT);
  const y = (v) => TOP + (1 - (v - bottom) / (top - bottom)) * (H - TOP - BOTTOM);
  const levels = [];
  for (let v = bottom; v <= top + step / 2; v += step) levels.push(v);
  const { ticks, show } = timeTicks(start, end, 6);
  const at = (values) => t.map((ms, i) => (values[i] === null || values[i] === undefined ? null : [x(ms), y(values[i])]));
  const band = low && high ? bandPath(at(low), at(high)) : "";
  const root = svg("svg", { class: "chart", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label },
    levels.map((v) => [svg("line", { class: "grid", x1: LEFT, x2: W - RIGHT, y1: y(v), y2: y(v) }), svg("text", { class: "tick", x: LEFT - 7, y: y(v), "text-anchor": "end", dy: "0.32em" }, number(v))]),
    ticks.map((ms) => svg("text", { class: "tick", x: x(ms), y: H - 8, "text-anchor": "middle" }, show(ms))),
    svg("text", { class: "tick", x: LEFT - 7, y: 9, "text-anchor": "end" }, unit(channel.unit)),
    svg("path", { class: "band", d: band }), svg("path", { class: "line", d: trace(at(mean)) }));
  addCrosshair(root, { t, mean, x, y, channel });
  return root;
}

function bandPath(low, high) {
  let path = "";
  let from = 0;
  for (let i = 0; i <= low.length; i++) {
    if (i < low.length && low[i] !== null && high[i] !== null) continue;
    if (i - from > 1) path += `${trace(high.slice(from, i))}${trace(low.slice(from, i).reverse()).replace("M", "L")}Z`;
    from = i + 1;
  }
  return path;
}

function addCrosshair(root, { t, mean, x, y, channel }) {
  const line = svg("line", { class: "cross", y1: TOP, y2: H - BOTTOM });
  const dot = svg("circle", { class: "cross-dot", r: 3.5 });
  const words = svg("text", { class: "cross-text", y: 10 });
  const layer = svg("g", { visibility: "hidden" }, line, dot, words);
  root.append(layer);
  root.addEventListener("pointerleave", () => layer.setAttribute("visibility", "hidden"));
  root.addEventListener("pointermove", (event) => {
    const at = ((event.clientX - root.getBoundingClientRect().left) / root.getBoundingClientRect().width) * W;
    let best = -1;
    t.forEach((ms, i) => { if (mean[i] !== null && (best < 0 || Math.abs(x(ms) - at) < Math.abs(x(t[best]) - at))) best = i; });
    if (best < 0) return;
    const px = x(t[best]);
    layer.setAttribute("visibility", "visible");
    for (const name of ["x1", "x2"]) line.setAttribute(name, px);
    dot.setAttribute("cx", px);
    dot.setAttribute("cy", y(mean[best]));
    words.setAttribute("x", Math.min(Math.max(px, LEFT + 60), W - 70));
    words.textContent = `${date(t[best])} ${clock(t[best])}  ${reading(channel, mean[best])}`;
  });
}

// The story: what was found, what is foreseen, what was ordered, commanded and done, in plain words.

import { byId, el, setText } from "./dom.js";
import { parts, say } from "./phrases.js";
import { store } from "./store.js";
import { clock, count, duration, labelOf, lang, number, percent, t, tOr } from "./text.js";

const OPEN = new Set(["watch", "planned", "acting", "broken"]);
const money = new Intl.NumberFormat(lang === "ko" ? "ko-KR" : "en-GB", { style: "currency", currency: "KRW", notation: "compact", maximumFractionDigits: 1 });
const kept = new Map();
const divider = el("li", { class: "divider" });
const quiet = el("li", { class: "quiet" });
const plain = (code) => String(code ?? "").replaceAll("_", " ");

function commandName(path, name) {
  const known = store.devices.get(path)?.commands.find((command) => command.name === name);
  return labelOf(known?.label, tOr(`command.${name}`, plain(name)));
}

function issuer(code) {
  const [kind, name] = String(code).split(":");
  return t(`issuer.${["rule", "policy", "user"].includes(kind) ? kind : "other"}`, { name: tOr(`${kind}.${name}`, plain(name ?? kind)) });
}

function args(values) {
  const said = Object.entries(values ?? {}).map(([name, value]) => `${tOr(`arg.${name}`, plain(name))} ${typeof value === "number" ? number(value) : name === "parts" ? parts(String(value)) : value}`);
  return said.length ? ` (${said.join(", ")})` : "";
}

function prognosisWords(step) {
  const key = Number.isFinite(step.rul_s) ? "story.prognosis" : "story.prognosis_open";
  return t(key, {
    cause: step.cause ? t("story.cause", { cause: tOr(`cause.${step.cause}`, say(plain(step.cause))) }) : "",
    rul: duration(step.rul_s), low: duration(step.lower_s), high: duration(step.upper_s),
    confidence: percent(step.confidence), p: percent(step.p_failure), horizon: duration(step.horizon_s),
  });
}

function orderWords(step) {
  const said = [tOr(`action.${step.action}`, plain(step.action))];
  if (step.crew) said.push(t("story.crew", { n: count(step.crew) }));
  if (step.duration_s > 0) said.push(duration(step.duration_s));
  if (step.parts?.length) said.push(parts(step.parts.join(", ")));
  if (step.saving_krw > 0) said.push(t("story.saving", { won: money.format(step.saving_krw) }));
  return said.join(" · ");
}

/** step -> [sentence, small print] */
const WORDS = {
  finding: (step) => [t("story.finding", { detector: tOr(`detector.${step.detector}`, plain(step.detector)), score: number(step.score, 2), threshold: number(step.threshold, 2) }), say(step.text)],
  prognosis: (step) => [prognosisWords(step), ""],
  order: (step) => [orderWords(step), say(step.reason)],
  command: (step, path) => [`${commandName(path, step.name)}${args(step.args)}`, issuer(step.issuer)],
  result: (step) => [tOr(`result.${step.status}`, step.status), say(step.detail)],
  event: (step) => [tOr(`event.${step.name}`, plain(step.name)), say(step.text)],
};

export function describe(step, path) {
  const [sentence, small] = (WORDS[step.step] ?? (() => [plain(step.step), ""]))(step, path);
  return { sentence, small };
}

function stepItem(step, path) {
  const { sentence, small } = describe(step, path);
  return el("li", { class: "step", "data-step": step.step, "data-status": step.status ?? step.severity ?? "" },
    el("span", { class: "step-name" }, t(`step.${step.step}`)), el("time", { class: "figure", datetime: new Date(step.t).toISOString() }, clock(step.t)),
    el("p", {}, sentence), small && small !== sentence ? el("p", { class: "small" }, small) : null);
}

function title(one, onOpen) {
  const device = store.devices.get(one.device);
  return el("button", { type: "button", class: "link-button", onclick: () => onOpen(one.device) }, labelOf(device?.label, one.device));
}

function condition(one, onOpen) {
  const alarm = one.phase === "broken" || one.steps.some((step) => step.step === "finding" && step.severity === "alarm" && OPEN.has(one.phase));
  return el("li", { class: "case", "data-phase": one.phase, "data-alarm": String(alarm) },
    el("div", { class: "case-head" }, el("h3", {}, title(one, onOpen)), el("span", { class: "phase" }, t(`phase.${one.phase}`))),
    el("ol", { class: "steps" }, one.steps.map((step) => stepItem(step, one.device))));
}

function reaction(one, onOpen) {
  const command = one.steps.find((step) => step.step === "command");
  const result = one.steps.find((step) => step.step === "result");
  const words = [describe(command, one.device).sentence, result ? tOr(`result.${result.status}`, result.status) : t("phase.acting")].join(" → ");
  return el("li", { class: "case reaction", "data-phase": one.phase },
    el("div", { class: "case-head" }, el("h3", {}, title(one, onOpen)), el("span", { class: "phase" }, t("story.times", { n: count(one.count) }))),
    el("p", {}, words), el("p", { class: "small" }, `${issuer(command.issuer)} · `, el("time", { class: "figure" }, clock(command.t))));
}

export function renderStory(onOpen) {
  const conditions = store.cases.filter((one) => one.kind === "condition");
  conditions.sort((a, b) => OPEN.has(b.phase) - OPEN.has(a.phase) || b.updated - a.updated);
  const reactions = store.cases.filter((one) => one.kind === "reaction" && one.steps.some((step) => step.step === "command"));
  const items = conditions.map((one) => item(one, condition, onOpen));
  if (reactions.length) items.push(divider, ...reactions.map((one) => item(one, reaction, onOpen)));
  if (!items.length) items.push(quiet);
  setText(divider, t("story.reactions"));
  setText(quiet, t("story.quiet"));
  for (const id of kept.keys()) if (!store.cases.some((one) => one.id === id)) kept.delete(id);
  const current = byId("cases").children;
  if (items.length !== current.length || items.some((node, i) => node !== current[i])) byId("cases").replaceChildren(...items);
}

/** The node of a case, made anew only when the case changed, so that only news is read aloud. */
function item(one, draw, onOpen) {
  const state = JSON.stringify([one, store.devices.get(one.device)?.label]);
  const held = kept.get(one.id);
  if (held?.state === state) return held.node;
  const node = draw(one, onOpen);
  kept.set(one.id, { state, node });
  return node;
}

// The description of the open data API, drawn from its OpenAPI document; works without any network.

import { byId, el, setAttr, setText } from "./dom.js";
import { lang, loadTexts, t, tOr } from "./text.js";

const LONGEST = 4000;

function tryOut(path, parameters, inputs, output) {
  const query = new URLSearchParams();
  let url = path;
  for (const { name, in: where } of parameters) {
    const value = inputs.get(name).value.trim();
    if (where === "path") url = url.replace(`{${name}}`, encodeURIComponent(value));
    else if (value) query.append(name, value);
  }
  const address = query.size ? `${url}?${query}` : url;
  return show(address, output);
}

async function show(address, output) {
  setText(output, `GET ${address}\n`);
  const response = await fetch(address);
  const text = await response.text();
  const type = response.headers.get("content-type") ?? "";
  const body = type.includes("json") ? JSON.stringify(JSON.parse(text), null, 1) : type.startsWith("text/") ? text : t("api.binary", { n: text.length });
  setText(output, `GET ${address}\n${response.status} ${type}\n\n${body.slice(0, LONGEST)}${body.length > LONGEST ? "\n…" : ""}`);
}

function parameterRow(parameter, inputs) {
  const shape = parameter.schema ?? {};
  const input = el("input", { "aria-label": parameter.name, placeholder: shape.default ?? "", required: parameter.required });
  inputs.set(parameter.name, input);
  return el("tr", {}, el("td", {}, el("code", {}, parameter.name)), el("td", {}, tOr(`param.${parameter.name}`, parameter.description ?? "")), el("td", {}, input));
}

function operation(path, method, spec) {
  const parameters = spec.parameters ?? [];
  const inputs = new Map();
  const output = el("pre", { hidden: true, tabindex: 0 });
  const run = () => { output.hidden = false; return tryOut(path, parameters, inputs, output); };
  const canTry = method === "get" && !path.endsWith("/stream");
  return el("details", {},
    el("summary", {}, el("span", { class: `method ${method}` }, method.toUpperCase()), el("code", {}, path), el("span", {}, tOr(`api.${spec.operationId}`, spec.summary))),
    el("div", { class: "body" },
      parameters.length ? el("table", {}, el("tbody", {}, parameters.map((p) => parameterRow(p, inputs)))) : null,
      canTry ? el("button", { type: "button", class: "try", onclick: run }, t("api.try")) : null, output));
}

await loadTexts();
setAttr(byId(`to-${lang}`), "aria-current", "true");
const document_ = await (await fetch("/api/v1/openapi.json")).json();
const groups = new Map();
for (const [path, methods] of Object.entries(document_.paths)) {
  for (const [method, spec] of Object.entries(methods)) {
    const tag = spec.tags?.[0] ?? "run";
    groups.set(tag, [...(groups.get(tag) ?? []), operation(path, method, spec)]);
  }
}
for (const [tag, operations] of groups) byId("api").append(el("section", {}, el("h2", {}, t(`api.group.${tag}`)), operations));
document.body.dataset.ready = "true";

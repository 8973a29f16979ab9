// The status page: load the words, follow the run, draw what changed.

import { byId, setAttr, setText } from "./dom.js";
import { forgetRows, initDevices, layout, pickDevices, renderValues } from "./devices.js";
import { initDrawer, openDrawer, renderDrawer } from "./drawer.js";
import { initHops, renderHops } from "./hops.js";
import { follow } from "./link.js";
import { initLogout } from "./person.js";
import { initMap, renderMap, renderSummary } from "./map.js";
import { renderStory } from "./story.js";
import { store, take } from "./store.js";
import { clock, date, elapsed, labelOf, lang, loadTexts, t } from "./text.js";

let offset = null; // run time minus the browser's steady clock, for a clock that ticks between messages

function renderRun() {
  const { run, pulse } = store;
  offset = pulse.now - performance.now();
  setText(byId("scenario"), labelOf(run.name, run.scenario));
  setText(byId("speed"), run.speed === "max" ? t("speed.max") : t("speed.times", { n: run.speed }));
  tick();
}

function tick() {
  if (offset === null || !store.run) return;
  const running = store.pulse.phase === "running" && store.run.speed === 1;
  const now = running ? offset + performance.now() : store.pulse.now;
  setText(byId("clock"), `${date(now)} ${clock(now)}`);
  setText(byId("elapsed"), elapsed((now - store.run.start) / 1000));
}

function onMessage(message) {
  const changed = take(message);
  renderRun();
  renderHops();
  if (changed.catalog) forgetRows();
  if (changed.catalog || changed.health) layout();
  renderValues();
  renderMap(pickDevices);
  renderSummary();
  if (changed.cases || changed.catalog) renderStory(openDrawer);
  renderDrawer();
  document.body.dataset.ready = "true";
}

function onState(state) {
  const shown = state === "live" ? (store.pulse?.phase ?? "running") : state;
  setAttr(byId("link"), "data-state", shown);
  setText(byId("link"), t(`link.${shown}`));
}

await loadTexts();
setAttr(byId(`to-${lang}`), "aria-current", "true");
initHops();
initMap();
initDevices(openDrawer);
initDrawer();
initLogout();
follow(onMessage, onState);
setInterval(tick, 250);

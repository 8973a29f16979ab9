// Words, numbers, units and times in the page's language.

export const lang = document.documentElement.lang === "en" ? "en" : "ko";
const locale = lang === "ko" ? "ko-KR" : "en-GB";
const ZONE = "Asia/Seoul";
let texts = {};

export async function loadTexts() {
  texts = await (await fetch(`/texts/${lang}.json`)).json();
}

export function t(key, values) {
  const text = texts[key] ?? key;
  return values ? text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "") : text;
}

/** The text of a key, or the fallback where nobody translated it (kinds and codes of foreign devices). */
export function tOr(key, fallback) {
  return Object.hasOwn(texts, key) ? texts[key] : fallback;
}

export function labelOf(named, fallback) {
  return named?.[lang] || fallback;
}

const DASH = "–";
const integer = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });

export function count(value) {
  return Number.isFinite(value) ? integer.format(value) : DASH;
}

export function number(value, digits = 3) {
  if (!Number.isFinite(value)) return DASH;
  const size = Math.abs(value);
  const decimals = size >= 1000 || size === 0 ? 0 : Math.max(0, digits - 1 - Math.floor(Math.log10(Math.max(size, 0.001))));
  return new Intl.NumberFormat(locale, { minimumFractionDigits: 0, maximumFractionDigits: Math.min(decimals, 4) }).format(value);
}

export function latency(ms) {
  if (!Number.isFinite(ms)) return DASH;
  return ms >= 1000 ? t("unit.s", { n: number(ms / 1000) }) : t("unit.ms", { n: number(ms, 2) });
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return t("time.unbounded");
  const steps = [["time.days", 2 * 86400, 86400], ["time.hours", 3600], ["time.minutes", 60]];
  for (const [key, from, size = from] of steps) if (seconds >= from) return t(key, { n: number(seconds / size, 2) });
  return t("time.seconds", { n: number(seconds, 2) });
}

export function percent(ratio) {
  return Number.isFinite(ratio) ? `${integer.format(ratio * 100)}%` : DASH;
}

const clockFormat = new Intl.DateTimeFormat(locale, { timeZone: ZONE, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const dateFormat = new Intl.DateTimeFormat(locale, { timeZone: ZONE, month: "short", day: "numeric" });
const shortFormat = new Intl.DateTimeFormat(locale, { timeZone: ZONE, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export const clock = (ms) => clockFormat.format(ms);
export const date = (ms) => dateFormat.format(ms);
export const hourMinute = (ms) => shortFormat.format(ms);

export function elapsed(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60].map((n) => String(n).padStart(2, "0"));
  return parts.join(":");
}

// UCUM code -> what people write
const UNITS = new Map(Object.entries({
  "1": "", Cel: "°C", "[degF]": "°F", "ug/m3": "µg/m³", "mg/m3": "mg/m³", "m/s2": "m/s²", "m3/h": "m³/h", "m3/s": "m³/s",
  m3: "m³", "L/min": "L/min", "dB[A]": "dB(A)", "dB[SPL]": "dB", deg: "°", "[ppm]": "ppm", "[ppb]": "ppb",
  um: "µm", us: "µs", "%": "%", Ohm: "Ω", "N.m": "N·m", "kW.h": "kWh", "W/m2": "W/m²", "[pH]": "pH", "[NTU]": "NTU",
}));

export function unit(code) {
  if (UNITS.has(code)) return UNITS.get(code);
  return code.replace(/\{[^}]*\}/g, "").replace(/^1$/, "");
}

export function channelName(channel) {
  return labelOf(channel.label, tOr(`channel.${channel.name}`, channel.name.replaceAll("_", " ")));
}

/** A value with its unit, or the name of its state. */
export function reading(channel, value) {
  if (value === null || value === undefined) return DASH;
  const state = channel.states?.[String(Math.round(value))];
  if (state !== undefined) return tOr(`state.${state}`, state.replaceAll("_", " "));
  const of = channel.unit === "/min" && /rotation|speed/.test(channel.quantity) ? "r/min" : unit(channel.unit);
  return of === "" ? number(value) : of === "%" || of === "°" ? `${number(value)}${of}` : `${number(value)} ${of}`;
}

// Sentences that roles and equipment say in English, said again in the page's language; unknown ones stay as they are.

import { t, tOr } from "./text.js";

const own = (family, name) => tOr(`${family}.${name.trim().replaceAll(" ", "_")}`, name);
const parts = (names) => names.split(", ").map((name) => own("part", name)).join(", ");
const signal = (name) => { const [, what, nth] = /^(.*?)( \d+)?$/.exec(name); return own("signal", what) + (nth ?? ""); };

/** [pattern, key of the text, how its groups are said] */
const PHRASES = [
  [/^behaves unlike itself: (?<what>.+)$/, "phrase.unlike", { what: say }],
  [/^behaves unlike the healthy fleet$/, "phrase.unlike_fleet"],
  [/^vibration has reached zone (?<zone>\w) of (?<norm>[^:]+): (?<what>.+)$/, "phrase.zone_because", { what: say }],
  [/^vibration has reached zone (?<zone>\w) of (?<norm>[^:]+)$/, "phrase.zone"],
  [/^(?<p>\S+) chance to fail within (?<h>\d+) h, about (?<left>\d+) h left \((?<low>\d+) to (?<high>\d+) h\)(?:; (?<what>.+))?$/, "phrase.chance", { what: (text) => (text ? `; ${say(text)}` : "") }],
  [/^(?<p>\S+) chance to fail within (?<h>\d+) h: gently until it is maintained(?:; (?<what>.+))?$/, "phrase.gently", { what: (text) => (text ? `; ${say(text)}` : "") }],
  [/^(?<p>\S+) chance to fail: full output again$/, "phrase.full_again"],
  [/^battery at (?<n>\S+) %, a charger is free$/, "phrase.charger_free"],
  [/^goods at (?<now>\S+) °C, (?<soon>\S+) °C within (?<min>\d+) min, limit (?<limit>\S+) °C; (?<n>\d+) pallets at stake$/, "phrase.goods_warming"],
  [/^goods at (?<now>\S+) °C, and not falling, limit (?<limit>\S+) °C; (?<n>\d+) pallets at stake$/, "phrase.goods_warm"],
  [/^PM2\.5 (?<n>\S+) µg\/m³ \(median of (?<stations>\d+) stations\)$/, "phrase.dust"],
  [/^inflow (?<now>\S+) m³\/h, usual (?<usual>\S+) m³\/h: a burst main$/, "phrase.burst"],
  [/^the zone is shut off: dig up and mend the main$/, "phrase.dig"],
  [/^the main is mended$/, "phrase.mended"],
  [/^(?<what>.+): points to (?<mode>\w+) \((?<share>\d+)% of the deviation\)$/, "phrase.points", { what: say, mode: (name) => own("mode", name) }],
  [/^(?<what>.+) is (?<now>.+), it was (?<base>.+) when new$/, "phrase.was", { what: signal }],
  [/^green extended by (?<n>\S+) s, (?<left>\S+) s left$/, "phrase.green"],
  [/^maintained in (?<n>\d+) s, replaced (?<names>.+)$/, "phrase.replaced_in", { names: parts }],
  [/^maintained in (?<n>\d+) s$/, "phrase.maintained_in"],
  [/^replaced: (?<names>.+)$/, "phrase.replaced", { names: parts }],
  [/^(?<names>\w+) replaced after failure$/, "phrase.renewed", { names: parts }],
  [/^(?<names>\w+) failed after (?<h>\S+) h of wear$/, "phrase.worn", { names: parts }],
  [/^maintenance begins$/, "event.maintenance"],
  [/^maintained$/, "event.maintained"],
  [/^speed set to (?<n>\S+)$/, "phrase.speed"],
  [/^derated to (?<n>\S+)$/, "phrase.derated"],
];

/** A sentence of the run in the page's language. */
export function say(text) {
  for (const [pattern, key, words] of PHRASES) {
    const groups = pattern.exec(text ?? "")?.groups;
    if (groups) return t(key, Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, words?.[name]?.(value) ?? value ?? ""])));
    if (!pattern.source.includes("<") && pattern.test(text ?? "")) return t(key);
  }
  return text;
}

/** Names of parts in an argument or an order. */
export { parts };

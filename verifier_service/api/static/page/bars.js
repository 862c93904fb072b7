// Bars: numbers against their limits, and phases of the time.

import { el } from "./dom.js";
import { PHASES } from "./words.js";

/** Return a duration in a readable unit. */
export function seconds(value) {
  if (value >= 10) return `${value.toFixed(0)} s`;
  if (value >= 1) return `${value.toFixed(2)} s`;
  if (value >= 0.001) return `${(value * 1000).toFixed(value >= 0.1 ? 0 : 1)} ms`;
  return value > 0 ? "< 1 ms" : "0 ms";
}

export const mebibytes = (value) => `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} MiB`;

/** Return a number with a bar that shows its share of the limit; without a limit, only the number. */
export function gauge(label, value, limit, say) {
  const share = limit ? Math.min(value / limit, 1) : 0;
  const level = share >= 0.995 ? "over" : share >= 0.8 ? "near" : "";
  const text = limit ? `${say(value)} of ${say(limit)}` : say(value);
  return el(
    "div",
    { className: `gauge ${level}`, title: `${label}: ${text}` },
    el("span", { className: "gauge-text" }, el("span", { className: "gauge-label" }, `${label} `), say(value), limit ? el("span", { className: "of" }, ` / ${say(limit)}`) : null),
    limit
      ? el("meter", { min: 0, max: 1, value: share, "aria-label": `${label}: ${text}` })
      : null,
  );
}

/** Return the phases of a result's time, or null if it took none. */
export function phases(result) {
  const parts = Object.entries(PHASES).map(([name, says]) => [name.replace("_s", ""), says, result[name] ?? 0]);
  const whole = parts.reduce((sum, [, , value]) => sum + value, 0);
  if (!whole) return null;
  return el(
    "section",
    { className: "part phases" },
    el("h3", {}, "Where the time went"),
    el(
      "div",
      { className: "phase-bar", "aria-hidden": "true" },
      parts.map(([name, , value]) => el("span", { className: name, style: { "flex-grow": value / whole } })),
    ),
    el(
      "dl",
      {},
      parts.map(([name, says, value]) => el("div", { title: says }, el("dt", { className: name }, name), el("dd", {}, seconds(value)))),
    ),
  );
}

// The result of a submission: the verdict first, then the reasons.

import { copyButton, el, fill, unfolding } from "./dom.js";
import { phases, seconds } from "./bars.js";
import { mathParts } from "./math-result.js";
import { codeParts } from "./code-result.js";
import { block, inline } from "./text.js";
import { meaning, RULES, SIGNALS, VERDICTS } from "./words.js";

/** Show a result. `asked` is the form that was sent, or null for a stored result; `info` is the answer of /v1/info, or
 * null; `again` judges the submission again, if that is possible. */
export function showResult(place, result, { asked = null, info = null, tookS, again } = {}) {
  fill(
    place,
    banner(result, tookS, again),
    result.kind === "math" ? mathParts(result, asked) : result.kind === "code" ? codeParts(result, asked, info) : null,
    extracted(result, asked),
    signals(result.signals ?? []),
    phases(result),
    raw(result),
  );
}

/** Show the empty state, before anything is judged. */
export function showNothing(place) {
  fill(
    place,
    el(
      "div",
      { className: "blank" },
      el("p", { className: "blank-sign", "aria-hidden": "true" }, "✓"),
      el("h2", {}, "See a verdict and its reasons"),
      el("p", {}, "Paste a completion, or choose an example, and press Judge. Here you will see the verdict and score, the answer or program found in the completion, and the proof or the tests."),
    ),
  );
}

/** Show that judging is in progress. */
export function showWaiting(place) {
  fill(place, el("div", { className: "blank" }, el("div", { className: "spinner", "aria-hidden": "true" }), el("p", {}, "Judging …")));
}

function banner(result, tookS, again) {
  const [sign, look, word] = VERDICTS[result.verdict] ?? ["?", "unsure", result.verdict];
  const score = typeof result.score === "number" ? `${Number(result.score.toFixed(4))}` : "none";
  const button = again && result.retryable ? el("button", { type: "button", on: { click: again } }, "Judge it again") : null;
  return el(
    "div",
    { className: `banner ${look}`, data: { verdict: result.verdict } },
    el("span", { className: "banner-sign", "aria-hidden": "true" }, sign),
    el(
      "div",
      { className: "banner-text" },
      el("h2", {}, word),
      el("p", { className: "meaning" }, meaning(result.kind, result.verdict)),
    ),
    el(
      "div",
      { className: "score" },
      el("span", { className: "score-label" }, "score"),
      el("strong", {}, score),
      tookS === undefined ? null : el("span", { className: "score-label" }, seconds(tookS)),
    ),
    result.message && result.verdict !== "compile_error" ? el("p", { className: "message" }, inline(result.message, 3_000)) : null,
    result.verdict === "judge_error"
      ? el("p", { className: "help" }, result.retryable ? "The service failed: you can send the same submission again." : "The request cannot be judged as it is: change it before you send it again.")
      : null,
    button,
  );
}

function extracted(result, asked) {
  const text = result.extracted;
  if (typeof text !== "string") return null;
  const rule = result.extracted_by;
  const what = result.kind === "code" ? "Program found" : "Answer found";
  const says = rule ? el("p", { className: "by" }, "by the rule ", el("code", {}, rule), `: ${RULES[rule] ?? ""}`) : null;
  const where = asked && result.kind === "math" ? place(text, asked.completion) : null;
  const shown = block(text, { label: what, empty: "nothing" });
  return el("section", { className: "part" }, el("div", { className: "part-head" }, el("h3", {}, what), copyButton("Copy", () => text)), says, shown, where);
}

const AROUND = 160;

/** Return the part of the completion around the answer, with the answer marked. */
function place(text, completion) {
  const at = completion.lastIndexOf(text);
  if (at < 0 || !text) return null;
  const [from, to] = [Math.max(at - AROUND, 0), Math.min(at + text.length + AROUND, completion.length)];
  return el(
    "p",
    { className: "context", "aria-label": "The answer in the completion" },
    from ? "…" : "",
    inline(completion.slice(from, at), AROUND),
    el("mark", {}, inline(text)),
    inline(completion.slice(at + text.length, to), AROUND),
    to < completion.length ? "…" : "",
  );
}

function signals(names) {
  if (!names.length) return null;
  return el(
    "section",
    { className: "part" },
    el("h3", {}, "Signals"),
    el(
      "ul",
      { className: "signals" },
      names.map((name) => el("li", {}, el("code", {}, inline(name)), " ", SIGNALS[name] ?? "")),
    ),
    el("p", { className: "help" }, "Observations of the sandbox. A signal alone never decides the verdict."),
  );
}

function raw(result) {
  const text = JSON.stringify(result, null, 2);
  const made = result.made_by;
  return el(
    "section",
    { className: "part" },
    unfolding("The result as JSON", () => [copyButton("Copy", () => text), block(text, { label: "The result as JSON" })]),
    made ? el("p", { className: "help" }, "Judged by ", el("code", {}, made.verifier), made.image ? [" in ", el("code", {}, made.image)] : "") : null,
  );
}


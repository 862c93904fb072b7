// Why an answer does or does not equal the reference.

import { el } from "./dom.js";
import { formula } from "./latex.js";
import { inline } from "./text.js";

/** Return the parts of a math result: answer, reference and reason. */
export function mathParts(result, asked) {
  const told = result.explanation ?? {};
  const answer = told.answer ?? result.extracted;
  const reference = told.reference ?? shortReference(asked);
  if (typeof answer !== "string") return null;
  const equal = result.verdict === "accepted";
  const unsure = !["accepted", "wrong_answer"].includes(result.verdict);
  return el(
    "section",
    { className: "part" },
    el("h3", {}, told.answer ? "How it was read" : "Answer and reference"),
    el(
      "div",
      { className: "equation" },
      side("Answer", answer, told.answer),
      el("span", { className: `relation ${unsure ? "" : equal ? "good" : "bad"}`, role: "img", "aria-label": unsure ? "compared with" : equal ? "equals" : "does not equal" }, unsure ? "?" : equal ? "=" : "≠"),
      reference === null ? null : side("Reference", reference, told.reference),
    ),
    proof(result, told),
  );
}

const side = (label, text, isLatex) =>
  el("div", { className: "side" }, el("span", { className: "side-label" }, label), formula(isLatex ?? text, { label: `${label}: ${text}` }));

const shortReference = (asked) =>
  asked && asked.references.filter((one) => one.trim()).length === 1 && asked.references.find((one) => one.trim()).length < 200
    ? asked.references.find((one) => one.trim())
    : null;

/** Return the reason, and the point at which the two differ, if there is one. */
function proof(result, told) {
  const why = result.message.slice(result.message.lastIndexOf(": ") + 2);
  const words = el(
    "p",
    { className: "why" },
    el("span", { className: "side-label" }, result.verdict === "accepted" ? "Proof" : "Reason"),
    el("span", {}, inline(why)),
  );
  const point = Object.entries(told.point ?? {});
  if (told.answer_value === undefined || told.answer_value === null) return words;
  const where = point.map(([name, value]) => `${name} = ${value}`).join(",\\; ");
  return [
    words,
    el(
      "table",
      { className: "point" },
      el("caption", {}, point.length ? ["They differ at: ", formula(where, { label: where })] : "Their values"),
      el(
        "tbody",
        {},
        el("tr", {}, el("th", { scope: "row" }, "Answer"), el("td", {}, inline(told.answer_value))),
        el("tr", {}, el("th", { scope: "row" }, "Reference"), el("td", {}, inline(told.reference_value))),
      ),
    ),
  ];
}

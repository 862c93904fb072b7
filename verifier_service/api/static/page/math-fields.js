// The part of the form for math answers.

import { el, fill, unfolding } from "./dom.js";
import { areaField, choiceField } from "./fields.js";
import { RULES } from "./words.js";

/** Build the fields in `place` for `form`. */
export function showMathFields(place, form) {
  const again = () => showMathFields(place, form);
  const one = form.references.length === 1;
  const references = form.references.map((_, index) =>
    el(
      "div",
      { className: one ? "" : "removable" },
      areaField(one ? "Reference" : `Reference ${index + 1}`, form.references, index, {
        id: `reference-${index}`,
        rows: 1,
        placeholder: index === 0 ? "\\frac{1}{2}, or a solution that ends in \\boxed{…}" : "another correct answer",
        help: index === 0 ? "The correct answer, in any form. With several references, the answer has to equal one of them." : undefined,
      }),
      one
        ? null
        : el("button", {
            type: "button",
            className: "quiet remove",
            textContent: "✕",
            "aria-label": `Remove reference ${index + 1}`,
            on: { click: () => (form.references.splice(index, 1), again()) },
          }),
    ),
  );
  const add = el("button", { type: "button", className: "quiet small" }, "+ Another reference");
  add.addEventListener("click", () => {
    form.references.push("");
    again();
    place.querySelector(`#reference-${form.references.length - 1}`).focus();
  });
  fill(place, references, el("div", {}, add), unfolding("Options", () => options(form), { open: isUnusual(form) }));
}

const isUnusual = (form) => form.form !== "equal" || form.rounding !== "none" || form.extract.length > 0;

function options(form) {
  const rules = Object.entries(RULES).map(([name, says]) => {
    const input = el("input", { type: "checkbox", checked: form.extract.includes(name) });
    input.addEventListener("change", () => {
      form.extract = Object.keys(RULES).filter((rule) => (rule === name ? input.checked : form.extract.includes(rule)));
    });
    return el("label", { className: "check", title: says }, input, el("code", {}, name));
  });
  return el(
    "div",
    { className: "grid" },
    choiceField("Form of the answer", form, "form", [
      ["equal", "equal: any form"],
      ["final", "final: nothing left to compute"],
    ]),
    choiceField("Rounding", form, "rounding", [
      ["none", "none: equal exactly"],
      ["reference", "to the digits of the reference"],
    ]),
    el(
      "fieldset",
      { className: "wide" },
      el("legend", {}, "Rules for finding the answer"),
      el("div", { className: "checks" }, rules),
      el("p", { className: "help" }, "Tick some to use only these. If none is ticked, all are used, the most reliable first."),
    ),
  );
}

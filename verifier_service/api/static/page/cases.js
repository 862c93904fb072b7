// Rows of the form: cases of `call` and `stdio` tests, and the files of `pytest`.

import { el } from "./dom.js";
import { areaField, textField } from "./fields.js";

const KINDS = {
  call: {
    list: "calls",
    one: "Case",
    fresh: () => ({ args: "", expected: "" }),
    fields: (row, index) => [
      areaField("Arguments", row, "args", { id: `call-${index}-args`, rows: 1, placeholder: "[2, 7], 9" }),
      areaField("Expected", row, "expected", { id: `call-${index}-expected`, rows: 1, placeholder: "[0, 1]" }),
    ],
    help: "JSON values: strings in double quotes, true, false, null.",
  },
  stdio: {
    list: "stdio",
    one: "Case",
    fresh: () => ({ stdin: "", stdout: "" }),
    fields: (row, index) => [
      areaField("Standard input", row, "stdin", { id: `stdio-${index}-in`, rows: 2 }),
      areaField("Expected output", row, "stdout", { id: `stdio-${index}-out`, rows: 2 }),
    ],
  },
  files: {
    list: "files",
    one: "File",
    fresh: () => ({ name: "", text: "" }),
    wide: true,
    fields: (row, index) => [
      textField("Name", row, "name", { id: `file-${index}-name`, placeholder: "test_solution.py" }),
      areaField("Content", row, "text", {
        id: `file-${index}-text`,
        rows: 5,
        placeholder: "from solution import add\n\ndef test_adds():\n    assert add(1, 2) == 3",
      }),
    ],
  },
};

/** Return the rows of a kind, with buttons to add and remove rows; `again` redraws the form. */
export function showCases(kind, tests, again) {
  const { list, one, fresh, fields, help, wide } = KINDS[kind];
  const rows = tests[list];
  const add = el("button", { type: "button", className: "quiet small" }, `+ Another ${one.toLowerCase()}`);
  add.addEventListener("click", () => {
    rows.push(fresh());
    again();
    document.querySelector(`#rows > :nth-child(${rows.length}) :is(textarea, input)`).focus();
  });
  const made = rows.map((row, index) =>
    el(
      "div",
      { className: "case", role: "group", "aria-label": `${one} ${index + 1}` },
      el("span", { className: "case-number", "aria-hidden": "true" }, String(index + 1)),
      el("div", { className: wide ? "stack" : "pair" }, fields(row, index)),
      el("button", {
        type: "button",
        className: "quiet remove",
        textContent: "✕",
        disabled: rows.length === 1,
        "aria-label": `Remove ${one.toLowerCase()} ${index + 1}`,
        on: { click: () => (rows.splice(index, 1), again()) },
      }),
    ),
  );
  return el(
    "div",
    { className: "cases" },
    el("div", { id: "rows", className: "rows" }, made),
    help ? el("p", { className: "help" }, help) : null,
    el("div", {}, add),
  );
}

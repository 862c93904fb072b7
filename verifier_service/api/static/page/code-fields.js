// The part of the form for programs: language, tests, limits.

import { el, fill, unfolding } from "./dom.js";
import { areaField, choiceField, segments, textField, tickField } from "./fields.js";
import { testsOf } from "./submission.js";
import { TEST_KINDS } from "./state.js";
import { showCases } from "./cases.js";
import { LIMIT_WORDS } from "./words.js";

const MAX_CASES_AS_FIELDS = 40;
const CHECKERS = {
  tokens: "tokens: the same words",
  exact: "exact: the same text",
  unordered_lines: "unordered_lines: the same lines in any order",
  float: "float: numbers within a tolerance",
  judge: "judge: my own program checks the output",
  equal: "equal: the same value",
  unordered: "unordered: the same elements in any order",
};

/** Build the fields in `place` for `form`; `info` is the answer of /v1/info, or null until it is there. */
export function showCodeFields(place, form, info) {
  const again = () => showCodeFields(place, form, info);
  const { tests } = form;
  const kinds = kindsOf(form.language, info);
  if (kinds.length && !kinds.includes(tests.kind)) tests.kind = kinds[0];
  if (tests.as === "fields" && hasTooMany(tests)) toJson(tests);
  fill(
    place,
    el(
      "div",
      { className: "grid" },
      choiceField("Language", form, "language", languages(info, form.language), { onChange: again }),
      el(
        "div",
        { className: "field" },
        el("span", { className: "label" }, "Tests"),
        segments(
          "Kind of tests",
          tests,
          "kind",
          TEST_KINDS.map((kind) => [kind, kind, kinds.includes(kind) ? "" : `not for ${form.language}`]),
          () => (toFields(tests), again()),
        ),
      ),
    ),
    tests.as === "json" ? jsonFields(tests, again) : testFields(tests, info, again),
    unfolding("Limits", () => limits(form, info), { open: Object.values(form.limits).some(Boolean) || form.deadline_s !== "" }),
  );
}

function languages(info, chosen) {
  if (!info) return [[chosen, chosen]];
  return info.languages
    .toSorted((one, other) => other.available - one.available || other.tests.length - one.tests.length)
    .map((one) => [one.name, one.available ? one.title : `${one.title} (not available)`, !one.available]);
}

const kindsOf = (language, info) =>
  info?.languages.find((one) => one.name === language)?.tests ?? (language === "python" ? TEST_KINDS : ["stdio"]);

// Tests as JSON, for everything that has no field: weights, files, keyword arguments, a thousand cases.

function jsonFields(tests, again) {
  const kept = hasTooMany(tests) ? `the first ${MAX_CASES_AS_FIELDS} cases as fields` : "fields";
  const back = el("button", { type: "button", className: "quiet small" }, `Discard, and go back to ${kept}`);
  back.addEventListener("click", () => (toFields(tests), again()));
  return [
    areaField("Tests as JSON", tests, "json", { id: "tests-json", rows: 10, help: "Same format as the field `tests` of the API." }),
    el("div", {}, back),
  ];
}

const hasTooMany = (tests) => Math.max(tests.calls.length, tests.stdio.length) > MAX_CASES_AS_FIELDS;

function toFields(tests) {
  tests.as = "fields";
  for (const name of ["calls", "stdio"]) tests[name] = tests[name].slice(0, MAX_CASES_AS_FIELDS);
}

function toJson(tests) {
  try {
    tests.json = testsOf({ ...tests, as: "fields" });
  } catch {
    tests.json ||= "{}"; // the fields are incomplete: start with an empty object
  }
  try {
    tests.json = JSON.stringify(JSON.parse(tests.json), null, 2);
  } catch {
    // not JSON to a browser, but maybe to the service (NaN): leave it unchanged
  }
  tests.as = "json";
}

function testFields(tests, info, again) {
  const asJson = el("button", { type: "button", className: "quiet small" }, "Edit as JSON");
  asJson.addEventListener("click", () => (toJson(tests), again()));
  return [...FIELDS[tests.kind](tests, info, again), more(tests, info), el("div", {}, asJson)];
}

const FIELDS = {
  call: (tests, info, again) => [
    el(
      "div",
      { className: "grid" },
      textField("Entry point", tests, "entry_point", { placeholder: "two_sum, or Solution.twoSum" }),
      checkerField(tests, info?.checkers.call ?? ["equal", "float", "unordered"], again),
    ),
    ...checkerOptions(tests, info),
    showCases("call", tests, again),
  ],
  stdio: (tests, info, again) => [
    checkerField(tests, info?.checkers.stdio ?? ["tokens", "exact", "unordered_lines", "float", "judge"], again),
    ...checkerOptions(tests, info),
    showCases("stdio", tests, again),
  ],
  assert: (tests) => [
    areaField("Tests", tests, "code", {
      id: "tests-code",
      rows: 5,
      placeholder: "assert add(1, 2) == 3",
      help: "assert statements that use the program's names, or a function check(candidate) with the entry point below.",
    }),
    textField("Entry point", tests, "entry_point", { placeholder: "only for check(candidate)" }),
  ],
  pytest: (tests, info, again) => [showCases("files", tests, again), textField("The program's module", tests, "module")],
};

function checkerField(tests, names, again) {
  if (!names.includes(tests.checker)) tests.checker = names[0];
  return choiceField("Checker", tests, "checker", names.map((name) => [name, CHECKERS[name] ?? name]), { onChange: again });
}

function checkerOptions(tests, info) {
  if (tests.checker === "float") {
    const wide = { mode: "decimal", placeholder: "1e-6" };
    return [
      el(
        "div",
        { className: "grid" },
        textField("Absolute tolerance", tests, "abs_tol", wide),
        textField("Relative tolerance", tests, "rel_tol", wide),
      ),
    ];
  }
  if (tests.checker !== "judge" || tests.kind !== "stdio") return [];
  const protocols = (info?.checkers.protocols ?? []).map((name) => [name, name]);
  return [
    el(
      "div",
      { className: "grid" },
      choiceField("The judge's language", tests.judge, "language", languages(info, tests.judge.language), { id: "judge-language" }),
      choiceField("Protocol", tests.judge, "protocol", [["", "detect from the program"], ...protocols], { id: "judge-protocol" }),
    ),
    areaField("The judge's program", tests.judge, "code", { id: "judge-code", rows: 4, placeholder: "def check(stdin, expected, actual):\n    return expected.split() == actual.split()" }),
  ];
}

function more(tests, info) {
  const shared = ["assert", "pytest"].includes(tests.kind);
  const presets = Object.keys(info?.preludes ?? {}).join(", ");
  return unfolding(
    "More options for the tests",
    () => [
      areaField("Prelude", tests, "prelude", {
        rows: 1,
        help: `Placed before the program${presets ? `; or the name of a preset: ${presets}` : ""}.`,
      }),
      shared
        ? choiceField("Process", tests, "process", [
            ["separate", "separate: tests and program in two processes"],
            ["shared", "shared: in one process, for tests that patch or inspect the program"],
          ])
        : tickField("Stop at the first failing test", tests, "stop"),
    ],
    { open: Boolean(tests.prelude) || tests.process === "shared" || tests.stop },
  );
}

function limits(form, info) {
  const rows = info?.limit_table ?? Object.keys(LIMIT_WORDS).map((name) => ({ name, unit: "", default: "", maximum: "" }));
  return el(
    "div",
    { className: "grid" },
    rows.map((row) =>
      textField(LIMIT_WORDS[row.name] ?? row.name, form.limits, row.name, {
        placeholder: String(row.default),
        mode: "decimal",
        help: row.unit ? `${row.unit}, at most ${row.maximum}` : undefined,
      }),
    ),
    textField("Deadline", form, "deadline_s", { mode: "decimal", help: "seconds until the answer is due" }),
  );
}

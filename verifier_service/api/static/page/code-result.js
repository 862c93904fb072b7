// The result of each test of a program.

import { counted, el } from "./dom.js";
import { gauge, mebibytes, seconds } from "./bars.js";
import { diff } from "./diff.js";
import { parseRaw, tidy, write } from "./json.js";
import { block, inline } from "./text.js";
import { GUARDS, VERDICTS } from "./words.js";

const FIRST_ROWS = 100;
const TOLD_CHARS = 16_384;

/** Return the parts of a code result: the compiler's messages, or the tests. */
export function codeParts(result, asked, info) {
  const { tests = [], total = 0 } = result;
  if (result.verdict === "compile_error") return compiler(result);
  if (!total && !tests.length) return null;
  const limits = limitsOf(asked, info);
  const cases = casesOf(asked);
  const rows = tests.map((test, index) => ({ test, index, given: cases[index], told: result.explanation?.[index] ?? {} }));
  const list = el("div", { className: "tests" });
  let wanted = rows;
  let shown = 0;
  const more = el("button", { type: "button", className: "quiet small" });
  const draw = () => {
    list.append(...wanted.slice(shown, shown + FIRST_ROWS).map((one) => testRow(one, limits, total <= 3 || one === firstFailed)));
    shown = Math.min(shown + FIRST_ROWS, wanted.length);
    more.hidden = shown === wanted.length;
    more.textContent = `Show more: ${shown} of ${wanted.length} are shown`;
  };
  more.addEventListener("click", draw);
  const firstFailed = rows.find(({ test }) => test.verdict !== "accepted");
  const choose = (chosen) => {
    wanted = chosen;
    shown = 0;
    list.replaceChildren();
    draw();
  };
  choose(rows);
  return el(
    "section",
    { className: "part" },
    el("div", { className: "part-head" }, el("h3", {}, `Tests: ${result.passed} of ${total} passed`), filters(rows, choose)),
    strip(tests, total),
    list,
    more,
    total > tests.length ? el("p", { className: "help" }, `${total - tests.length} later ${total - tests.length === 1 ? "test was" : "tests were"} not run.`) : null,
  );
}

function compiler(result) {
  return el("section", { className: "part" }, el("h3", {}, "What the compiler said"), block(result.message, { label: "What the compiler said" }));
}

/** Return the limits that applied to each test: the form's, else the service's defaults. */
function limitsOf(asked, info) {
  if (!asked) return {};
  const own = (name) => Number(asked.limits[name]) || Number(info?.limits.default[name]) || undefined;
  const time_limit_s = own("time_limit_s");
  return { time_limit_s, wall_limit_s: own("wall_limit_s") ?? (time_limit_s && 3 * time_limit_s + 2), memory_limit_mb: own("memory_limit_mb") };
}

/** Return the input and expected output of each test as texts; empty if the tests are code. */
function casesOf(asked) {
  if (!asked) return [];
  const { tests } = asked;
  if (tests.as === "json") return casesInJson(tests.json);
  if (tests.kind === "call") return tests.calls.map(({ args, expected }) => ({ input: args.trim(), expected: expected.trim(), isJson: true }));
  if (tests.kind === "stdio") return tests.stdio.map(({ stdin, stdout }) => ({ input: stdin, expected: stdout }));
  return [];
}

function casesInJson(text) {
  try {
    const { kind, cases = [] } = parseRaw(text);
    if (kind === "stdio") return cases.map((one) => ({ input: one.stdin ?? "", expected: one.stdout }));
    if (kind === "call") return cases.map((one) => ({ input: [one.args ?? [], one.kwargs].filter(Boolean).map(write).join(" "), expected: write(one.expected), isJson: true }));
  } catch {
    // only needed for display; the service has the last word on invalid JSON
  }
  return [];
}

function strip(tests, total) {
  const most = 400;
  if (total > most) return null;
  return el(
    "div",
    { className: "strip", "aria-hidden": "true" },
    Array.from({ length: total }, (_, index) => el("i", { className: index < tests.length ? (VERDICTS[tests[index].verdict]?.[1] ?? "unsure") : "not-run" })),
  );
}

function filters(rows, choose) {
  const failed = rows.filter(({ test }) => test.verdict !== "accepted");
  if (!failed.length || failed.length === rows.length) return null;
  const buttons = [
    [`All ${rows.length}`, rows],
    [`Failed ${failed.length}`, failed],
    [`Passed ${rows.length - failed.length}`, rows.filter(({ test }) => test.verdict === "accepted")],
  ].map(([label, chosen], index) => {
    const button = el("button", { type: "button", className: "chip", "aria-pressed": String(index === 0) }, label);
    button.addEventListener("click", () => {
      for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
      choose(chosen);
    });
    return button;
  });
  return el("div", { className: "chips" }, buttons);
}

function testRow({ test, index, given, told }, limits, open) {
  const [sign, look, word] = VERDICTS[test.verdict] ?? ["?", "unsure", test.verdict];
  const share = typeof test.score === "number" ? ` (${test.score})` : "";
  const row = el(
    "details",
    { className: `test ${look}`, data: { verdict: test.verdict } },
    el(
      "summary",
      {},
      el("span", { className: "test-sign", "aria-hidden": "true" }, sign),
      el("span", { className: "test-name" }, test.id ? inline(test.id, 200) : `Test ${index + 1}`),
      el("span", { className: "test-verdict" }, word + share),
      gauge("CPU", test.time_s ?? 0, limits.time_limit_s, seconds),
      gauge("Memory", test.memory_mb ?? 0, limits.memory_limit_mb, mebibytes),
    ),
  );
  const details = () => {
    if (row.open && row.children.length === 1) row.append(el("div", { className: "test-body" }, body(test, given, told, limits)));
  };
  row.addEventListener("toggle", details);
  if (open && test.verdict !== "accepted") {
    row.open = true;
    details();
  }
  return row;
}

const textual = (value) => (value === undefined || value === null ? null : String(value));

function body(test, given, told, limits) {
  const [actual, stderr] = [textual(told.output), textual(told.stderr)];
  const wall = typeof told.wall_s === "number" ? clock(told.wall_s, limits.wall_limit_s) : null;
  return [
    test.message ? part("Why", block(test.message, { label: "Why" })) : null,
    given ? part("Input", block(given.input, { label: "Input", empty: "nothing" })) : null,
    ...compared(test, given, actual),
    stderr === null ? null : part("Standard error", block(stderr, { label: "Standard error", empty: "nothing" })),
    test.guard ? el("p", { className: "help" }, GUARDS[test.guard] ?? inline(test.guard)) : null,
    wall,
  ];
}

/** Return the wall time. It can exceed the limit: time in which a busy machine kept the program from running is part of
 * it, but is not charged. */
const clock = (wallS, limitS) =>
  limitS && wallS > limitS
    ? el("div", {}, gauge("Wall time", wallS, undefined, seconds), el("p", { className: "help" }, `The limit is ${seconds(limitS)}; time lost to a busy machine is not charged.`))
    : gauge("Wall time", wallS, limitS, seconds);

/** Return expected and actual output, as a diff if they differ. */
function compared(test, given, actual) {
  if (!given) return actual === null ? [] : [part("Output", block(actual, { label: "Output", empty: "nothing" }))];
  const [wanted, got] = [given.expected ?? "", actual].map((text) => (given.isJson && text !== null ? tidy(text) : text));
  if (got === null) return [part("Expected", block(wanted, { label: "Expected", empty: "nothing" }))];
  const cut = got.length >= TOLD_CHARS;
  if (test.verdict === "accepted" || wanted === got || got === "") {
    return [
      el(
        "div",
        { className: "pair" },
        part("Expected", block(wanted, { label: "Expected", empty: "nothing" })),
        part("Actual", block(got, { label: "Actual", empty: "nothing" })),
      ),
      cut ? beginning() : null,
    ];
  }
  return [part("Expected and actual", diff(cut ? wanted.slice(0, TOLD_CHARS) : wanted, got)), cut ? beginning() : null];
}

const beginning = () => el("p", { className: "help" }, `The service returns only the first ${counted(TOLD_CHARS)} characters of an output.`);

const part = (title, content) => el("div", { className: "sub" }, el("h4", {}, title), content);

// Convert the form to a request to the service.

import { Raw, parse, whyNot, write } from "./json.js";
import { LIMITS } from "./state.js";

/** Something to correct before the form can be sent; `field` is the id of the input. */
export class Mistake extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/** Return the body of a request with one submission.
 *
 * Throws Mistake. */
export function bodyOf(form, label) {
  const deadline_s = number(form.deadline_s, "deadline_s");
  return write({ submissions: [form.kind === "math" ? math(form) : code(form)], deadline_s, label });
}

function math(form) {
  const references = form.references.filter((one) => one.trim());
  if (!references.length) throw new Mistake("reference-0", "Enter a reference: the correct answer.");
  return {
    kind: "math",
    completion: form.completion,
    reference: references.length === 1 ? references[0] : references,
    extract: form.extract.length ? form.extract : undefined,
    form: form.form === "equal" ? undefined : form.form,
    rounding: form.rounding === "none" ? undefined : form.rounding,
    explain: true,
  };
}

function code(form) {
  const limits = Object.fromEntries(LIMITS.map((name) => [name, number(form.limits[name], name)]));
  return {
    kind: "code",
    language: form.language,
    completion: form.completion,
    tests: new Raw(testsOf(form.tests)),
    limits: Object.values(limits).some((one) => one !== undefined) ? limits : undefined,
    explain: true,
  };
}

/** Return the tests as JSON.
 *
 * Throws Mistake. */
export function testsOf(tests) {
  if (tests.as === "json") return json(tests.json, "tests-json", "The tests");
  return write(MAKERS[tests.kind](tests));
}

const MAKERS = {
  call: (tests) => ({
    kind: "call",
    entry_point: needed(tests.entry_point.trim(), "entry_point", "Enter the name of the function to call."),
    cases: tests.calls.map((one, index) => ({
      args: new Raw(list(one.args, `call-${index}-args`)),
      expected: new Raw(json(one.expected, `call-${index}-expected`, "The expected value")),
    })),
    checker: checker(tests),
    prelude: tests.prelude || undefined,
    stop_on_failure: tests.stop || undefined,
  }),
  stdio: (tests) => ({
    kind: "stdio",
    cases: tests.stdio.map(({ stdin, stdout }) => ({ stdin: stdin || undefined, stdout })),
    checker: checker(tests),
    prelude: tests.prelude || undefined,
    stop_on_failure: tests.stop || undefined,
  }),
  assert: (tests) => ({
    kind: "assert",
    code: needed(tests.code, "tests-code", "Enter the tests: assert statements, or a function `check`."),
    entry_point: tests.entry_point.trim() || undefined,
    process: tests.process === "separate" ? undefined : tests.process,
    prelude: tests.prelude || undefined,
  }),
  pytest: (tests) => ({
    kind: "pytest",
    files: Object.fromEntries(
      tests.files.map((one, index) => [needed(one.name.trim(), `file-${index}-name`, "Enter a file name."), one.text]),
    ),
    module: tests.module.trim() || undefined,
    process: tests.process === "separate" ? undefined : tests.process,
    prelude: tests.prelude || undefined,
  }),
};

function checker(tests) {
  if (tests.checker === "float" && (tests.abs_tol || tests.rel_tol)) {
    const [abs_tol, rel_tol] = ["abs_tol", "rel_tol"].map((name) => number(tests[name], name));
    return { kind: "float", abs_tol, rel_tol };
  }
  if (tests.checker !== "judge" || tests.kind !== "stdio") return tests.checker || undefined;
  const { language, code, protocol } = tests.judge;
  return { kind: "judge", language, code: needed(code, "judge-code", "Enter the judge's program."), protocol: protocol || undefined };
}

function needed(text, field, message) {
  if (!text.trim()) throw new Mistake(field, message);
  return text;
}

function json(text, field, what) {
  if (!text.trim()) throw new Mistake(field, `${what}: enter a JSON value, such as 3, "text", [1, 2] or null.`);
  const why = whyNot(text);
  if (why) throw new Mistake(field, `${what}: this is not valid JSON. ${why}`);
  return text;
}

/** Return a list of arguments as JSON; the outer brackets are optional. */
function list(text, field) {
  const trimmed = text.trim();
  const bracketed = `[${trimmed}]`;
  const isOneList = trimmed.startsWith("[") && !whyNot(trimmed) && Array.isArray(parse(trimmed));
  return isOneList ? trimmed : json(bracketed, field, "The arguments");
}

function number(text, field) {
  if (text === undefined || !text.trim()) return undefined;
  const value = Number(text);
  if (!Number.isFinite(value)) throw new Mistake(field, `${JSON.stringify(text)}: enter a number, or leave the field empty for the default.`);
  return new Raw(text.trim().match(/^-?\d+(\.\d+)?$/) ? text.trim() : String(value));
}

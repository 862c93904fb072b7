// The form's content as plain data. Values are kept as typed, so that a shared link restores them exactly.

export const TEST_KINDS = ["call", "stdio", "assert", "pytest"];
export const LIMITS = ["time_limit_s", "wall_limit_s", "memory_limit_mb", "output_limit_kb", "max_processes"];

/** Return an empty form. */
export function empty() {
  return {
    kind: "math",
    completion: "",
    references: [""],
    form: "equal",
    rounding: "none",
    extract: [],
    language: "python",
    tests: {
      kind: "call",
      as: "fields",
      json: "",
      prelude: "",
      stop: false,
      entry_point: "",
      checker: "",
      abs_tol: "",
      rel_tol: "",
      judge: { language: "python", code: "", protocol: "" },
      calls: [{ args: "", expected: "" }],
      stdio: [{ stdin: "", stdout: "" }],
      code: "",
      files: [{ name: "test_solution.py", text: "" }],
      module: "solution",
      process: "separate",
    },
    limits: {},
    deadline_s: "",
    keep: false,
  };
}

/** Return a form with the values of `given` that fit; the rest is ignored, because a link can come from anywhere. */
export function fitted(given, pattern = empty()) {
  if (Array.isArray(pattern)) {
    if (!Array.isArray(given)) return pattern;
    const [one] = pattern;
    const items = given.filter((item) => typeof item === typeof (one ?? "")).map((item) => fitted(item, one ?? ""));
    return items.length ? items : pattern;
  }
  if (pattern !== null && typeof pattern === "object") {
    if (given === null || typeof given !== "object") return pattern;
    const names = Object.keys(pattern).length ? Object.keys(pattern) : LIMITS.filter((name) => name in given);
    return Object.fromEntries(
      names.map((name) => [name, name in given ? fitted(given[name], pattern[name] ?? "") : pattern[name]]),
    );
  }
  return typeof given === typeof pattern ? given : pattern;
}

/** Return the values that differ from an empty form: a link needs no others. */
export function difference(form, pattern = empty()) {
  if (Array.isArray(form)) return JSON.stringify(form) === JSON.stringify(pattern) ? undefined : form;
  if (form === null || typeof form !== "object") return form === pattern ? undefined : form;
  const found = Object.entries(form)
    .map(([name, value]) => [name, difference(value, pattern?.[name])])
    .filter(([, value]) => value !== undefined);
  return found.length ? Object.fromEntries(found) : undefined;
}

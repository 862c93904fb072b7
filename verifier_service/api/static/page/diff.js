// Differences between two texts, line by line, with the changed part of each line marked.

import { el } from "./dom.js";
import { visible } from "./text.js";

const MAX_LINES = 1_500;
const CONTEXT = 3;
const MAX_LINE_CHARS = 2_000;

/** Return the steps from one list of lines to another, as pairs of "same", "gone" or "new" and the line. */
export function steps(before, after) {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  const same = (lines) => lines.map((line) => ["same", line]);
  return [
    ...same(before.slice(0, start)),
    ...between(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...same(before.slice(before.length - end)),
  ];
}

/** Return the steps for lists without a common start and end: by longest common subsequence, if they are short. */
function between(before, after) {
  if (before.length * after.length > 250_000) return [...before.map((line) => ["gone", line]), ...after.map((line) => ["new", line])];
  const [rows, columns] = [before.length, after.length];
  const longest = Array.from({ length: rows + 1 }, () => new Uint32Array(columns + 1));
  for (let row = rows - 1; row >= 0; row--)
    for (let column = columns - 1; column >= 0; column--)
      longest[row][column] =
        before[row] === after[column]
          ? longest[row + 1][column + 1] + 1
          : Math.max(longest[row + 1][column], longest[row][column + 1]);
  const found = [];
  let [row, column] = [0, 0];
  while (row < rows || column < columns) {
    if (row < rows && column < columns && before[row] === after[column]) {
      found.push(["same", before[row]]);
      row++;
      column++;
    } else if (row < rows && (column === columns || longest[row + 1][column] >= longest[row][column + 1])) found.push(["gone", before[row++]]);
    else found.push(["new", after[column++]]);
  }
  return found;
}

/** Return a table of expected and actual output, line by line. */
export function diff(expected, actual) {
  const bothEnd = expected.endsWith("\n") && actual.endsWith("\n");
  const [wanted, got] = [expected, actual].map((text) => (bothEnd ? text.slice(0, -1) : text).split("\n"));
  const cut = wanted.length > MAX_LINES || got.length > MAX_LINES;
  const found = paired(steps(wanted.slice(0, MAX_LINES), got.slice(0, MAX_LINES)));
  const lines = el("div", { className: "diff", role: "table", tabIndex: 0, "aria-label": "Expected and actual, line by line" });
  const near = found.map((_, index) => found.slice(Math.max(index - CONTEXT, 0), index + CONTEXT + 1).some(([kind]) => kind !== "same"));
  let left = 0;
  found.forEach(([kind, line, other], index) => {
    if (near[index] || found.length <= 2 * CONTEXT + 2) {
      if (left) lines.append(gap(left));
      left = 0;
      lines.append(row(kind, line, other));
    } else left++;
  });
  if (left) lines.append(gap(left));
  if (cut) lines.append(el("div", { className: "gap" }, `Only the first ${MAX_LINES} lines are shown.`));
  return el(
    "div",
    {},
    lines,
    el("p", { className: "key" }, el("span", { className: "gone" }, "− expected"), el("span", { className: "new" }, "+ actual")),
  );
}

const gap = (count) => el("div", { className: "gap" }, `… ${count} equal ${count === 1 ? "line" : "lines"}`);

/** Pair each changed line with its replacement. */
function paired(found) {
  const out = [];
  for (let index = 0; index < found.length; ) {
    const gone = run(found, index, "gone");
    const fresh = run(found, index + gone.length, "new");
    if (!gone.length && !fresh.length) {
      out.push(found[index++]);
      continue;
    }
    gone.forEach(([, line], at) => out.push(["gone", line, fresh[at]?.[1]]));
    fresh.forEach(([, line], at) => out.push(["new", line, gone[at]?.[1]]));
    index += gone.length + fresh.length;
  }
  return out;
}

function run(found, from, kind) {
  let to = from;
  while (to < found.length && found[to][0] === kind) to++;
  return found.slice(from, to);
}

const SIGNS = { same: " ", gone: "−", new: "+" };
const NAMES = { same: "equal", gone: "expected", new: "actual" };

function row(kind, line, other) {
  return el(
    "div",
    { className: `line ${kind}`, role: "row" },
    el("span", { className: "sign", role: "cell", "aria-label": NAMES[kind] }, SIGNS[kind]),
    el("span", { className: "text", role: "cell" }, other === undefined ? shown(line) : marked(line, other)),
  );
}

const shown = (line) => visible(line.length > MAX_LINE_CHARS ? `${line.slice(0, MAX_LINE_CHARS)}…` : line);

/** Mark the part of a line between the start and the end that it shares with the other line. */
function marked(line, other) {
  const [one, two] = [line.slice(0, MAX_LINE_CHARS), other.slice(0, MAX_LINE_CHARS)];
  let start = 0;
  while (start < one.length && start < two.length && one[start] === two[start]) start++;
  let end = 0;
  while (end < one.length - start && end < two.length - start && one.at(-1 - end) === two.at(-1 - end)) end++;
  const middle = one.slice(start, one.length - end);
  return [
    ...visible(one.slice(0, start)),
    middle ? el("mark", {}, visible(middle)) : "",
    ...visible(one.slice(one.length - end)),
    line.length > MAX_LINE_CHARS ? "…" : "",
  ];
}

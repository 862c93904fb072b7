// JSON as the service reads it. Values that people type are sent letter for letter: parsed here, an integer of twenty
// digits would lose its last ones, and NaN, which the service takes, is no JSON to a browser.

const BARE = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

/** A text that is JSON already. */
export class Raw {
  constructor(text) {
    this.text = text;
  }
}

/** Return what a text says, with null for the numbers that a browser does not take.
 *
 * Throws SyntaxError: it is not JSON. */
export function parse(text) {
  return JSON.parse(text.replace(BARE, (found) => (found.startsWith('"') ? found : "null")));
}

const NUMBERS = /"(?:[^"\\]|\\.)*"|-?(?:\bInfinity\b|\bNaN\b|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
const MARK = "\u0000number:";

/** Return what a text says, with each number as it is written there, as a `Raw`.
 *
 * Throws SyntaxError: it is not JSON. */
export function parseRaw(text) {
  const marked = text.replace(NUMBERS, (found) => (found.startsWith('"') ? found : JSON.stringify(MARK + found)));
  return JSON.parse(marked, (_, value) => (typeof value === "string" && value.startsWith(MARK) ? new Raw(value.slice(MARK.length)) : value));
}

/** Return why a text is not JSON, or nothing. */
export function whyNot(text) {
  try {
    parse(text);
    return "";
  } catch (error) {
    return error.message;
  }
}

/** Return a value as JSON; `Raw` parts go in as they are, and what is undefined is left out. */
export function write(value) {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(write).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).filter(([, one]) => one !== undefined);
  return `{${members.map(([name, one]) => `${JSON.stringify(name)}: ${write(one)}`).join(", ")}}`;
}

const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g;
const ONE_LINE_CHARS = 60;
const MAX_TIDY_CHARS = 200_000;

/** Return a value with one space where JSON may have any, a long one with an item a line; no token is changed. */
export function tidy(text) {
  if (text.length > MAX_TIDY_CHARS) return text;
  const tokens = text.match(TOKENS) ?? [];
  const line = tokens.map((token) => (token === "," || token === ":" ? `${token} ` : token)).join("");
  if (line.length <= ONE_LINE_CHARS) return line;
  let depth = 0;
  let out = "";
  const newLine = () => (out += `\n${"  ".repeat(depth)}`);
  tokens.forEach((token, at) => {
    const opens = token === "[" || token === "{";
    const closes = token === "]" || token === "}";
    const isEmpty = opens && ["]", "}"].includes(tokens[at + 1]);
    if (closes && !["[", "{"].includes(tokens[at - 1])) {
      depth -= 1;
      newLine();
    }
    out += token === ":" ? ": " : token;
    if (opens && !isEmpty) {
      depth += 1;
      newLine();
    } else if (token === ",") newLine();
  });
  return out;
}

// JSON as the service reads it. Values that people type are sent exactly as typed: parsed here, an integer of twenty
// digits would lose its last ones, and browsers reject NaN, which the service accepts.

const BARE = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

/** A text that already is JSON. */
export class Raw {
  constructor(text) {
    this.text = text;
  }
}

/** Parse a text, with null for NaN and infinities, which browsers reject.
 *
 * Throws SyntaxError if it is not JSON. */
export function parse(text) {
  return JSON.parse(text.replace(BARE, (found) => (found.startsWith('"') ? found : "null")));
}

const NUMBERS = /"(?:[^"\\]|\\.)*"|-?(?:\bInfinity\b|\bNaN\b|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
const MARK = "\u0000number:";

/** Parse a text, with each number as a `Raw` that keeps its exact spelling.
 *
 * Throws SyntaxError if it is not JSON. */
export function parseRaw(text) {
  const marked = text.replace(NUMBERS, (found) => (found.startsWith('"') ? found : JSON.stringify(MARK + found)));
  return JSON.parse(marked, (_, value) => (typeof value === "string" && value.startsWith(MARK) ? new Raw(value.slice(MARK.length)) : value));
}

/** Return why a text is not JSON, or "". */
export function whyNot(text) {
  try {
    parse(text);
    return "";
  } catch (error) {
    return error.message;
  }
}

/** Return a value as JSON; `Raw` parts are written as they are, and undefined fields are omitted. */
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

/** Reformat JSON: single spaces, and one item per line if it is long. Tokens stay exactly as they are. */
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

// Requests to the service, by addresses relative to the page, so that it works behind a prefix.

import { key } from "./key.js";
import { parse } from "./json.js";

/** What went wrong with a request: `status` is 0 where no answer came, `problem` is the service's own document. */
export class Failure extends Error {
  constructor(status, problem, retryAfterS) {
    super(problem.detail ?? problem.title ?? "");
    this.status = status;
    this.problem = problem;
    this.retryAfterS = retryAfterS;
  }
}

/** Ask for a path and return the answer's body as text.
 *
 * Throws Failure; AbortError where `signal` says so. */
async function ask(path, { method = "GET", body, signal } = {}) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key()) headers.authorization = `Bearer ${asBytes(key())}`;
  let response;
  try {
    response = await fetch(path, { method, body, signal, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, { title: "No answer", detail: "The service does not answer. It may be starting, or gone." });
  }
  let text;
  try {
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, { title: "Cut off", detail: "The answer was cut off: the service went away meanwhile." });
  }
  if (response.ok) return text;
  throw new Failure(response.status, problemIn(text, response), Number(response.headers.get("retry-after")) || 0);
}

// A header holds bytes, one a character: a key is sent in UTF-8, as the service reads it.
const asBytes = (text) => String.fromCharCode(...new TextEncoder().encode(text));

function problemIn(text, response) {
  try {
    const found = JSON.parse(text);
    if (typeof found.title === "string") return found;
  } catch {
    // not the service's own words: a proxy's, for instance
  }
  return { title: response.statusText || "The request failed", detail: text.slice(0, 300) };
}

export const get = async (path, options) => parse(await ask(path, options));
export const getText = (path, options) => ask(path, options);
export const post = async (path, body, options) => parse(await ask(path, { method: "POST", body, ...options }));

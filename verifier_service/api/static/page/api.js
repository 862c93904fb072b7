// Requests to the service. Addresses are relative to the page, so that it works behind a path prefix.

import { key } from "./key.js";
import { parse } from "./json.js";

/** A failed request: `status` is 0 if there was no answer, `problem` is the service's problem document. */
export class Failure extends Error {
  constructor(status, problem, retryAfterS) {
    super(problem.detail ?? problem.title ?? "");
    this.status = status;
    this.problem = problem;
    this.retryAfterS = retryAfterS;
  }
}

/** Send a request and return the answer's body as text.
 *
 * Throws Failure; AbortError if `signal` is aborted. */
async function ask(path, { method = "GET", body, signal } = {}) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key()) headers.authorization = `Bearer ${asBytes(key())}`;
  let response;
  try {
    response = await fetch(path, { method, body, signal, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, { title: "No answer", detail: "The service does not answer. It may be starting, or it may have stopped." });
  }
  let text;
  try {
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, { title: "Cut off", detail: "The answer was cut off: the connection to the service was lost." });
  }
  if (response.ok) return text;
  throw new Failure(response.status, problemIn(text, response), Number(response.headers.get("retry-after")) || 0);
}

// In a header each character is one byte. The service reads keys as UTF-8, so they are encoded here.
const asBytes = (text) => String.fromCharCode(...new TextEncoder().encode(text));

function problemIn(text, response) {
  try {
    const found = JSON.parse(text);
    if (typeof found.title === "string") return found;
  } catch {
    // not from the service: from a proxy, for instance
  }
  return { title: response.statusText || "The request failed", detail: text.slice(0, 300) };
}

export const get = async (path, options) => parse(await ask(path, options));
export const getText = (path, options) => ask(path, options);
export const post = async (path, body, options) => parse(await ask(path, { method: "POST", body, ...options }));

// A submission as a link. It is compressed into the fragment, which browsers never send to a server.

import { difference, fitted } from "./state.js";

const MARK = "s=";
export const LONG_CHARS = 8_000;
const MAX_CHARS = 2_000_000;
const MAX_UNPACKED_BYTES = 8 * 1024 * 1024;

/** Return the fragment for a form. */
export async function packed(form) {
  const text = JSON.stringify({ ...difference({ ...form, keep: false }), kind: form.kind });
  return MARK + toLetters(await through(new TextEncoder().encode(text), new CompressionStream("deflate-raw")));
}

/** Return the form in a fragment; null if the fragment is not a shared form.
 *
 * Throws Error if it is incomplete or was changed. */
export async function unpacked(fragment) {
  if (!fragment.startsWith(MARK)) return null;
  if (fragment.length > MAX_CHARS) throw new Error(`it has ${fragment.length} characters`);
  const bytes = await through(fromLetters(fragment.slice(MARK.length)), new DecompressionStream("deflate-raw"));
  const form = fitted(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  return { ...form, kind: form.kind === "code" ? "code" : "math", keep: false };
}

async function through(bytes, stream) {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > MAX_UNPACKED_BYTES) throw new Error("its content is too large");
    parts.push(value);
  }
  const whole = new Uint8Array(size);
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

function toLetters(bytes) {
  const parts = [];
  for (let from = 0; from < bytes.length; from += 32_768) parts.push(String.fromCharCode(...bytes.subarray(from, from + 32_768)));
  return btoa(parts.join("")).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

const fromLetters = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));

// Display untrusted text safely: never as HTML, with invisible and direction-changing characters made visible, and long
// texts piece by piece.

import { counted, el } from "./dom.js";

const FIRST_CHARS = 20_000;
const MORE_CHARS = 200_000;

// Control characters except tab and newline, soft hyphens, zero-width and bidirectional formatting characters.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Return nodes for a text, with hidden characters shown as their code points. */
export function visible(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (found.index > from) nodes.push(text.slice(from, found.index));
    const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    nodes.push(el("span", { className: "hidden-char", title: `the character U+${code}` }, `U+${code}`));
    from = found.index + 1;
  }
  if (from < text.length) nodes.push(text.slice(from));
  return nodes;
}

/** Return a block with a text; a button shows more of a long one. */
export function block(text, { label, empty = "empty" } = {}) {
  const pre = el("pre", { className: "block", tabIndex: 0, role: "region", "aria-label": label });
  if (text === "") {
    pre.append(el("span", { className: "none" }, empty));
    return pre;
  }
  let shown = Math.min(text.length, FIRST_CHARS);
  pre.append(...visible(text.slice(0, shown)));
  if (shown === text.length) return pre;
  const more = el("button", { type: "button", className: "quiet small" });
  const say = () =>
    (more.textContent = `Show more: ${counted(shown)} of ${counted(text.length)} characters are shown`);
  more.addEventListener("click", () => {
    const next = Math.min(shown + MORE_CHARS, text.length);
    pre.append(...visible(text.slice(shown, next)));
    shown = next;
    if (shown === text.length) more.remove();
    else say();
  });
  say();
  return el("div", { className: "long" }, pre, more);
}

/** Return a text for use in a line: hidden characters are made visible, and it is truncated. */
export const inline = (text, most = 400) => visible(text.length > most ? `${text.slice(0, most)}…` : text);

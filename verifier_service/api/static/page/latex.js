// Formulas, typeset by KaTeX, which ships with the page. Its options trust no input: no links, no classes, no oversized
// elements, no endless macros.

import { el } from "./dom.js";
import { inline } from "./text.js";

const MAX_CHARS = 2_000;
const OPTIONS = { throwOnError: true, trust: false, strict: "ignore", maxSize: 10, maxExpand: 200, displayMode: true };

/** Return a formula, or its source if it cannot be typeset. */
export function formula(latex, { label } = {}) {
  const made = el("div", { className: "formula", role: "math", "aria-label": label ?? latex, tabIndex: 0 });
  if (window.katex && latex.length <= MAX_CHARS) {
    try {
      window.katex.render(latex, made, OPTIONS);
      return made;
    } catch {
      made.replaceChildren(); // not LaTeX that KaTeX knows: show the source instead
    }
  }
  made.append(el("code", {}, inline(latex, MAX_CHARS)));
  return made;
}

// Build elements from text only. Nothing here accepts HTML, so untrusted text cannot become markup.

/** Return an element. Among the properties, `on` has listeners, `data` sets `data-*`, and `style` sets style properties;
 * names with a dash, `role`, `for` and `list` become attributes. Children are nodes or texts; null, undefined and ""
 * are skipped. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) made.style.setProperty(key, one);
    else if (name.includes("-") || name === "role" || name === "for" || name === "list") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Replace all children of an element. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
}

let count = 0;

/** Return a unique id. */
export const freshId = (name) => `${name}-${++count}`;

/** Return a button that copies what `text` returns. */
export function copyButton(label, text) {
  const button = el("button", { type: "button", className: "quiet small" }, label);
  button.addEventListener("click", async () => {
    button.textContent = (await copy(text())) ? "Copied" : "Select and copy it by hand";
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

/** Copy a text to the clipboard; return whether the browser allowed it. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no permission, or the page was loaded over plain HTTP from another machine
  }
}

/** Return a number with a thin space between thousands. */
export const counted = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");

/** Return a collapsible part; its content is built when it is first opened. */
export function unfolding(title, make, properties = {}) {
  const part = el("details", properties, el("summary", {}, title));
  let made = false;
  const open = () => {
    if (!part.open || made) return;
    made = true;
    part.append(...[make()].flat());
  };
  part.addEventListener("toggle", open);
  if (properties.open) open();
  return part;
}

// The API key of this tab. It is in the session's storage and goes to this service alone.

import { byId } from "./dom.js";

const NAME = "grpo-verifier-key";
let inMemory = "";

export function key() {
  try {
    return sessionStorage.getItem(NAME) ?? inMemory;
  } catch {
    return inMemory;
  }
}

function keep(text) {
  inMemory = text;
  try {
    if (text) sessionStorage.setItem(NAME, text);
    else sessionStorage.removeItem(NAME);
  } catch {
    // storage is switched off: it holds until the page is left
  }
}

const SAYS = "This service may ask for a key. It is kept in this tab only, and forgotten when the tab is closed.";

/** Open the dialog, and say why. */
export function askForKey(why = SAYS) {
  byId("key-says").textContent = why;
  byId("key").value = key();
  if (!byId("key-dialog").open) byId("key-dialog").showModal();
  byId("key").focus();
}

/** Wire the dialog; `onChange` is called when there is another key. */
export function installKey(onChange) {
  const show = () => {
    byId("key-button").textContent = key() ? "Key ✓" : "Key";
    byId("key-button").setAttribute("aria-label", key() ? "API key: set" : "API key: none");
  };
  const changed = (text) => {
    keep(text);
    show();
    byId("key-dialog").close();
    onChange();
  };
  byId("key-button").addEventListener("click", () => askForKey());
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    changed(byId("key").value.trim());
  });
  byId("key-forget").addEventListener("click", () => changed(""));
  byId("key-close").addEventListener("click", () => byId("key-dialog").close());
  show();
}

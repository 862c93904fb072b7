// The API key of this tab. It is kept in the session storage and sent to this service only.

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
    // storage is disabled: the key lasts until the page is closed
  }
}

const SAYS = "This service may require a key. The key stays in this tab and is forgotten when you close it.";

/** Open the dialog with the reason. */
export function askForKey(why = SAYS) {
  byId("key-says").textContent = why;
  byId("key").value = key();
  if (!byId("key-dialog").open) byId("key-dialog").showModal();
  byId("key").focus();
}

/** Wire up the dialog; `onChange` is called when the key changes. */
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

// The page: send the form to the service and show the result.

import { get, post } from "./api.js";
import { showCodeFields } from "./code-fields.js";
import { byId, copy, el, fill } from "./dom.js";
import { EXAMPLES } from "./examples.js";
import { showFailure } from "./failure.js";
import { installKey } from "./key.js";
import { watch } from "./live.js";
import { showMathFields } from "./math-fields.js";
import { showRecent } from "./recent.js";
import { showNothing, showResult, showWaiting } from "./result.js";
import { LONG_CHARS, packed, unpacked } from "./share.js";
import { empty, fitted } from "./state.js";
import { bodyOf, Mistake } from "./submission.js";
import { inline } from "./text.js";

const LABEL = "page";
const WAIT_S = 20;

let form = empty();
let info = null;
let running = null;
let lookNow = () => {};

// The form

function draw() {
  for (const radio of document.getElementsByName("kind")) radio.checked = radio.value === form.kind;
  byId("completion").value = form.completion;
  byId("form").elements.keep.checked = form.keep;
  byId("math-fields").hidden = form.kind !== "math";
  byId("code-fields").hidden = form.kind !== "code";
  if (form.kind === "math") showMathFields(byId("math-fields"), form);
  else showCodeFields(byId("code-fields"), form, info);
}

function installForm() {
  for (const radio of document.getElementsByName("kind"))
    radio.addEventListener("change", () => {
      form.kind = radio.value;
      draw();
    });
  byId("completion").addEventListener("input", (event) => (form.completion = event.target.value));
  byId("form").elements.keep.addEventListener("change", (event) => (form.keep = event.target.checked));
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    judge();
  });
  byId("form").addEventListener("input", () => {
    byId("share-box").hidden = true;
    if (location.hash.startsWith("#s=")) history.replaceState(null, "", location.pathname + location.search);
    for (const marked of document.querySelectorAll("[aria-invalid]")) marked.removeAttribute("aria-invalid");
    tell("");
  });
  byId("cancel").addEventListener("click", () => running?.abort());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || byId("key-dialog").open || byId("judge").hidden) return;
    event.preventDefault();
    judge();
  });
  fill(
    byId("examples"),
    EXAMPLES.map((one) =>
      el("button", { type: "button", className: "chip", on: { click: () => take(fitted({ ...one.form, keep: form.keep })) } }, one.name),
    ),
  );
}

/** Replace the form's content. */
function take(other) {
  running?.abort();
  form = other;
  byId("share-box").hidden = true;
  tell("");
  draw();
  showNothing(byId("result"));
}

function tell(text) {
  byId("notice").hidden = !text;
  fill(byId("notice"), inline(text, 1_000));
}

// Judging

async function judge() {
  if (running) return;
  let body;
  try {
    body = bodyOf(form, form.keep ? LABEL : undefined);
  } catch (mistake) {
    if (!(mistake instanceof Mistake)) throw mistake;
    point(mistake);
    return;
  }
  running = new AbortController();
  const asked = structuredClone(form);
  const place = byId("result");
  busy(true);
  showWaiting(place);
  byId("said").textContent = "Judging";
  const beganMs = performance.now();
  try {
    const result = await (asked.keep ? stored : direct)(body, running.signal);
    byId("said").textContent = `${result.verdict.replaceAll("_", " ")}, score ${result.score ?? "none"}`;
    showResult(place, result, { asked, info, tookS: (performance.now() - beganMs) / 1000, again: judge });
  } catch (failure) {
    if (failure.name === "AbortError") showNothing(place);
    else if (failure.status === undefined) throw failure;
    else showFailure(place, failure, judge);
  } finally {
    running = null;
    busy(false);
    lookNow();
  }
  if (matchMedia("(max-width: 900px)").matches) place.scrollIntoView({ block: "start" });
}

async function direct(body, signal) {
  const answer = await post("v1/verify", body, { signal });
  return answer.results[0];
}

async function stored(body, signal) {
  const { ids } = await post("v1/submissions", body, { signal });
  signal.addEventListener("abort", () => post(`v1/submissions/${encodeURIComponent(ids[0])}/cancel`, "").catch(() => {}));
  for (;;) {
    const found = await get(`v1/submissions/${encodeURIComponent(ids[0])}?wait_s=${WAIT_S}`, { signal });
    if (found.result) return found.result;
    if (found.state === "cancelled") throw new DOMException("it was cancelled", "AbortError");
  }
}

function busy(is) {
  byId("submit").disabled = is;
  byId("cancel").hidden = !is;
  byId("result").setAttribute("aria-busy", String(is));
}

/** Show what has to be corrected, and focus that field. */
function point({ field, message }) {
  tell(message);
  const input = byId(field);
  if (!input) return;
  input.closest("details")?.setAttribute("open", "");
  input.setAttribute("aria-invalid", "true");
  input.focus();
}

// Sharing

function installShare() {
  const link = byId("share-link");
  byId("share").addEventListener("click", async () => {
    const fragment = await packed(form);
    history.replaceState(null, "", `#${fragment}`);
    link.value = location.href;
    byId("share-box").hidden = false;
    byId("share-says").textContent = saying(link.value.length);
    byId("share-box").scrollIntoView({ block: "nearest" });
    link.select();
    if (await copy(link.value)) byId("share-says").prepend("Copied. ");
  });
  byId("share-copy").addEventListener("click", async () => {
    link.select();
    byId("share-copy").textContent = (await copy(link.value)) ? "Copied" : "Copy it by hand";
    setTimeout(() => (byId("share-copy").textContent = "Copy"), 1500);
  });
}

const saying = (chars) =>
  chars > LONG_CHARS
    ? `This link is long (${chars.toLocaleString("en")} characters): browsers open it, but chat and mail programs may cut it off. If it has to arrive whole, send the submission as a file.`
    : "The link contains the whole submission after the #, a part that browsers never send to a server. Opening it needs access to this service.";

// Views

async function show() {
  const fragment = location.hash.slice(1);
  const recent = fragment === "recent";
  byId("judge").hidden = recent;
  byId("recent").hidden = !recent;
  byId("to-judge").ariaCurrent = recent ? null : "page";
  byId("to-recent").ariaCurrent = recent ? "page" : null;
  if (recent) {
    showRecent(byId("recent"), () => info);
    return;
  }
  try {
    const shared = await unpacked(fragment);
    if (shared) take(shared);
    byId("form").dataset.taken = fragment.length;
  } catch (error) {
    tell(`The link cannot be read: it is incomplete or was changed (${error.message}).`);
  }
}

async function learn() {
  try {
    info = await get("v1/info");
    fill(byId("foot"), `grpo-verifier ${info.version}`, el("span", {}, `sandbox: ${info.runner}`), el("span", {}, `up to ${info.max_body_mb} MB per request`));
    if (form.kind === "code") draw();
  } catch (failure) {
    if (failure.status === undefined) throw failure;
    fill(byId("foot"), failure.status === 401 ? "Enter a key to see what this service can judge." : "");
  }
}

function start() {
  window.theme.install(byId("theme-button"));
  installKey(() => {
    learn();
    lookNow();
    if (!byId("recent").hidden) show();
  });
  installForm();
  installShare();
  draw();
  showNothing(byId("result"));
  lookNow = watch(byId("live"));
  addEventListener("hashchange", show);
  learn();
  show();
}

start();

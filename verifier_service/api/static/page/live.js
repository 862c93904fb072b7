// How the service is now: ready or not, its boxes, who waits. Asked for while the page can be seen.

import { el, fill } from "./dom.js";
import { getText } from "./api.js";
import { key } from "./key.js";

const EVERY_MS = 5_000;
const MAX_PAUSE_MS = 60_000;

/** Show in `place` how the service is, again and again. Returns a function that asks at once. */
export function watch(place) {
  let timer = 0;
  let pauseMs = EVERY_MS;
  const look = async () => {
    clearTimeout(timer);
    if (!document.hidden) {
      const [ready, counts] = await Promise.all([readiness(), load()]);
      pauseMs = counts.ok ? EVERY_MS : Math.min(Math.max(2 * pauseMs, 1000 * (counts.waitS ?? 0)), MAX_PAUSE_MS);
      show(place, ready, counts);
    }
    clearTimeout(timer);
    timer = setTimeout(look, pauseMs);
  };
  document.addEventListener("visibilitychange", () => document.hidden || look());
  look();
  return () => ((pauseMs = EVERY_MS), look());
}

async function readiness() {
  try {
    const response = await fetch("readyz", { cache: "no-store" });
    const told = await response.json();
    return { there: true, ready: told.ready === true, reasons: told.reasons ?? {}, warnings: told.warnings ?? {} };
  } catch {
    return { there: false, ready: false, reasons: {}, warnings: {} };
  }
}

let refused = null;

/** Ask for what the service counts; a key that was refused once is not tried again. */
async function load() {
  if (refused !== null && refused === key()) return { ok: false, status: 401 };
  refused = null;
  try {
    return { ok: true, ...read(await getText("metrics")) };
  } catch (failure) {
    if (failure.status === 401) refused = key();
    return { ok: false, status: failure.status, waitS: failure.retryAfterS };
  }
}

/** Return what is of use here of a text in the format of Prometheus. */
export function read(text) {
  const values = Object.fromEntries([...text.matchAll(/^(verifier_\w+(?:\{[^}]*\})?) (\S+)$/gm)].map(([, name, value]) => [name, Number(value)]));
  const of = (name) => values[name] ?? 0;
  return {
    busy: of('verifier_boxes{state="busy"}'),
    idle: of('verifier_boxes{state="idle"}'),
    waiting: of("verifier_turns_waiting"),
    inHand: of("verifier_submissions_in_hand"),
    stored: ["queued", "delayed", "suspect", "running"].reduce((sum, state) => sum + of(`verifier_durable_submissions{state="${state}"}`), 0),
  };
}

function show(place, ready, counts) {
  const state = !ready.there ? "gone" : ready.ready ? "ready" : "warming";
  const words = { gone: "No answer", ready: "Ready", warming: "Not ready" }[state];
  const reasons = [...Object.entries(ready.reasons), ...Object.entries(ready.warnings)].map(([name, why]) => `${name}: ${why}`);
  const dot = el("span", { className: `dot ${state}`, "aria-hidden": "true" });
  const status = el("span", { className: "live-state", title: reasons.join("\n") }, dot, words);
  if (!counts.ok) {
    fill(place, status, counts.status === 401 ? el("span", { className: "faint" }, "enter a key to see the queue") : null);
    return;
  }
  const boxes = counts.busy + counts.idle;
  fill(
    place,
    status,
    item("boxes", `${counts.busy}/${boxes}`, "Sandboxes that run a program now, of those that are there"),
    item("waiting", counts.waiting, "Programs that wait for a sandbox"),
    item("in hand", counts.inHand, "Submissions that are waiting or running"),
    counts.stored ? item("stored", counts.stored, "Stored submissions that are not done") : null,
  );
}

const item = (label, value, title) => el("span", { className: "live-item", title }, el("b", {}, String(value)), ` ${label}`);

// The service's current state: readiness, boxes, queue. Polled only while the page is visible.

import { el, fill } from "./dom.js";
import { getText } from "./api.js";
import { key } from "./key.js";

const EVERY_MS = 5_000;
const MAX_PAUSE_MS = 60_000;

/** Keep the service's state in `place` up to date. Returns a function that refreshes it at once. */
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

/** Fetch the service's metrics; a key that was refused is not tried again. */
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

/** Return the numbers needed here from metrics in Prometheus text format. */
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
    item("boxes", `${counts.busy}/${boxes}`, "Busy boxes / all boxes"),
    item("waiting", counts.waiting, "Programs waiting for a box"),
    item("in flight", counts.inHand, "Submissions waiting or running"),
    counts.stored ? item("stored", counts.stored, "Durable submissions that are not done") : null,
  );
}

const item = (label, value, title) => el("span", { className: "live-item", title }, el("b", {}, String(value)), ` ${label}`);

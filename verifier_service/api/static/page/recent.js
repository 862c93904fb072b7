// Durable submissions and their results, newest first.

import { el, fill } from "./dom.js";
import { get } from "./api.js";
import { choiceField, textField } from "./fields.js";
import { showFailure } from "./failure.js";
import { showResult } from "./result.js";
import { inline } from "./text.js";
import { VERDICTS } from "./words.js";

const PAGE = 50;
const AGES = [["", "at any time"], ["1", "in the last hour"], ["24", "in the last day"], ["168", "in the last week"]];
const STATES = ["queued", "running", "done", "cancelled"];

const wanted = { state: "", kind: "", verdict: "", hours: "", label: "", batch_id: "" };

/** Build the view in `place` and load the first page; `info` returns the answer of /v1/info. */
export function showRecent(place, info) {
  const list = el("div", { className: "rows-list" });
  const more = el("button", { type: "button", hidden: true }, "Load older");
  const says = el("p", { className: "help", role: "status" });
  const seen = [];
  let cursor = null;
  let latest = 0;

  const load = async (fresh) => {
    const mine = (latest += 1);
    if (fresh) {
      seen.length = 0;
      cursor = null;
      says.textContent = "Loading …";
    }
    try {
      const page = await get(address(cursor));
      if (mine !== latest) return; // a later request, perhaps with other filters, is under way or was answered
      cursor = page.next_cursor;
      seen.push(...page.submissions);
      draw();
    } catch (failure) {
      if (failure.status === undefined) throw failure;
      if (mine !== latest) return;
      says.textContent = "";
      more.hidden = true;
      if (failure.status === 503) fill(list, nothing("Nothing is stored here", failure.problem.detail));
      else showFailure(list, failure, () => load(true));
    }
  };

  const draw = () => {
    const shown = wanted.verdict ? seen.filter((one) => one.result?.verdict === wanted.verdict) : seen;
    more.hidden = cursor === null;
    says.textContent = wanted.verdict ? `${shown.length} of ${seen.length} loaded` : seen.length ? `${seen.length} shown` : "";
    fill(list, shown.length ? shown.map((one) => row(one, info)) : nothing(...empty()));
  };

  more.addEventListener("click", () => load(false));
  fill(
    place,
    el(
      "div",
      { className: "panel-head" },
      el("h1", { id: "recent-title" }, "Recent submissions"),
      el("button", { type: "button", on: { click: () => load(true) } }, "Refresh"),
    ),
    el("div", { className: "grid filters", role: "search", "aria-label": "Filters" }, filters(() => load(true), draw)),
    says,
    list,
    more,
  );
  load(true);
}

function address(cursor) {
  const asked = { state: wanted.state, kind: wanted.kind, label: wanted.label.trim(), batch_id: wanted.batch_id.trim() };
  if (wanted.hours) asked.since = new Date(Date.now() - 3_600_000 * wanted.hours).toISOString();
  if (cursor) asked.cursor = cursor;
  const given = Object.entries(asked).filter(([, value]) => value);
  return `v1/submissions?${new URLSearchParams([...given, ["limit", PAGE]])}`;
}

function filters(load, draw) {
  const any = (text, names) => [["", text], ...names.map((name) => [name, name])];
  const typed = [
    textField("Label", wanted, "label", { id: "filter-label", className: "" }),
    textField("Batch", wanted, "batch_id", { id: "filter-batch" }),
  ];
  for (const field of typed) field.querySelector("input").addEventListener("change", load);
  return [
    choiceField("State", wanted, "state", any("any", STATES), { id: "filter-state", onChange: load }),
    choiceField("Kind", wanted, "kind", any("any", ["math", "code"]), { id: "filter-kind", onChange: load }),
    choiceField("Verdict", wanted, "verdict", any("any", Object.keys(VERDICTS)), { id: "filter-verdict", onChange: draw }),
    choiceField("Stored", wanted, "hours", AGES, { id: "filter-hours", onChange: load }),
    ...typed,
  ];
}

function empty() {
  const filtered = Object.values(wanted).some(Boolean);
  return filtered
    ? ["Nothing matches these filters", "Remove some to see more."]
    : ["Nothing is stored yet", "Submissions sent to POST /v1/submissions appear here, and those judged on this page with “Keep under Recent”. If the service has keys, each client sees only its own."];
}

const nothing = (title, says) => el("div", { className: "blank small" }, el("h2", {}, title), el("p", {}, inline(says ?? "", 600)));

function row(one, info) {
  const verdict = one.result?.verdict;
  const [sign, look, word] = VERDICTS[verdict] ?? ["…", "unsure", one.state];
  const score = typeof one.result?.score === "number" ? Number(one.result.score.toFixed(4)) : "–";
  const details = el(
    "details",
    { className: `stored ${look}` },
    el(
      "summary",
      {},
      el("span", { className: "test-sign", "aria-hidden": "true" }, sign),
      el("span", { className: "stored-verdict" }, word),
      el("span", { className: "stored-score" }, String(score)),
      el("span", { className: "stored-kind" }, inline(one.kind)),
      el("span", { className: "stored-name" }, inline(one.submission_id || saying(one.result) || one.id, 120)),
      when(one.created_at),
    ),
  );
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    const place = el("div", { className: "result" });
    details.append(
      facts(one),
      one.result ? place : el("p", { className: "help" }, `State: ${one.state}${one.position ? `; ${one.position} ahead of it in the queue` : ""}.`),
    );
    if (one.result) showResult(place, one.result, { info: info() });
  });
  return details;
}

const saying = (result) => result?.message || (result?.total ? `${result.passed} of ${result.total} tests passed` : "");

function when(text) {
  const time = new Date(text);
  const passedS = Math.max((Date.now() - time) / 1000, 0);
  const [amount, unit] = passedS < 90 ? [passedS, "s"] : passedS < 5_400 ? [passedS / 60, "min"] : passedS < 130_000 ? [passedS / 3600, "h"] : [passedS / 86_400, "d"];
  return el("time", { dateTime: text, title: time.toLocaleString() }, `${Math.round(amount)} ${unit} ago`);
}

function facts(one) {
  const told = [
    ["id", one.id],
    ["batch", one.batch_id],
    ["sent as", one.submission_id],
    ["attempts", one.attempt > 1 ? `${one.attempt}; the last failure: ${one.attempts.at(-1)?.reason ?? "?"}` : ""],
    ["finished", one.finished_at ? new Date(one.finished_at).toLocaleString() : ""],
  ];
  return el(
    "dl",
    { className: "facts" },
    told.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, inline(value)))),
  );
}

// Show why a request failed, and what to do about it.

import { el, fill } from "./dom.js";
import { askForKey } from "./key.js";
import { inline } from "./text.js";

const HINTS = {
  0: "The form is unchanged. Try again when the service is back.",
  401: "This service requires a key.",
  403: "The service sees this page as part of another site. Open the page at the service's own address.",
  413: "Shorten the completion or the tests, or ask the service's operator for a larger VERIFIER_MAX_BODY_MB.",
  421: "Open the page by IP address, or by a name in VERIFIER_ALLOWED_HOSTS.",
  429: "This key, or this address, has sent too many requests.",
  503: "The service is busy, starting, or shutting down.",
  504: "The request was not finished in time.",
};

/** Show why a request failed; `again` repeats it. */
export function showFailure(place, failure, again) {
  const { status, problem, retryAfterS } = failure;
  const fields = problem.errors ?? [];
  const retry = again ? el("button", { type: "button", on: { click: again } }, "Try again") : null;
  if (status === 401) askForKey(`${problem.detail}. Enter a key for this service; it stays in this tab.`);
  fill(
    place,
    el(
      "div",
      { className: "banner unsure failure", role: "alert", data: { status } },
      el("span", { className: "banner-sign", "aria-hidden": "true" }, "!"),
      el("div", { className: "banner-text" }, el("h2", {}, inline(problem.title ?? "The request failed")), el("p", { className: "meaning" }, HINTS[status] ?? "The request was not judged.")),
      status ? el("div", { className: "score" }, el("span", { className: "score-label" }, "HTTP"), el("strong", {}, String(status))) : null,
      problem.detail ? el("p", { className: "message" }, inline(problem.detail, 2_000)) : null,
      fields.length > 1
        ? el(
            "ul",
            { className: "signals" },
            fields.map((one) => el("li", {}, el("code", {}, inline(one.field)), one.value ? ` ${one.value}` : "", ": ", inline(one.allowed))),
          )
        : null,
      el("div", { className: "actions" }, retry, status === 401 ? el("button", { type: "button", on: { click: () => askForKey() } }, "Enter the key") : null),
      retryAfterS ? countdown(retryAfterS) : null,
      problem.request_id ? el("p", { className: "help" }, "Request ", el("code", {}, inline(problem.request_id)), " in the service's log") : null,
    ),
  );
}

function countdown(leftS) {
  const says = el("p", { className: "help" });
  const tell = () => (says.textContent = leftS > 0 ? `Please wait ${leftS} s before you try again.` : "You can try again now.");
  tell();
  const timer = setInterval(() => {
    leftS -= 1;
    tell();
    if (leftS <= 0 || !says.isConnected) clearInterval(timer);
  }, 1000);
  return says;
}

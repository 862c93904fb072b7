// What a person is told when a request failed, and what can be done.

import { el, fill } from "./dom.js";
import { askForKey } from "./key.js";
import { inline } from "./text.js";

const HINTS = {
  0: "Nothing was lost: the form is as it was. Try again when it is back.",
  401: "This service asks for a key.",
  403: "The service takes this for a page of another site. Open it by the address that it is served at.",
  413: "Make the completion or the tests smaller, or ask who runs the service for a larger VERIFIER_MAX_BODY_MB.",
  421: "Open the page by an address, or by a name that VERIFIER_ALLOWED_HOSTS has.",
  429: "The key, or this address, has asked too often.",
  503: "It is busy, starting, or ending.",
  504: "It was not done in time.",
};

/** Show why a request failed; `again` sends it once more. */
export function showFailure(place, failure, again) {
  const { status, problem, retryAfterS } = failure;
  const fields = problem.errors ?? [];
  const retry = again ? el("button", { type: "button", on: { click: again } }, "Try again") : null;
  if (status === 401) askForKey(`${problem.detail}. Enter a key of this service; it is kept in this tab only.`);
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
  const tell = () => (says.textContent = leftS > 0 ? `It asks to wait ${leftS} s.` : "It may be asked again now.");
  tell();
  const timer = setInterval(() => {
    leftS -= 1;
    tell();
    if (leftS <= 0 || !says.isConnected) clearInterval(timer);
  }, 1000);
  return says;
}

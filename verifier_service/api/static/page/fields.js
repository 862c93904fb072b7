// Inputs, each for one value of the form: what is typed goes into `data[name]` at once.

import { el } from "./dom.js";

/** Return a labelled input; `id` defaults to the name. */
export function textField(label, data, name, { id = name, help, placeholder, mode, className = "code" } = {}) {
  const input = el("input", {
    id,
    className,
    value: data[name] ?? "",
    placeholder: placeholder ?? "",
    inputMode: mode ?? "text",
    autocomplete: "off",
    spellcheck: false,
    "autocapitalize": "off",
    "aria-describedby": help ? `${id}-help` : undefined,
    on: { input: () => (data[name] = input.value) },
  });
  return labelled(label, id, input, help);
}

/** Return a labelled text area, which grows with its content. */
export function areaField(label, data, name, { id = name, help, rows = 3, placeholder } = {}) {
  const area = el("textarea", {
    id,
    className: "code grows",
    rows,
    value: data[name] ?? "",
    placeholder: placeholder ?? "",
    spellcheck: false,
    "aria-describedby": help ? `${id}-help` : undefined,
    on: { input: () => (data[name] = area.value) },
  });
  return labelled(label, id, area, help);
}

/** Return a labelled drop-down; `options` has triples of value, text and whether it is disabled. */
export function choiceField(label, data, name, options, { id = name, help, onChange } = {}) {
  const known = options.some(([value]) => value === data[name]) ? options : [[data[name], data[name] || "—"], ...options];
  const select = el(
    "select",
    {
      id,
      "aria-describedby": help ? `${id}-help` : undefined,
      on: {
        change: () => {
          data[name] = select.value;
          onChange?.();
        },
      },
    },
    known.map(([value, text, off]) => el("option", { value, disabled: Boolean(off) }, text)),
  );
  select.value = data[name];
  return labelled(label, id, select, help);
}

/** Return a labelled checkbox. */
export function tickField(label, data, name, { id = name } = {}) {
  const input = el("input", { type: "checkbox", id, checked: data[name], on: { change: () => (data[name] = input.checked) } });
  return el("label", { className: "check", for: id }, input, el("span", {}, label));
}

/** Return a row of radio buttons, for a few options. */
export function segments(label, data, name, options, onChange) {
  return el(
    "div",
    { className: "segments", role: "radiogroup", "aria-label": label },
    options.map(([value, text, off]) => {
      const input = el("input", {
        type: "radio",
        name: `segment-${name}`,
        value,
        checked: data[name] === value,
        disabled: Boolean(off),
        on: {
          change: () => {
            data[name] = value;
            onChange();
          },
        },
      });
      return el("label", { title: off || undefined }, input, el("span", {}, text));
    }),
  );
}

function labelled(label, id, input, help) {
  return el(
    "div",
    { className: "field" },
    el("label", { for: id }, label),
    input,
    help ? el("p", { className: "help", id: `${id}-help` }, help) : null,
  );
}

// Dialogs that ask before something is changed, and do it while they are open.

import { h, renew } from "./dom.js";
import { button, note, trouble } from "./parts.js";

let ids = 0;

/**
 * Ask, then act.
 * @param fields [{name, label, kind: text|number|json|tick|choice|when, value, hint, options, needed, min, max}]
 * @param act called with the values; throws a Refusal, which the dialog shows
 * @param look called with the values whenever they change; what it answers is shown (a dry run)
 * @returns what `act` answered, or null
 */
export function asking({ title, text, yes, isDanger = false, isBroad = false, fields = [], act, look, done }) {
  return new Promise((settle) => {
    const id = `asking-${(ids += 1)}`;
    const problem = h("div", {});
    const found = h("p", { class: "found", hidden: true, role: "status" });
    const confirm = h("button", { type: "submit", class: `button primary ${isDanger ? "danger" : ""}` }, yes);
    let answer = null;
    const inputs = fields.map((field) => [field, control(field, id)]);

    const submit = async (event) => {
      event.preventDefault();
      confirm.disabled = true;
      renew(problem);
      try {
        answer = (await act(valuesOf(inputs))) ?? {};
        if (done) note(typeof done === "function" ? done(answer) : done);
        dialog.close();
      } catch (error) {
        renew(problem, trouble(error));
        confirm.disabled = false;
      }
    };
    const form = h(
      "form",
      { method: "dialog", on: { submit, input: () => look && later() } },
      h("h2", { id }, title),
      text && h("p", {}, text),
      inputs.map(([field, input]) => shown(field, input)),
      found,
      problem,
      h("div", { class: "deeds" }, button("Leave it", () => dialog.close(), { tone: "bare" }), confirm),
    );
    const dialog = h("dialog", { class: isBroad && "broad", "aria-labelledby": id, on: { close: () => (dialog.remove(), settle(answer)) } }, form);
    const later = debounced(() => looked(look, inputs, found), 250);
    document.body.append(dialog);
    dialog.showModal();
    if (fields.length === 0) confirm.focus();
    if (look) looked(look, inputs, found);
  });
}

/** Show something in a dialog that only closes. */
export function showing(title, ...children) {
  const id = `asking-${(ids += 1)}`;
  const dialog = h(
    "dialog",
    { "aria-labelledby": id, on: { close: () => dialog.remove() } },
    h("form", { method: "dialog" }, h("h2", { id }, title), children, h("div", { class: "deeds" }, h("button", { class: "button primary" }, "Close"))),
  );
  document.body.append(dialog);
  dialog.showModal();
}

async function looked(look, inputs, found) {
  try {
    const text = await look(valuesOf(inputs));
    found.textContent = text ?? "";
    found.hidden = !text;
  } catch (error) {
    found.textContent = error.message;
    found.hidden = false;
  }
}

function control(field, id) {
  const given = { name: field.name, id: `${id}-${field.name}`, required: field.needed, "aria-describedby": field.hint && `${id}-${field.name}-hint` };
  if (field.kind === "json") return h("textarea", { ...given, spellcheck: "false", rows: String(field.rows ?? 12) }, JSON.stringify(field.value ?? {}, null, 2));
  if (field.kind === "tick") return h("input", { ...given, type: "checkbox", checked: field.value });
  if (field.kind === "choice") {
    return h("select", given, field.options.map(([key, text]) => h("option", { value: key, selected: key === field.value }, text)));
  }
  const type = { number: "number", when: "datetime-local" }[field.kind] ?? "text";
  return h("input", { ...given, type, value: field.value ?? "", min: field.min, max: field.max, step: field.kind === "number" ? "any" : null, autocomplete: "off" });
}

function shown(field, input) {
  const hint = field.hint && h("span", { class: "hint", id: input.getAttribute("aria-describedby") }, field.hint);
  if (field.kind === "tick") return h("div", { class: "field" }, h("span", { class: "tick" }, input, h("label", { for: input.id }, field.label)), hint);
  return h("div", { class: "field" }, h("label", { for: input.id }, field.label), input, hint);
}

function valuesOf(inputs) {
  return Object.fromEntries(inputs.map(([field, input]) => [field.name, valueOf(field, input)]));
}

function valueOf(field, input) {
  if (field.kind === "tick") return input.checked;
  if (field.kind === "number") return input.value === "" ? null : Number(input.value);
  if (field.kind === "when") return input.value === "" ? null : new Date(input.value).toISOString();
  if (field.kind !== "json") return input.value.trim() === "" ? null : input.value.trim();
  try {
    return JSON.parse(input.value);
  } catch (error) {
    throw new Error(`${field.label} is not JSON: ${error.message}.`, { cause: error });
  }
}

function debounced(call, milliseconds) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, milliseconds);
  };
}

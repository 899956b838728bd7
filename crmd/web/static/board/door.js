// The way in: a key, checked before anything is shown.

import { h, renew } from "./dom.js";
import { trouble } from "./parts.js";
import { enter } from "./wire.js";

/** Ask for a key, and call `opened` when it is good. */
export function door(root, reason, opened) {
  document.title = "Log in · crmd";
  const problem = h("div", {}, reason && trouble({ message: reason }));
  const input = h("input", { id: "key", name: "key", type: "password", required: true, autocomplete: "current-password", spellcheck: "false", placeholder: "crmd_…" });
  const button = h("button", { type: "submit", class: "button primary" }, "Log in");
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    renew(problem);
    try {
      await enter(input.value.trim());
      opened();
    } catch (error) {
      renew(problem, trouble(error));
      button.disabled = false;
      input.select();
    }
  };
  root.replaceChildren(
    h(
      "div",
      { class: "door" },
      h(
        "main",
        { class: "card", id: "page", tabindex: "-1" },
        h("div", { class: "brand" }, h("img", { src: "/static/board/icon.svg", alt: "" }), "crmd"),
        h("h1", {}, "Log in to the dashboard"),
        problem,
        h(
          "form",
          { on: { submit } },
          h("div", { class: "field" }, h("label", { for: "key" }, "Key of an operator"), input),
          button,
        ),
        h("p", { class: "small" }, "Make one where the daemon runs: ", h("code", {}, "crmd keys create me --scope admin"), ". It stays in this tab, and is gone when the tab is closed."),
      ),
    ),
  );
  input.focus();
}

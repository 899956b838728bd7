// What followed from what: events and jobs as a tree of causes.

import { h } from "./dom.js";
import { tail, when } from "./format.js";
import { badge } from "./parts.js";
import { to } from "./router.js";

/** The tree of a trace; `here` marks one node. */
export function chain(nodes, here = "") {
  const known = new Set(nodes.map((node) => node.id));
  const under = Map.groupBy(nodes, (node) => (known.has(node.cause) && node.cause !== node.id ? node.cause : ""));
  const drawn = new Set();
  const branch = (cause) => {
    const found = (under.get(cause) ?? []).filter((node) => !drawn.has(node.id));
    for (const node of found) drawn.add(node.id);
    return found.length ? h("ul", { class: "chain" }, found.map((node) => leaf(node, here, branch))) : null;
  };
  return branch("");
}

function leaf(node, here, branch) {
  const name = to(node.kind === "job" ? "job" : "events", node.id);
  return h(
    "li",
    { "data-kind": node.kind, "data-is-here": node.id === here },
    h("div", { class: "row" }, h("a", { href: name }, node.type), node.status && badge(node.status), tail(node.id), h("span", { class: "small faint" }, when(node.at))),
    branch(node.id),
  );
}

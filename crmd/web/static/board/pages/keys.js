// Keys of the API: made, listed, revoked. A secret is shown once.

import { asking, showing } from "../asking.js";
import { h } from "../dom.js";
import { tail, when } from "../format.js";
import { kept } from "../page.js";
import { button, head, nothing, table, tag } from "../parts.js";
import { ask, read, send } from "../wire.js";

export const title = "Keys";
const ABOUT = "Who may ask the API, and for what. Two keys of one client may live at a time, so that they can be exchanged.";
const SCOPES = [["read", "read – look"], ["enqueue", "enqueue – start and stop jobs"], ["manage", "manage – bulk, schedules, webhooks"], ["admin", "admin – everything"]];
const DAYS = [["", "never"], ["30", "in 30 days"], ["90", "in 90 days"], ["365", "in a year"]];

export function show(page) {
  const again = kept(page, {
    fetch: (signal) => read("/api/keys", {}, signal),
    before: () => head({ title, about: ABOUT }),
    draw: ({ keys }) => [
      head({ title, about: ABOUT, deeds: [button("New key…", () => make(again), { tone: "primary", sign: "plus" })] }),
      h("section", { class: "card", "aria-label": "Keys" }, keys.length ? table("Keys", columns(again), keys, { key: (one) => one.id }) : nothing("No keys", "Make one for each program that asks.", { sign: "keys" })),
    ],
    every: 30,
  });
}

function columns(again) {
  return [
    { label: "Client", kind: "lead", cell: (one) => h("div", { class: "lead-words" }, h("span", { class: "strong" }, one.client), h("span", { class: "under mono" }, `crmd_${one.id}_…`)) },
    { label: "May", kind: "wide", cell: (one) => h("span", { class: "pieces" }, one.scopes.map((scope) => tag(scope, scope === "admin" ? "warn" : ""))) },
    { label: "Workspace", cell: (one) => (one.workspaceId ? tail(one.workspaceId) : "all") },
    { label: "Job types", cell: (one) => (one.jobTypes ? one.jobTypes.join(", ") : "all") },
    { label: "Last used", kind: "right", cell: (one) => when(one.lastUsedAt, "never") },
    { label: "Made", kind: "right", cell: (one) => when(one.createdAt) },
    { label: "Ends", kind: "right", cell: (one) => (one.revokedAt ? h("span", { class: "bad" }, "revoked") : when(one.expiresAt, "never")) },
    { label: "", kind: "right last wide", cell: (one) => !one.revokedAt && h("div", { class: "deeds" }, button("Revoke…", () => revoke(one, again), { tone: "small danger", label: `Revoke the key of ${one.client}` })) },
  ];
}

async function make(again) {
  const told = await asking({
    title: "New key",
    text: "The key is shown once, when it is made; only its hash is kept.",
    yes: "Make it",
    fields: [
      { name: "client", label: "Client", needed: true, hint: "The program or person that it is for." },
      { name: "scope", label: "May", kind: "choice", value: "read", options: SCOPES },
      { name: "workspaceId", label: "Workspace", hint: "Its id. Empty: all workspaces, as operators." },
      { name: "days", label: "Ends", kind: "choice", value: "90", options: DAYS },
    ],
    act: ({ client, scope, workspaceId, days }) =>
      send("/api/keys", {
        client,
        scopes: scope === "enqueue" ? ["read", "enqueue"] : scope === "manage" ? ["read", "enqueue", "manage"] : [scope],
        ...(workspaceId ? { workspaceId } : {}),
        ...(days ? { expiresAt: new Date(Date.now() + Number(days) * 86_400_000).toISOString() } : {}),
      }),
  });
  if (told) showing("The new key", h("p", {}, "Copy it now; it cannot be shown again."), h("p", { class: "secret" }, told.key));
  again();
}

function revoke(one, again) {
  return asking({
    title: `Revoke the key of ${one.client}?`,
    text: "Whoever uses it is refused within seconds.",
    yes: "Revoke",
    isDanger: true,
    act: () => ask("DELETE", `/api/keys/${encodeURIComponent(one.id)}`),
    done: "The key is revoked.",
  }).then(again);
}

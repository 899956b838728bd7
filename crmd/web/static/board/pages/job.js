// One job: what it is, why it stands where it stands, what happened, and what can be done.

import { chain } from "../chain.js";
import { h } from "../dom.js";
import { atSecond, between, number, percent, plural, span, tail, when } from "../format.js";
import { icon } from "../icons.js";
import { kept } from "../page.js";
import { badge, bar, button, card, copyable, facts, head, json, table, tag } from "../parts.js";
import { to } from "../router.js";
import { cancelJob, editJob, isOver, retryJob } from "../verbs.js";
import { read } from "../wire.js";
import { COLUMNS } from "./jobs.js";

export const title = "Job";
const AGAIN = new Set(["completed", "failed", "dead", "cancelled"]);

export function show(page) {
  const root = `/api/jobs/${encodeURIComponent(page.id)}`;
  const log = { lines: [], after: 0 };
  const fetch = async (signal) => {
    const job = await read(root, {}, signal);
    const [details, why, children, trace] = await Promise.all([
      read(`${root}/details`, {}, signal),
      read(`${root}/explain`, {}, signal),
      read("/api/jobs", { parentId: page.id, limit: 20 }, signal),
      read(`/api/events/${encodeURIComponent(page.id)}/trace`, {}, signal).catch(absent),
    ]);
    const told = await read(`${root}/log`, { after: log.after }, signal);
    log.lines.push(...told.lines);
    log.after = told.nextAfter;
    document.title = `${job.type} · crmd`;
    return { job, details, why, children, nodes: trace?.nodes ?? [], log: log.lines };
  };
  kept(page, {
    fetch,
    draw,
    before: () => head({ title: "Job", trail: ["Jobs", to("jobs")] }),
    every: 15,
    hears: (job) => job.id === page.id || job.parentId === page.id,
    merge: (data, job) => {
      if (job.id !== page.id || job.isGone) return false;
      const whole = job.isTruncated ? { payload: data.job.payload, result: data.job.result } : {};
      data.job = { ...data.job, ...job, ...whole };
      return true;
    },
  });
}

function absent(error) {
  if (error.status === 404) return null;
  throw error;
}

function draw({ job, details, why, children, nodes, log }, again) {
  return [
    head({ title: job.type, trail: ["Jobs", to("jobs")], about: h("span", {}, badge(job.status), " ", job.isCancelRequested && !isOver(job) && tag("asked to stop", "warn"), " ", copyable(job.id, "Copy the id")), deeds: deeds(job, details, again) }),
    h(
      "div",
      { class: "job" },
      h("div", { class: "stack" }, reason(job, why), progress(job), attempts(job, details), data(job), items(details), steps(details), kids(job, details, children), logged(log), followed(nodes, job)),
      h("div", { class: "aside stack" }, about(job, details)),
    ),
  ];
}

function deeds(job, details, again) {
  const renewed = (promise) => promise.then(again);
  const hasSteps = details.steps.some((step) => step.finishedAt);
  const hasFailedItems = details.items.some((item) => item.outcome === "failed");
  if (!AGAIN.has(job.status)) return [button("Cancel", () => renewed(cancelJob(job)), { tone: "danger" })];
  return [
    button("Edit and run…", () => renewed(editJob(job)), {}),
    button("Run again", () => renewed(retryJob(job, { hasSteps, hasFailedItems })), { tone: "primary", sign: "retry" }),
  ];
}

function reason(job, why) {
  const start = why.earliestStart && h("span", {}, "can start ", when(why.earliestStart));
  return card(
    isOver(job) ? "How it ended" : job.status === "processing" ? "What it does" : "Why it waits",
    { note: start },
    h("p", { class: "summary" }, why.summary),
    why.gates.length > 0 && h("ul", { class: "gates" }, why.gates.map(gate)),
  );
}

function gate(one) {
  const said = { pass: "passes", wait: "waits", never: "never passes" }[one.verdict];
  return h(
    "li",
    { "data-verdict": one.verdict, "data-key": one.name },
    h("span", { class: "mark", role: "img", "aria-label": said }, icon({ pass: "done", wait: "pause", never: "close" }[one.verdict], 11)),
    h(
      "div",
      {},
      h("span", { class: "name" }, one.name),
      h("span", { class: one.verdict === "pass" ? "soft" : "" }, one.text),
      one.nextStep && h("span", { class: "next" }, one.nextStep),
      one.holders.length > 0 && h("span", { class: "next" }, "Held by ", one.holders.map((holder, at) => [at > 0 && ", ", h("a", { href: to("job", holder.id) }, holder.type), ` for ${span(holder.seconds)}`])),
    ),
  );
}

function progress(job) {
  const now = job.progress;
  if (!now || (!job.totalItems && !now.note && !now.succeeded && !now.failed && !now.blocked)) return null;
  const share = percent(job.processedItems, job.totalItems);
  const reasons = Object.entries(now.reasons);
  const left = job.status === "processing" && job.processedItems ? (between(job.startedAt) / job.processedItems) * (job.totalItems - job.processedItems) : null;
  return card(
    "Progress",
    { note: left > 2 && `about ${span(left)} left` },
    h("div", { class: "tally" }, job.totalItems && h("span", {}, h("b", {}, number(job.processedItems)), ` of ${number(job.totalItems)}`), ["succeeded", "blocked", "failed"].map((name) => now[name] > 0 && h("span", { class: { succeeded: "good", blocked: "warn", failed: "bad" }[name] }, h("b", {}, number(now[name])), ` ${name}`)), now.note && h("span", { class: "soft" }, now.note)),
    job.totalItems && bar(share, job.status === "completed" ? "good" : isOver(job) ? "bad" : "", "Progress"),
    reasons.length > 0 && h("p", { class: "cause" }, reasons.map(([text, count]) => `${text} (${number(count)})`).join(" · ")),
  );
}

function attempts(job, details) {
  const failed = details.failedAttempts.toReversed();
  if (!failed.length) return null;
  return card(
    "Failed attempts",
    { note: `${plural(failed.length, "failure")} of at most ${job.maxRetries + 1} attempts`, inside: false },
    h("ol", { class: "attempts" }, failed.map((one, at) =>
      h(
        "li",
        { "data-key": `${one.attempt}-${one.at}` },
        h("div", { class: "line-1" }, h("span", { class: "strong" }, `Attempt ${one.attempt ?? "–"}`), tag(one.class || "error", "bad"), one.sqlstate && tag(`SQLSTATE ${one.sqlstate}`), h("span", { class: "small faint" }, when(one.at))),
        h("p", { class: "message" }, one.message),
        one.places.length > 0 && h("details", { open: at === 0 && failed.length === 1 }, h("summary", {}, "Where in the code"), h("pre", { class: "places", tabindex: "0" }, one.places.join("\n"))),
      ),
    )),
  );
}

function data(job) {
  const hasResult = job.result !== null && job.result !== undefined;
  return card(
    hasResult ? "Payload and result" : "Payload",
    {},
    h("div", { class: "split" }, h("div", {}, hasResult && h("h3", {}, "Payload"), json(job.payload, "Payload")), hasResult && h("div", {}, h("h3", {}, "Result"), json(job.result, "Result"))),
  );
}

function items(details) {
  if (!details.items.length) return null;
  const sums = ["succeeded", "blocked", "failed"].map((name) => [name, details.items.filter((one) => one.outcome === name).reduce((sum, one) => sum + one.items, 0)]);
  return card(
    "Items",
    { note: sums.filter(([, count]) => count).map(([name, count]) => `${number(count)} ${name}`).join(" · "), inside: false },
    table("Outcomes of items", [
      { label: "Outcome", cell: (one) => badge({ succeeded: "completed", blocked: "pending", failed: "failed" }[one.outcome], one.outcome) },
      { label: "Reason", cell: (one) => one.reason ?? h("span", { class: "faint" }, "–") },
      { label: "Items", kind: "right", cell: (one) => h("span", { class: "number" }, number(one.items)) },
    ], details.items, { key: (one) => `${one.outcome} ${one.reason}` }),
  );
}

function steps(details) {
  if (!details.steps.length) return null;
  const isDone = (step) => step.finishedAt && new Date(step.finishedAt) < Date.now();
  const done = details.steps.filter(isDone).length;
  return card(
    "Steps",
    { note: `${done} of ${details.steps.length} done`, inside: false },
    table("Steps", [
      { label: "Step", kind: "lead", cell: (step) => h("span", { class: "strong" }, step.name) },
      { label: "Kind", kind: "spare", cell: (step) => step.kind },
      { label: "State", cell: (step) => badge(isDone(step) ? "completed" : "processing", isDone(step) ? "done" : step.kind === "step" ? "begun" : "waits") },
      { label: "Took", kind: "right", cell: (step) => h("span", { class: "number" }, step.finishedAt ? span(between(step.startedAt, step.finishedAt)) : "–") },
      { label: "Begun", kind: "right", cell: (step) => when(step.startedAt) },
    ], details.steps, { key: (step) => step.name }),
  );
}

function kids(job, details, children) {
  if (!details.children && !children.jobs.length) return null;
  const counts = details.children;
  const note = counts && ["completed", "failed", "dead", "cancelled"].filter((name) => counts[name]).map((name) => `${number(counts[name])} ${name}`).concat(`${number(counts.pending)} unfinished`).join(" · ");
  return card(
    "Children",
    { note, inside: false },
    table("Children", COLUMNS.filter((column) => !["Workspace", "Queue"].includes(column.label)), children.jobs, { key: (one) => one.id, leads: true }),
    children.hasMore && h("div", { class: "more" }, h("span", {}, `The newest ${children.jobs.length}`), h("a", { class: "button small", href: to("jobs", "", { parentId: job.id }) }, "All of them")),
  );
}

function logged(lines) {
  if (!lines.length) return null;
  return card("Log", { note: plural(lines.length, "line") }, h(
    "ol",
    { class: "log", tabindex: "0", "aria-label": "Log" },
    lines.slice(-500).map((line) => h("li", { "data-level": line.level }, h("span", { class: "at", title: line.at }, atSecond(line.at)), h("span", { class: "level" }, line.level), h("span", { class: "text" }, line.text))),
  ));
}

function followed(nodes, job) {
  if (nodes.length < 2) return null;
  return card("What led here, and what followed", { note: plural(nodes.length, "event or job", "events and jobs") }, chain(nodes, job.id));
}

function about(job, details) {
  return card("About", {}, facts([
    ["Type", h("a", { href: to("jobs", "", { type: job.type }) }, job.type)],
    ["Queue", h("a", { href: to("jobs", "", { queue: job.queue }) }, job.queue)],
    ["Priority", job.priority],
    ["Attempt", `${job.retryCount + 1} of ${job.maxRetries + 1}`],
    ["Crashes", details.crashCount > 0 && h("span", { class: "bad" }, details.crashCount)],
    ["Snoozed", details.snoozeCount > 0 && plural(details.snoozeCount, "time")],
    ["Created", when(job.createdAt)],
    ["Due", !job.startedAt || job.status === "scheduled" ? when(job.runAt) : null],
    ["Waited", job.startedAt && span(Math.max(0, between(job.runAt > job.createdAt && job.runAt < job.startedAt ? job.runAt : job.createdAt, job.startedAt)))],
    ["Started", job.startedAt && when(job.startedAt)],
    ["Ended", job.completedAt && when(job.completedAt)],
    ["Ran", job.startedAt && h("span", { class: "number" }, span(between(job.startedAt, job.completedAt)))],
    ["Lapses", details.expiresAt && when(details.expiresAt)],
    ["Workspace", job.workspaceId && h("a", { href: to("jobs", "", { workspaceId: job.workspaceId }) }, tail(job.workspaceId))],
    ["User", job.userId && h("a", { href: to("jobs", "", { userId: job.userId }) }, tail(job.userId))],
    ["Parent", job.parentId && h("a", { href: to("job", job.parentId) }, tail(job.parentId))],
    ["Run again of", details.retriedFrom && h("a", { href: to("job", details.retriedFrom) }, tail(details.retriedFrom))],
    ["Run again as", details.retriedTo && h("a", { href: to("job", details.retriedTo) }, tail(details.retriedTo))],
  ].map(([name, value]) => [name, value === false ? null : value])));
}

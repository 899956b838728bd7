// Jobs: searched, filtered, live.

import { h } from "../dom.js";
import { between, compact, number, span, tail, when } from "../format.js";
import { kept } from "../page.js";
import { badge, bar, button, card, chips, choice, head, more, nothing, search, table, tag } from "../parts.js";
import { refine, to } from "../router.js";
import { actOnAll, isOver } from "../verbs.js";
import { read } from "../wire.js";

export const title = "Jobs";
const STATUSES = ["processing", "pending", "scheduled", "completed", "failed", "dead", "cancelled"];
const PAGE = 50;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function show(page) {
  const filter = Object.fromEntries(["status", "type", "queue", "workspaceId", "userId", "parentId", "q"].map((name) => [name, page.query.get(name) ?? ""]));
  let pages = 1;
  let types = null;
  const fetch = async (signal) => {
    types ??= read("/api/job-types", {}, signal).then((told) => told.jobTypes.map((one) => one.name));
    const [jobs, names] = await Promise.all([pagesOf(filter, pages, signal), types]);
    return { ...jobs, names };
  };
  const again = kept(page, {
    fetch,
    before: () => top(filter, []),
    draw: (data) => [top(filter, data.names, data), list(data, filter, () => ((pages += 1), again()))],
    hears: (job) => fits(job, filter),
    merge: (data, job) => {
      const at = data.jobs.findIndex((one) => one.id === job.id);
      if (at < 0 || job.isGone) return false;
      data.jobs[at] = { ...data.jobs[at], ...job };
      return true;
    },
  });
}

async function pagesOf(filter, pages, signal) {
  let told = null;
  const jobs = [];
  for (let at = 0; at < pages; at += 1) {
    told = await read("/api/jobs", { ...filter, limit: PAGE, before: told?.nextBefore ?? jobs.at(-1)?.id }, signal);
    jobs.push(...told.jobs);
    if (!told.hasMore) break;
  }
  return { ...told, jobs };
}

function fits(job, filter) {
  const wants = (name, value) => !filter[name] || filter[name] === value;
  return job.isGone || (wants("status", job.status) && wants("type", job.type) && wants("workspaceId", job.workspaceId));
}

function top(filter, names) {
  const all = [{ text: "All", status: "" }, ...STATUSES.map((status) => ({ text: status[0].toUpperCase() + status.slice(1), status }))];
  const others = ["queue", "workspaceId", "userId", "parentId"].filter((name) => filter[name]);
  return [
    head({ title, about: "Every piece of work: waiting, running and over.", deeds: deeds(filter) }),
    chips("Status", all.map(({ text, status }) => ({ text, href: to("jobs", "", { ...filter, status }), isHere: filter.status === status }))),
    h(
      "div",
      { class: "filters", "data-key": "filters" },
      search(filter.q, "Id or part of a job type", (q) => (UUID.test(q) ? (location.hash = to("job", q)) : refine({ q }))),
      choice("Job type", filter.type, [["", "Any job type"], ...names.map((name) => [name, name])], (type) => refine({ type })),
      others.map((name) => h("span", { class: "tag" }, `${{ queue: "Queue", workspaceId: "Workspace", userId: "User", parentId: "Children of" }[name]} …${filter[name].slice(-8)} `, h("a", { href: to("jobs", "", { ...filter, [name]: "" }), "aria-label": `Without ${name}` }, "×"))),
    ),
  ];
}

function deeds(filter) {
  const wanted = Object.fromEntries(Object.entries({ ...filter, q: "" }).filter(([, value]) => value));
  const described = `${filter.status || "unfinished"} jobs${filter.type ? ` of ${filter.type}` : ""}`;
  const bulk = (action, words) => button(words, () => actOnAll(action, { ...wanted, status: filter.status ? [filter.status] : undefined }, described), { tone: action === "cancel" ? "danger" : "", sign: action === "retry" ? "retry" : null });
  if (filter.q || filter.parentId) return [];
  if (["failed", "dead", "cancelled"].includes(filter.status)) return [bulk("retry", "Retry all…")];
  if (["processing", "pending", "scheduled"].includes(filter.status)) return [bulk("cancel", "Cancel all…")];
  return [];
}

function list(data, filter, on) {
  const isNarrow = Object.values(filter).some(Boolean);
  const empty = isNarrow
    ? nothing("No job fits", "Nothing is like that now. New jobs appear here by themselves.", { sign: "search", deeds: [h("a", { class: "button", href: to("jobs") }, "Show all jobs")] })
    : nothing("No jobs yet", "Jobs come from schedules, events, your program, or the command line: crmd enqueue TYPE.", { sign: "jobs" });
  const count = data.total === undefined ? null : `${compact(data.total)}${data.isTotalExact === false ? "+" : ""}`;
  return h(
    "section",
    { class: "card", "aria-label": "Jobs", "data-key": "list" },
    data.jobs.length ? table("Jobs, newest first", COLUMNS, data.jobs, { key: (job) => job.id, leads: true }) : empty,
    more(data.jobs.length, "job", { hasMore: data.hasMore, on, total: count }),
  );
}

/** Columns of any list of jobs. */
export const COLUMNS = [
  { label: "Job", kind: "lead", cell: (job) => h("div", { class: "lead-words" }, h("span", {}, h("a", { class: "whole", href: to("job", job.id) }, job.type), " ", tail(job.id)), under(job)) },
  { label: "Status", cell: (job) => h("span", {}, badge(job.status), job.isCancelRequested && !isOver(job) && [" ", tag("stopping", "warn")]) },
  { label: "Attempt", kind: "right spare", cell: (job) => h("span", { class: "number" }, `${job.retryCount + 1} of ${job.maxRetries + 1}`) },
  { label: "Workspace", kind: "spare", cell: (job) => (job.workspaceId ? h("a", { class: "over", href: to("jobs", "", { workspaceId: job.workspaceId }) }, tail(job.workspaceId)) : h("span", { class: "faint" }, "–")) },
  { label: "Queue", kind: "spare", cell: (job) => h("span", { class: "nowrap" }, job.queue, job.priority !== "normal" && [" ", tag(job.priority)]) },
  { label: "Took", kind: "right", cell: (job) => h("span", { class: "number" }, job.startedAt ? span(between(job.startedAt, job.completedAt)) : "–") },
  { label: "Since", kind: "right", cell: (job) => when(job.completedAt ?? job.startedAt ?? job.createdAt) },
];

function under(job) {
  if (["failed", "dead"].includes(job.status) || (job.errorMessage && !isOver(job))) return h("span", { class: "under lines-2" }, job.errorMessage);
  if (job.status === "scheduled") return h("span", { class: "under" }, "runs ", when(job.runAt));
  if (job.status !== "processing" || !job.totalItems) return job.progress?.note ? h("span", { class: "under" }, job.progress.note) : null;
  return h("span", { class: "under going-on" }, h("span", { class: "number" }, `${number(job.processedItems)} of ${number(job.totalItems)}`), bar((100 * job.processedItems) / job.totalItems, "", `Progress of ${job.type}`));
}

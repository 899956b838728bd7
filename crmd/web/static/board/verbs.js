// What a person can do to a job, each asked first.

import { asking } from "./asking.js";
import { plural } from "./format.js";
import { to } from "./router.js";
import { send } from "./wire.js";

export const UNFINISHED = ["pending", "scheduled", "processing"];
export const isOver = (job) => !UNFINISHED.includes(job.status);
const at = (job, verb) => `/api/jobs/${job.id}/${verb}`;

/** Ask a job to end. */
export function cancelJob(job) {
  const isRunning = job.status === "processing";
  return asking({
    title: `Cancel ${job.type}?`,
    text: isRunning ? "It is asked to stop, and so are the jobs below it. What it has done so far stays." : "It will never run, nor will the jobs below it.",
    yes: "Cancel the job",
    isDanger: true,
    fields: [{ name: "reason", label: "Reason", hint: "Is kept with the job and in the audit." }],
    act: ({ reason }) => send(at(job, "cancel"), reason ? { reason } : {}),
    done: (told) => told.message,
  });
}

/** Run an ended job again as it is, or from where it came to. */
export async function retryJob(job, { hasSteps = false, hasFailedItems = false } = {}) {
  const ways = [["whole", "From the beginning"], hasSteps && ["resumed", "Without the steps that are done"], hasFailedItems && ["items", "Only the items that failed"]].filter(Boolean);
  const told = await asking({
    title: `Run ${job.type} again?`,
    text: "A new job is made with the same payload. The old one stays as it is and names the new one.",
    yes: "Run again",
    fields: ways.length > 1 ? [{ name: "way", label: "How much", kind: "choice", value: "whole", options: ways }] : [],
    act: ({ way }) => send(at(job, "retry"), { isResumed: way === "resumed", onlyFailedItems: way === "items" }),
    done: "The job runs again.",
  });
  if (told?.jobId) location.hash = to("job", told.jobId);
}

/** Run an ended job again with another payload. */
export async function editJob(job) {
  const told = await asking({
    title: `Run ${job.type} with another payload`,
    text: "The payload is checked against the job type before anything is made.",
    yes: "Run with this payload",
    isBroad: true,
    fields: [{ name: "payload", label: "Payload", kind: "json", value: job.payload }],
    act: ({ payload }) => send(at(job, "retry"), { payload }),
    done: "The job runs again with the new payload.",
  });
  if (told?.jobId) location.hash = to("job", told.jobId);
}

/** Cancel or retry all jobs that a filter selects; how many is counted before. */
export function actOnAll(action, filter, described) {
  const isCancel = action === "cancel";
  const body = (values, dryRun) => ({ action, filter, dryRun, ...(values.perSecond ? { perSecond: values.perSecond } : {}) });
  return asking({
    title: `${isCancel ? "Cancel" : "Retry"} all ${described}?`,
    text: isCancel ? "Waiting ones will never run; running ones are asked to stop." : "A new job is made of each. The old ones stay as they are.",
    yes: isCancel ? "Cancel them" : "Retry them",
    isDanger: isCancel,
    fields: isCancel ? [] : [{ name: "perSecond", label: "At most so many a second", kind: "number", min: 0.01, max: 1000, hint: "Empty: all at once." }],
    look: async (values) => {
      const { jobs } = await send("/api/jobs/bulk", body(values, true));
      const spread = values.perSecond ? ` It takes about ${Math.ceil(jobs / values.perSecond)} s.` : "";
      return `The filter selects ${plural(jobs, "job")}.${spread}`;
    },
    act: (values) => send("/api/jobs/bulk", body(values, false)),
    done: (told) => `${plural(told.jobs, "job")} ${isCancel ? "cancelled or asked to stop" : "run again"}.${told.nextAfter ? " There are more: do it again." : ""}`,
  });
}

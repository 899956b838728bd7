// What crmd-jobs.js offers, and what it means. docs/frontend.md shows it at work.

export type Status = "pending" | "scheduled" | "processing" | "completed" | "failed" | "cancelled" | "dead";
export type Priority = "critical" | "high" | "normal" | "low";

/** How far a job has come. */
export interface Progress {
  done: number | null;
  total: number | null;
  note: string | null;
  succeeded: number;
  failed: number;
  blocked: number;
  /** Why items failed or were blocked, and how many. */
  reasons: Record<string, number>;
}

/** A job as `GET /api/workspaces/{workspaceId}/jobs/{jobId}` answers it. In the first moments only the first four are there. */
export interface Job<Payload = unknown, Result = unknown> {
  id: string;
  type: string;
  status: Status;
  createdAt: string;
  /** The name that `createJob` or `follow` was given in this browser. */
  title?: string;
  workspaceId?: string | null;
  userId?: string | null;
  /** Null in a stream when it is larger than 8 KiB: `isTruncated` is true then, and `getJob` has the whole. */
  payload?: Payload | null;
  result?: Result | null;
  isTruncated?: boolean;
  totalItems?: number | null;
  processedItems?: number | null;
  startedAt?: string | null;
  completedAt?: string | null;
  errorMessage?: string | null;
  retryCount?: number;
  maxRetries?: number;
  queue?: string;
  priority?: Priority;
  runAt?: string;
  parentId?: string | null;
  isCancelRequested?: boolean;
  progress?: Progress | null;
}

/** What became of a request to make, cancel or retry a job. */
export interface Made {
  success: boolean;
  jobId: string;
  status: Status;
  message: string;
}

/** Thrown when the server refuses: its sentence as `message`, `status` of HTTP, the whole problem+json. */
export interface JobError extends Error {
  status: number;
  problem: { type?: string; title?: string; detail?: string; hint?: string; errors?: { path: string; message: string }[] };
  /** From the header Retry-After; 0: there was none. */
  retryAfterSeconds: number;
}

export interface NewJob {
  /** One of `GET /api/job-types`. */
  type: string;
  payload?: Record<string, unknown>;
  priority?: Priority;
  /** When it is due, with an offset; at once when left out. */
  runAt?: string;
  /** Jobs that have to complete first. */
  dependsOn?: string[];
  uniqueKey?: string;
  /** The same key with the same body makes no second job; a random one when left out. */
  idempotencyKey?: string;
  /** For people, in this browser only: "92 contacts into Welcome". */
  title?: string;
}

export interface Retrying {
  /** Instead of the old one. */
  payload?: Record<string, unknown>;
  onlyFailedItems?: boolean;
  /** Steps that were done stay done. */
  isResumed?: boolean;
  /** This step and all after it are done again. */
  fromStep?: string;
}

export interface Options {
  /** Where the API is; empty: where the page is from. */
  baseUrl?: string;
  workspaceId: string;
  /** A key or a JSON Web Token; a function is asked before each request, so that it can renew it. */
  token: string | (() => string | Promise<string>);
  /** Whatever runs in the workspace, not only what was started or followed in this browser. */
  all?: boolean;
}

/**
 * idle: nothing is under way, so nothing is open. live: changes come as they happen. polling: streams are refused or held
 * back, or the page is out of sight; it asks now and then. lost: no answer. refused: the token is not taken.
 */
export type Connection = "idle" | "live" | "polling" | "lost" | "refused";

/**
 * Follows the jobs of one workspace: those that were made here, across reloads and in all tabs, until they are dismissed.
 * Events: `change` (something did), `job` (a CustomEvent<{ job, previous }>), `connection` (read `connection`).
 */
export class JobStatus extends EventTarget {
  constructor(options: Options);
  readonly connection: Connection;
  /** How far the server's clock is ahead of this one, in milliseconds. */
  readonly skewMs: number;
  /** The jobs to show, newest first, at most 100; the same Map until something changes. */
  get jobs(): Map<string, Job>;
  /** Those of them that have not ended. */
  get activeJobs(): Map<string, Job>;
  /** A job as it was last heard of. */
  peek(id: string): Job | undefined;
  /** Call after each change; bound, and answers a function that ends it, as React's useSyncExternalStore wants it. */
  subscribe: (listener: () => void) => () => void;
  /** Make a job, and follow it. A lost answer is asked for again, without a second job. Throws JobError. */
  createJob(job: NewJob): Promise<Made>;
  /** Cancel a job and those below it; a running one is asked to stop. Throws JobError (409: it has ended). */
  cancelJob(id: string, reason?: string): Promise<Made>;
  /** Run an ended job again, as a new one that is followed in its place. Throws JobError. */
  retryJob(id: string, options?: Retrying): Promise<Made>;
  /** Ask for one job. Throws JobError (404: there is none here). */
  getJob(id: string): Promise<Job>;
  /** Show a job that was made elsewhere. */
  follow(id: string, title?: string): void;
  /** Keep a job fresh without showing it in toasts; answers a function that ends it. */
  watch(id: string): () => void;
  /** Show a job no more. It runs on. */
  dismiss(id: string): void;
  /** Stop for good. */
  close(): void;
}

/** Whether nothing becomes of a job any more. */
export function isEnded(job: Pick<Job, "status">): boolean;

/** What there is to show of a job. */
export interface View {
  state: "started" | "running" | "completed" | "failed" | "cancelled";
  done: number;
  total: number | null | undefined;
  /** "Running · 34 of 92 · about 20 s left" */
  text: string;
  /** The error, or what a running job says of itself. */
  more: string;
  counts: ["succeeded" | "blocked" | "unsuccessful", number][];
  reasons: [string, number][];
  canCancel: boolean;
  /** What to retry it with; null: there is nothing to retry. */
  retry: Retrying | null;
}

/** What there is to show of a job at an instant of the server's clock (`Date.now() + status.skewMs`). */
export function describe(job: Job, nowMs: number): View;

/** A reader of text/event-stream: feed it text as it comes. */
export function eventReader(hear: (told: { event?: string; data: string; id?: string }) => void): (text: string) => void;

/** All words that the elements say. To translate: `Object.assign(TEXTS, { completed: "Fertig", … })`. */
export const TEXTS: {
  region: string;
  title: (job: Job) => string;
  pending: string;
  scheduled: string;
  processing: string;
  stopping: string;
  completed: string;
  failed: string;
  dead: string;
  cancelled: string;
  of: (done: number, total: number) => string;
  left: (seconds: number) => string;
  succeeded: string;
  blocked: string;
  unsuccessful: string;
  details: string;
  cancel: string;
  retry: string;
  retryFailed: string;
  dismiss: string;
};

/** `<crmd-job-toasts dismiss-after="10">`: a card per job. What went well goes after so many seconds that nobody looks at it. */
export interface JobToasts extends HTMLElement {
  status: JobStatus | undefined;
}

/** `<crmd-job-progress job-id="…">`: one job, in its place on the page. */
export interface JobProgress extends HTMLElement {
  status: JobStatus | undefined;
}

declare global {
  interface HTMLElementTagNameMap {
    "crmd-job-toasts": JobToasts;
    "crmd-job-progress": JobProgress;
  }
}

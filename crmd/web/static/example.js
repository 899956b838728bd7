// A front end in one page. A real one asks its own server for a token; here the key stays in this tab.
import { JobStatus } from "./crmd-jobs.js";

const form = document.querySelector("form");
const progress = document.querySelector("crmd-job-progress");
const toasts = document.querySelector("crmd-job-toasts");
const problem = document.querySelector(".problem");
let status;

function connect({ workspaceId, token }) {
  status?.close();
  status = new JobStatus({ workspaceId, token });
  const own = status;
  own.addEventListener("connection", () => { if (own === status) form.elements.connection.value = own.connection; });
  toasts.status = progress.status = status;
}

// A link may fill in all but the key: example.html#workspaceId=…&type=….
const linked = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
for (const name of ["workspaceId", "type", "payload"]) if (linked[name]) form.elements[name].value = linked[name];

const kept = JSON.parse(sessionStorage.getItem("example") ?? "null");
if (kept && (!linked.workspaceId || linked.workspaceId === kept.workspaceId)) {
  for (const [name, value] of Object.entries(kept)) form.elements[name].value = value;
  connect(kept);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = Object.fromEntries(new FormData(form));
  problem.textContent = "";
  try {
    const payload = JSON.parse(given.payload);
    if (sessionStorage.getItem("example") !== JSON.stringify(given)) {
      sessionStorage.setItem("example", JSON.stringify(given));
      connect(given);
    }
    const made = await status.createJob({ type: given.type, payload });
    progress.setAttribute("job-id", made.jobId);
  } catch (error) {
    problem.textContent = error.message;
  }
});

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

const kept = JSON.parse(sessionStorage.getItem("example") ?? "null");
if (kept) {
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

// Fills the page's parts and renews them, asks before a cluster is terminated, and asks Airflow for the run
// that does it. The server's HTML is escaped; whatever is written from here goes in as text.

const { airflow, here, environment } = document.body.dataset;
const dialog = document.getElementById("terminate");
const shown = new WeakMap(); // the HTML of each part: what did not change is not written, nor read out, again
const wanted = { clusters: new URLSearchParams(), coverage: new URLSearchParams() };

const say = (text) => {
  document.getElementById("said").textContent = text;
};

// What the server refused, in its words.
async function reason(answer) {
  if (answer.status === 401) return "You are logged out: reload the page to log in.";
  const told = await answer.json().catch(() => null);
  const detail = told?.detail;
  if (typeof detail === "string" && detail !== "Forbidden") return detail;
  if (detail?.what) return [detail.what, detail.reason, detail.next_step].filter(Boolean).join(" ");
  if (answer.status === 403) return "You may not do this: Airflow answers 403 Forbidden.";
  return `Airflow answers ${answer.status}.`;
}

function note(text) {
  const box = document.createElement("p");
  box.className = "note bad";
  box.setAttribute("role", "alert");
  box.dataset.note = "";
  box.textContent = text;
  return box;
}

// Fill one part. What it showed stays where it can't be read; the focus stays where it is.
async function fill(part) {
  const [path, query] = part.dataset.part.split("?");
  const asked = new URLSearchParams([...new URLSearchParams(query), ...(wanted[part.id] ?? [])]);
  let problem = null;
  try {
    const answer = await fetch(asked.size ? `${path}?${asked}` : path, { headers: { Accept: "text/html" } });
    if (answer.ok) {
      const text = await answer.text();
      if (shown.get(part) !== text) {
        replace(part, [...new DOMParser().parseFromString(text, "text/html").body.childNodes]);
      }
      shown.set(part, text);
    } else if (answer.status === 403) {
      problem = "You may not see this: it takes the right to read the DAG that tells it.";
      if (part.id !== "environments") part.replaceChildren();
    } else problem = await reason(answer);
  } catch {
    problem = "Airflow's API server does not answer. What is shown may be old.";
  }
  if (problem && part.id !== "environments" && part.querySelector("[data-note]")?.textContent !== problem) {
    part.querySelector("[data-note]")?.remove();
    if (part.getAttribute("aria-busy") === "true") part.replaceChildren();
    part.prepend(note(problem));
  }
  if (problem) shown.delete(part);
  part.setAttribute("aria-busy", "false");
}

function replace(part, nodes) {
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const typed = focused?.matches("input") ? [focused.value, focused.selectionStart] : null;
  const open = [...part.querySelectorAll("details")].map((details) => details.open);
  const scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  part.replaceChildren(...nodes);
  part.querySelectorAll("details").forEach((details, number) => (details.open = open[number] ?? false));
  part.querySelectorAll(".scroll").forEach((box, number) => (box.scrollLeft = scrolled[number] ?? 0));
  if (!focused) return;
  const again = focused.id && document.getElementById(focused.id);
  if (!again) return document.getElementById("refresh").focus(); // not lost: what had it is gone
  if (typed) {
    again.value = typed[0];
    again.setSelectionRange(typed[1], typed[1]);
  }
  again.focus({ preventScroll: true });
}

const parts = [...document.querySelectorAll("[data-part]")];
const part = (name) => document.getElementById(name);

for (const one of parts) {
  fill(one);
  setInterval(() => document.hidden || dialog.open || fill(one), Number(one.dataset.seconds) * 1000);
}

document.getElementById("refresh").addEventListener("click", async () => {
  await Promise.all(parts.map(fill));
  say("Refreshed.");
});

document.getElementById("choice").addEventListener("change", (event) => event.currentTarget.requestSubmit());

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-filter]")) return;
  event.preventDefault();
  wanted.clusters = new URLSearchParams({ q: new FormData(event.target).get("q"), page: 1 });
  fill(part("clusters"));
});

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-page], [data-year], [data-terminate], [data-airflow-page]");
  if (!target) return;
  if (target.dataset.page) {
    wanted.clusters.set("page", target.dataset.page);
    fill(part("clusters"));
  } else if (target.dataset.year) {
    wanted.coverage.set("year", target.dataset.year);
    fill(part("coverage"));
  } else if ("terminate" in target.dataset) ask(target);
  else openInAirflow(event, target);
});

// Airflow shows this page in a frame that may not navigate what is around it; a link of Airflow's own page may.
function openInAirflow(event, link) {
  if (window.parent === window) return;
  event.preventDefault();
  const outside = window.parent.document;
  const twin = outside.createElement("a");
  twin.href = link.href;
  if (event.ctrlKey || event.metaKey || event.shiftKey) twin.target = "_blank";
  outside.body.append(twin);
  twin.click();
  twin.remove();
}

const saying = (name) => dialog.querySelector(`[data-say="${name}"]`);
const confirmButton = dialog.querySelector("[data-confirm]");
const cancelButton = dialog.querySelector("[data-cancel]");
let asked = null;

function ask(button) {
  if (button.getAttribute("aria-disabled") === "true") {
    say(button.title);
    return;
  }
  const { product, cluster, owner, run, runState } = button.dataset;
  asked = { product, button };
  saying("cluster").textContent = cluster;
  saying("product").textContent = product;
  saying("owner").textContent = run ? `${owner}, run ${run}` : owner;
  const live = runState === "running" || runState === "queued";
  saying("warning").hidden = !live;
  saying("warning").textContent = live ? `Its run goes on (${runState}) and will fail, or ask for a new cluster.` : "";
  outcome("");
  confirmButton.hidden = confirmButton.disabled = false;
  cancelButton.textContent = "Cancel";
  dialog.showModal();
}

function outcome(text, link) {
  const box = saying("outcome");
  box.hidden = !text;
  box.replaceChildren(text);
  if (!link) return;
  const anchor = document.createElement("a");
  anchor.href = `${airflow}/${link}`;
  anchor.dataset.airflowPage = "";
  anchor.textContent = "Its run in Airflow";
  box.append(" ", anchor);
}

function done(text, link) {
  outcome(text, link);
  confirmButton.hidden = true;
  cancelButton.textContent = "Close";
  cancelButton.focus();
  say(text);
  fill(part("clusters"));
}

confirmButton.addEventListener("click", async () => {
  confirmButton.disabled = true;
  try {
    await terminate(asked.product);
  } catch {
    outcome("Airflow's API server does not answer. Nothing is known to have been terminated.");
  }
  confirmButton.disabled = false;
});

// The page may be old: what is gone, or ends already, is not terminated again.
async function terminate(product) {
  const seen = await fetch(`${here}/api/${environment}/clusters/${encodeURIComponent(product)}`);
  if (!seen.ok) return outcome(await reason(seen));
  const { fate, run } = await seen.json();
  if (fate === "gone") return done(`${product} is terminated already.`);
  if (fate === "terminating") return done(`${product} is being terminated already.`, run.path);
  const answer = await fetch(`${airflow}/api/v2/dags/terminate_cluster/dagRuns`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ logical_date: null, conf: { environment, provisioned_product: product } }),
  });
  if (!answer.ok) return outcome(await reason(answer));
  const { dag_run_id } = await answer.json();
  return done(`${product} is being terminated.`, `dags/terminate_cluster/runs/${encodeURIComponent(dag_run_id)}`);
}

dialog.addEventListener("close", () => {
  const again = asked?.button.id && document.getElementById(asked.button.id);
  (again || document.getElementById("refresh")).focus();
});

// Begins: reads the page's address, fills the table, opens the call that the address names, draws the charts.

/** Write what is shown into the page's address: it can be sent to others, and reloaded. */
function writeAddress() {
  const parameters = viewParameters();
  if (current) {
    parameters.set("call", data.job[current.row]);
    if (current.session && current.number < current.session.tries.length - 1) parameters.set("try", current.session.tries[current.number].result.attempt ?? 1);
  }
  const hash = parameters.toString().replaceAll("%2C", ",");
  try {
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  } catch { /* some browsers allow this only so often */ }
}

function readAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  if (![...parameters.keys()].some((key) => ["call", "q", "status", "slower", "sound", "sort", ...CHOICES].includes(key))) return null;
  readView(parameters);
  return { call: parameters.has("call") ? Number(parameters.get("call")) : null, attempt: Number(parameters.get("try")) || null };
}

async function goTo(address) {
  update();
  if (view.search) hearWords();
  const row = address?.call === null || address?.call === undefined ? -1 : data.job.indexOf(address.call);
  if (row >= 0) await openSession(row, { attempt: address.attempt });
  if (address) byId("sessions").scrollIntoView();
}

async function start() {
  startTheme();
  data = await unpackJson("table");
  run = await unpackJson("run");
  const address = readAddress();
  startTable();
  byId("browse").addEventListener("keydown", sessionKeys);
  for (const button of document.querySelectorAll("button[data-narrow]")) {
    button.addEventListener("click", () => narrow(JSON.parse(button.dataset.narrow)));
  }
  for (const button of document.querySelectorAll("button[data-call]")) {
    button.addEventListener("click", () => { narrow({}); const row = data.job.indexOf(Number(button.dataset.call)); if (row >= 0) openSession(row); });
  }
  addEventListener("hashchange", () => { const next = readAddress(); if (next) { closeSession({ focus: false }); goTo(next); } });
  await goTo(address);
  document.body.dataset.ready = "true";
  await startCharts();
}

start().catch((error) => {
  byId("trouble").textContent = `This page needs a browser from 2023 or later (Chrome 80, Firefox 113, Safari 16.4): ${error}`;
  byId("trouble").classList.remove("hidden");
  throw error;
});

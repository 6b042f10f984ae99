// The table of sessions: filters, sorts, and draws only the rows that are in sight.

const STATUS_MARKS = { passed: "\u2713", failed: "\u2717", error: "\u26a0", lost: "\u21af", stopped: "\u25a0" };
const ROW_PX = 35;
const PRINTED_ROWS = 300;

const COLUMNS = [
  { key: "job", head: "Call", title: "Number of the call", col: "number", right: true },
  { key: "status", head: "Status", col: "status", badge: true },
  { key: "scenario", head: "Scenario", col: "scenario", outside: true, wide: true },
  { key: "about", head: "About", title: "Its row of data and its choice of the matrix", outside: true, wide: true },
  { key: "why", head: "Why", title: "Why it did not pass", outside: true },
  { key: "first_audio_ms", head: "First audio", title: "Slowest time to first audio of its turns", unit: "ms", col: "measure", right: true, wide: true },
  { key: "response_ms", head: "Response", title: "Slowest time from the caller's end to the answer's end", unit: "ms", col: "measure", right: true, wide: true },
  { key: "word_error_rate", head: "WER", title: "Mean word error rate of its turns", unit: "share", col: "few", right: true, wide: true },
  { key: "duration_ms", head: "Length", unit: "ms", col: "measure", right: true, wide: true },
  { key: "cost_usd", head: "Cost", unit: "usd", col: "measure", right: true, wide: true },
  { key: "tries", head: "Tries", title: "Tries that it took", col: "few", right: true, wide: true },
];

/** What filters and order are in force; it stands in the page's address, so that it can be sent to others. */
const view = { search: "", status: new Set(), scenario: "", tag: "", kind: "", worker: "", expected: "", slower: null, sound: false, sort: "job", down: false };
const CHOICES = ["scenario", "tag", "kind", "worker", "expected"];
let data = null;      // columns, as Python wrote them
let shown = [];       // rows that the filters leave, in order
let chosen = null;    // row under the keyboard
let words = [];       // what was said, by row, once it is unpacked

function readView(parameters) {
  view.search = parameters.get("q") ?? "";
  view.status = new Set((parameters.get("status") ?? "").split(",").filter((status) => Object.hasOwn(STATUS_MARKS, status)));
  for (const name of CHOICES) view[name] = parameters.get(name) ?? "";
  view.slower = Number(parameters.get("slower")) || null;
  view.sound = parameters.has("sound");
  const sort = parameters.get("sort") ?? "job";
  view.down = sort.startsWith("-");
  view.sort = COLUMNS.some((column) => column.key === sort.replace("-", "")) ? sort.replace("-", "") : "job";
}

function viewParameters() {
  const parameters = new URLSearchParams();
  if (view.search) parameters.set("q", view.search);
  if (view.status.size) parameters.set("status", [...view.status].join(","));
  for (const name of CHOICES) if (view[name]) parameters.set(name, view[name]);
  if (view.slower) parameters.set("slower", view.slower);
  if (view.sound) parameters.set("sound", "");
  if (view.sort !== "job" || view.down) parameters.set("sort", (view.down ? "-" : "") + view.sort);
  return parameters;
}

// --- which rows ------------------------------------------------------------------------------------------------------

function haystack(row) {
  return `#${data.job[row]}\n${data.scenario[row]}\n${data.about[row]}\n${data.why[row]}\n${data.worker[row]}\n${words[row] ?? ""}`.toLowerCase();
}

function searched() {
  const terms = view.search.toLowerCase().split(/\s+/).filter(Boolean);
  if (!terms.length) return () => true;
  // A number alone means that call.
  if (terms.length === 1 && /^#?\d+$/.test(terms[0])) {
    const number = Number(terms[0].replace("#", ""));
    if (data.job.includes(number)) return (row) => data.job[row] === number;
  }
  return (row) => { const text = haystack(row); return terms.every((term) => text.includes(term)); };
}

function filtered() {
  const found = searched();
  const tagged = view.tag ? new Set(Object.hasOwn(data.tagged, view.tag) ? data.tagged[view.tag] : []) : null;
  const expected = view.expected ? data.expectations.indexOf(view.expected) : null;
  const rows = [];
  for (let row = 0; row < data.job.length; row += 1) {
    if (view.status.size && !view.status.has(data.status[row])) continue;
    if (view.scenario && data.scenario[row] !== view.scenario) continue;
    if (tagged && !tagged.has(data.scenario[row])) continue;
    if (view.kind && data.kind[row] !== view.kind) continue;
    if (view.worker && data.worker[row] !== view.worker) continue;
    if (expected !== null && !data.failed[row].includes(expected)) continue;
    if (view.slower && !(data.first_audio_ms[row] > view.slower)) continue;
    if (view.sound && !data.sound[row]) continue;
    if (found(row)) rows.push(row);
  }
  return rows;
}

function sorted(rows) {
  const values = data[view.sort];
  const way = view.down ? -1 : 1;
  // What is not known comes last, either way.
  return rows.sort((a, b) => {
    const x = values[a], y = values[b];
    const noX = x === null || x === "", noY = y === null || y === "";
    if (noX || noY) return noX - noY || a - b;
    if (x === y) return a - b;
    return (typeof x === "string" ? x.localeCompare(y) : x - y) * way;
  });
}

function update() {
  shown = sorted(filtered());
  if (!shown.includes(chosen)) chosen = null;
  const [some, all] = [shown.length, data.job.length].map((number) => number.toLocaleString("en"));
  byId("count").textContent = `${some === all ? all : `${some} of ${all}`} ${all === "1" ? "session" : "sessions"}`;
  byId("rows").setAttribute("aria-rowcount", shown.length + 1);
  byId("none").classList.toggle("hidden", shown.length > 0);
  for (const head of document.querySelectorAll("#rows th")) {
    if (head.dataset.key === view.sort) head.setAttribute("aria-sort", view.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
    const mark = head.dataset.key === view.sort ? (view.down ? " \u25be" : " \u25b4") : "";
    head.firstElementChild.lastElementChild.textContent = mark;
  }
  showControls();
  draw();
  writeAddress();
}

// --- drawing ---------------------------------------------------------------------------------------------------------

function cell(column, row) {
  const value = data[column.key][row];
  const classes = [column.right && "right", column.wide && "wide-only"].filter(Boolean).join(" ");
  let content;
  if (column.badge) {
    content = make("span", { className: `badge ${value}` }, `${STATUS_MARKS[value] ?? ""} ${value}`);
  } else if (column.key === "job") {
    const sound = data.sound[row] ? make("span", { title: "with audio", className: "soft" }, "\u266a ") : null;
    return make("td", { className: classes, role: "gridcell" }, sound, String(value));
  } else {
    content = column.unit ? figureText(value, column.unit) : String(value ?? "");
    // Beside an open session there is room for one text only.
    const instead = column.key === "why" && !value && current ? data.about[row] : "";
    if (column.outside) content = make("span", { className: instead ? "outside soft" : "outside" }, instead || content);
  }
  return make("td", { className: classes, role: "gridcell", title: column.outside && value ? value : null }, content);
}

function line(row, place) {
  return make("tr", { id: `row-${row}`, role: "row", "aria-rowindex": place + 2, "aria-selected": row === chosen, "data-row": row },
    ...COLUMNS.map((column) => cell(column, row)));
}

function space(rows) {
  const filler = make("td", { colspan: COLUMNS.filter((column) => !column.wide || !current).length });
  filler.style.height = `${rows * ROW_PX}px`;
  return make("tr", { className: "space", "aria-hidden": "true" }, filler);
}

/** Draw the rows in sight, and empty space of the height of all others. */
function draw(all = false) {
  const list = byId("list");
  const first = all ? 0 : Math.max(0, Math.floor(list.scrollTop / ROW_PX) - 8);
  const last = all ? Math.min(shown.length, PRINTED_ROWS) : Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW_PX) + 16);
  const lines = shown.slice(first, last).map((row, index) => line(row, first + index));
  const below = all ? 0 : shown.length - last;
  byId("body").replaceChildren(...(first ? [space(first)] : []), ...lines, ...(below > 0 ? [space(below)] : []));
  const grid = byId("rows");
  if (chosen !== null && byId(`row-${chosen}`)) grid.setAttribute("aria-activedescendant", `row-${chosen}`);
  else grid.removeAttribute("aria-activedescendant");
}

function bringIntoSight(row) {
  const place = shown.indexOf(row);
  if (place < 0) return;
  const list = byId("list"), head = byId("rows").tHead.offsetHeight;
  const top = place * ROW_PX;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW_PX + head > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW_PX + head - list.clientHeight;
  draw();
}

function choose(place) {
  if (!shown.length) return;
  chosen = shown[Math.min(Math.max(place, 0), shown.length - 1)];
  bringIntoSight(chosen);
}

// --- keys and controls -----------------------------------------------------------------------------------------------

function tableKeys(event) {
  const page = Math.max(1, Math.floor(byId("list").clientHeight / ROW_PX) - 2);
  const place = shown.indexOf(chosen);
  const to = { ArrowDown: place + 1, ArrowUp: place - 1, PageDown: place + page, PageUp: place - page, Home: 0, End: shown.length - 1 }[event.key];
  if (event.target.closest("thead")) return;
  if (to !== undefined) { event.preventDefault(); choose(to); }
  if (event.key === "Enter" && chosen !== null) { event.preventDefault(); openSession(chosen); }
}

function later(call, ms) {
  let timer = null;
  return () => { clearTimeout(timer); timer = setTimeout(call, ms); };
}

function showControls() {
  for (const button of document.querySelectorAll("#statuses button")) button.setAttribute("aria-pressed", view.status.has(button.dataset.status));
  for (const name of ["scenario", "tag", "kind", "worker"]) if (byId(`by-${name}`)) byId(`by-${name}`).value = view[name];
  if (document.activeElement !== byId("search")) byId("search").value = view.search;
  if (document.activeElement !== byId("slower")) byId("slower").value = view.slower ?? "";
  byId("sound").checked = view.sound;
  byId("by-expected").textContent = `failed: ${view.expected} \u00d7`;
  byId("by-expected").classList.toggle("hidden", !view.expected);
}

function startSelect(name, values, about) {
  const select = byId(`by-${name}`);
  if (values.length < 2 && name !== "kind") { select.remove(); return; }
  if (!values.length) { select.remove(); return; }
  select.append(make("option", { value: "" }, about), ...values.map((value) => make("option", { value }, value)));
  select.addEventListener("change", () => { view[name] = select.value; update(); });
}

function startTable() {
  const heads = COLUMNS.map((column) => make("th", { scope: "col", role: "columnheader", "data-key": column.key, className: [column.right && "right", column.wide && "wide-only"].filter(Boolean).join(" ") || null },
    make("button", { type: "button", title: column.title ?? null, on: { click: () => sortBy(column.key) } }, make("span", {}, column.head), make("span", { "aria-hidden": "true" }))));
  byId("columns").append(...COLUMNS.map((column) => make("col", { className: [column.col, column.wide && "wide-only"].filter(Boolean).join(" ") || null })));
  byId("rows").tHead.append(make("tr", { role: "row", "aria-rowindex": 1 }, ...heads));
  const counts = {};
  for (const status of data.status) counts[status] = (counts[status] ?? 0) + 1;
  byId("statuses").append(...Object.keys(STATUS_MARKS).filter((status) => counts[status]).map((status) => make("button",
    { type: "button", "data-status": status, "aria-pressed": "false", on: { click: () => toggleStatus(status) } },
    make("span", { className: `badge ${status}` }, `${STATUS_MARKS[status]} ${status}`), ` ${counts[status].toLocaleString("en")}`)));
  startSelect("scenario", [...new Set(data.scenario)], "all scenarios");
  startSelect("tag", Object.keys(data.tagged), "all tags");
  startSelect("kind", [...new Set(data.kind)].filter(Boolean).sort(), "all errors");
  startSelect("worker", [...new Set(data.worker)].sort(), "all workers");
  byId("search").addEventListener("input", later(() => { view.search = byId("search").value; update(); hearWords(); }, 120));
  byId("slower").addEventListener("input", later(() => { view.slower = Number(byId("slower").value) || null; update(); }, 120));
  byId("sound").addEventListener("change", () => { view.sound = byId("sound").checked; update(); });
  byId("by-expected").addEventListener("click", () => { view.expected = ""; update(); });
  byId("reset").addEventListener("click", () => { readView(new URLSearchParams()); update(); });
  byId("rows").addEventListener("keydown", tableKeys);
  byId("body").addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-row]");
    if (row && !String(getSelection())) { chosen = Number(row.dataset.row); openSession(chosen); }
  });
  let drawing = false;
  byId("list").addEventListener("scroll", () => {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => { drawing = false; draw(); });
  });
  new ResizeObserver(() => draw()).observe(byId("list"));
  addEventListener("beforeprint", () => draw(true));
  addEventListener("afterprint", () => draw());
}

function sortBy(key) {
  const numbers = typeof data[key].find((value) => value !== null) === "number" && key !== "job";
  // The first look is at the worst: the largest number first.
  if (view.sort === key) view.down = !view.down;
  else { view.sort = key; view.down = numbers; }
  byId("list").scrollTop = 0;
  update();
}

function toggleStatus(status) {
  if (!view.status.delete(status)) view.status.add(status);
  update();
}

/** Show just the sessions that a link of the page speaks of. */
function narrow(changes) {
  readView(new URLSearchParams(changes));
  closeSession({ focus: false });
  update();
  byId("sessions").scrollIntoView();
  byId("rows").focus({ preventScroll: true });
  if (view.search) hearWords();
}

// --- words -----------------------------------------------------------------------------------------------------------

let hearing = false;

/** Unpack all that was said, once somebody searches. */
async function hearWords() {
  if (hearing || !view.search) return;
  hearing = true;
  const blocks = data.block.reduce((most, block) => Math.max(most, block), -1) + 1;
  const rowOf = new Map(data.job.map((job, row) => [job, row]));
  for (let block = 0; block < blocks; block += 1) {
    byId("searching").textContent = `reading transcripts: ${Math.round((100 * block) / blocks)} %`;
    // Not through details(): what it keeps of a hundred thousand sessions would be half a gigabyte.
    for (const session of await unpackJson(`block-${block}`)) words[rowOf.get(session.job)] = spoken(session);
    if (block % 10 === 9) await new Promise((done) => setTimeout(done));
  }
  byId("searching").textContent = "";
  update();
}

function spoken(session) {
  const turns = (session.tries.at(-1).result.turns ?? []);
  return turns.flatMap((turn) => [turn.said, turn.heard, turn.answer, ...(turn.tools ?? []).flatMap((tool) => [tool.name, tool.arguments, tool.result])])
    .filter(Boolean).join("\n");
}

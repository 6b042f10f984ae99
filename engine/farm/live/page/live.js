// The page of a run that goes on: shows each picture as it comes, and says so when none comes any more.
// Names of plans, workers and errors are others' words: they are only ever put in as text.
"use strict";

const AGAIN_FIRST_MS = 1000, AGAIN_MOST_MS = 15000;
// As many as the server keeps; past it every second point goes.
const POINTS_MOST = 600;

const at = (id) => document.getElementById(id);
const main = document.querySelector("main");
let points = null, over = false, againMs = AGAIN_FIRST_MS;

const el = (name, words, tone) => {
  const made = document.createElement(name);
  made.textContent = words;
  if (tone) made.className = tone;
  return made;
};
const put = (id, words) => {
  at(id).textContent = words;
  at(id).hidden = !words;
};

// --- the words ---------------------------------------------------------------------------------------------------------

const fact = ({ name, value, tone }) => {
  const item = document.createElement("li");
  item.append(el("b", value, tone), " ", el("span", name));
  return item;
};
const MARKS = { "": "·", good: "✓", warn: "!", bad: "✗" };
const threshold = ({ text, value, tone }) => {
  const item = document.createElement("li");
  item.append(el("b", `${MARKS[tone] ?? ""} ${value}`, tone || "muted"), el("code", text));
  return item;
};
const row = (cells) => {
  const made = document.createElement("tr");
  made.append(...cells.map(([words, tone]) => {
    const cell = el("td", words, tone);
    cell.title = words;
    return cell;
  }));
  return made;
};
const latency = (l) => row([l.name, l.now_p50, l.now_p95, l.p50, l.p95, l.p99, l.count].map((words) => [words]));
const worker = (w) => row([
  [w.name], [w.state, w.state === "up" ? "" : w.tone], [w.active], [w.ended], [w.lost, w.lost === "0" ? "" : "bad"],
  [w.starts], [w.memory], [w.cpu], [w.lag, w.state === "up" ? w.tone : ""],
]);

function fill(id, items, make, whole = at(id)) {
  at(id).replaceChildren(...items.map(make));
  whole.hidden = items.length === 0;
}

function show(picture) {
  document.title = `${picture.done} · ${picture.name}`;
  put("name", picture.name);
  put("run", `run ${picture.run_id}`);
  put("state", picture.state);
  put("done", `${picture.done} done`);
  put("time", picture.time);
  put("held", picture.held_back && `held back by: ${picture.held_back}`);
  at("bar").hidden = picture.progress === null;
  at("bar").value = picture.progress ?? 0;
  fill("facts", picture.facts, fact);
  fill("spent", [...picture.spent, { name: "starts", value: picture.pace, tone: "" }], fact);
  fill("errors", picture.errors, fact);
  fill("thresholds", picture.thresholds, threshold, at("thresholds-section"));
  fill("latencies", picture.latencies, latency, at("latencies-section"));
  fill("workers", picture.workers, worker, at("workers-section"));
  put("workers-more", picture.workers_left_out ? `and ${picture.workers_left_out} more` : "");
}

// --- the charts --------------------------------------------------------------------------------------------------------

function keep(point) {
  const times = points.at_s;
  if (times.length && point.at_s <= times[times.length - 1]) return;
  for (const name of Object.keys(points)) points[name].push(point[name]);
  if (times.length > POINTS_MOST) {
    for (const name of Object.keys(points)) points[name] = points[name].filter((_, index) => index % 2 === 0);
  }
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const line = (name, key, tone, more = {}) => ({
  name, x: clock(), y: points[key], type: "scatter", mode: "lines", line: { color: colour(tone), width: 2 }, ...more,
});
const clock = () => points.at_s.map((s) => s / 60);

function layout(second = false) {
  const axis = { gridcolor: colour("line"), zeroline: false, rangemode: "tozero", fixedrange: true };
  return {
    margin: { l: 44, r: 40, t: 6, b: 34 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("muted"), size: 11 }, showlegend: true, hovermode: "x unified",
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    hoverlabel: { bgcolor: colour("card"), font: { color: colour("ink") } },
    xaxis: { ...axis, title: { text: "minutes", standoff: 4 } }, yaxis: axis,
    ...(second && { yaxis2: { ...axis, overlaying: "y", side: "right", showgrid: false, tickmode: "auto", nticks: 5 } }),
  };
}

function draw() {
  if (!window.Plotly || !points || document.hidden) return;
  const settings = { displayModeBar: false };
  const each = [
    ["chart-sessions", [line("active", "active", "accent"), line("starts a second", "starts_per_s", "warn", { yaxis: "y2" })], layout(true)],
    ["chart-latency", [line("p50, ms", "p50_ms", "accent"), line("p95, ms", "p95_ms", "bad")], layout()],
    ["chart-done", [line("done", "done", "good"), line("broke", "broke", "bad")], layout()],
  ];
  for (const [id, traces, how] of each) window.Plotly.react(id, traces, how, settings);
}

// --- the events --------------------------------------------------------------------------------------------------------

function link(state, words = "") {
  main.dataset.link = state;
  put("link", words);
}

function listen() {
  const source = new EventSource("/events");
  source.addEventListener("history", (event) => {
    const course = JSON.parse(event.data);
    againMs = AGAIN_FIRST_MS;
    points = course.points;
    link("open");
    draw();
  });
  source.addEventListener("picture", (event) => {
    const picture = JSON.parse(event.data);
    show(picture);
    if (picture.point) keep(picture.point);
    draw();
  });
  source.addEventListener("over", (event) => {
    over = true;
    source.close();
    link("over", JSON.parse(event.data).words || "The run is over; this is how it ended.");
  });
  source.onerror = () => {
    // The browser's own way would give up for ever after a refusal.
    source.close();
    if (over) return;
    link("lost", "No connection to the run: trying again. What is shown may be old.");
    setTimeout(listen, againMs);
    againMs = Math.min(againMs * 2, AGAIN_MOST_MS);
  };
}

// Plotly follows the window alone, and a column can change its width without it.
const widths = new ResizeObserver((changed) => {
  for (const { target } of changed) if (target.layout) window.Plotly.Plots.resize(target);
});
for (const chart of document.querySelectorAll(".chart")) widths.observe(chart);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
document.addEventListener("visibilitychange", draw);
listen();

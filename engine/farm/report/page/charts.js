// The charts of a report: how one metric is distributed, how it went over time, and how many sessions ran.

const MOST_BARS = 60;
const LEAST_BARS = 8;
const MOST_BUCKETS = 60;
const MOST_DOTS = 1200;
let series = null;   // values by metric, unpacked once
let run = null;      // thresholds, moments of resumption, sessions over time
let drawnTimes = 0;

const SCALES = { ms: 1, share: 100, usd: 1, count: 1 };
const AXIS_UNITS = { ms: "ms", share: "%", usd: "US dollars", count: "" };

function groupsOf(one, by) {
  if (!by) return [{ name: "all sessions", places: one.value.map((_, place) => place) }];
  const groups = new Map();
  one.row.forEach((row, place) => {
    const name = String(data[by][row] || NOTHING);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(place);
  });
  const largest = [...groups].sort((a, b) => b[1].length - a[1].length);
  const rest = largest.slice(5).flatMap(([, places]) => places);
  const named = largest.slice(0, 5).map(([name, places]) => ({ name, places }));
  return rest.length ? [...named, { name: "others", places: rest }] : named;
}

const largest = (values) => values.reduce((most, value) => Math.max(most, value), 0);
const ink = (index) => colour(`series-${(index % 6) + 1}`);

function boundsOf(metric, axis) {
  return run.thresholds.filter((one) => one.metric === metric && one.in_values)
    .map((one) => rule(axis, one.bound * SCALES[run.metrics[metric].unit], plain(one.short), one.held ? colour("good") : colour("bad"), "dash", axis === "x" ? "middle" : "start"));
}

// --- distribution ----------------------------------------------------------------------------------------------------

function binsOf(ordered) {
  const low = Math.min(ordered[0], 0 < ordered[0] / ordered.at(-1) && ordered[0] / ordered.at(-1) < 0.3 ? 0 : ordered[0]);
  // The last bar takes what lies far out, so that the others stay readable.
  const far = percentileOf(ordered, 99.5), most = ordered.at(-1);
  const high = most > far * 1.5 && ordered.length > 50 ? far * 1.1 : most;
  const count = Math.round(Math.min(MOST_BARS, Math.max(LEAST_BARS, 2 * Math.sqrt(ordered.length))));
  const width = (high - low || Math.abs(high) || 1) / count;
  return { low, width, count, beyond: high < most ? high : null };
}

function distribution(metric, by) {
  const one = series[metric], unit = run.metrics[metric].unit, scale = SCALES[unit];
  const ordered = [...one.value].sort((a, b) => a - b);
  const bins = binsOf(ordered);
  const centres = Array.from({ length: bins.count }, (_, index) => (bins.low + (index + 0.5) * bins.width) * scale);
  const traces = groupsOf(one, by).map((group, index) => {
    const counts = new Array(bins.count).fill(0);
    for (const place of group.places) counts[Math.min(Math.max(Math.floor((one.value[place] - bins.low) / bins.width), 0), bins.count - 1)] += 1;
    const told = centres.map((centre, bar) => {
      const from = bins.low + bar * bins.width;
      const to = bar === bins.count - 1 && bins.beyond !== null ? "and more" : `to ${figureText(from + bins.width, unit)}`;
      return `${figureText(from, unit)} ${to}`;
    });
    return { type: "bar", name: plain(group.name), x: centres, y: counts, customdata: told, marker: { color: ink(index) }, showlegend: Boolean(by), hovertemplate: "%{y} in %{customdata}<extra></extra>" };
  });
  const marks = [50, 95, 99].map((percent) => rule("x", percentileOf(ordered, percent) * scale, `p${percent}`, colour("soft"), "dot"));
  const right = (bins.low + bins.count * bins.width) * scale;
  return [traces, layout({
    barmode: "stack", shapes: [...marks, ...boundsOf(metric, "x")].filter((shape) => shape.x0 <= right),
    xaxis: { title: { text: AXIS_UNITS[unit], standoff: 4 }, range: [bins.low * scale, right] }, yaxis: { title: { text: "values" } },
  })];
}

// --- over time -------------------------------------------------------------------------------------------------------

function bucketed(one, places, percents) {
  const end = largest(one.at_s) || 1, width = end / MOST_BUCKETS;
  const buckets = Array.from({ length: MOST_BUCKETS + 1 }, () => []);
  for (const place of places) buckets[Math.min(Math.floor(one.at_s[place] / width), MOST_BUCKETS)].push(one.value[place]);
  const filled = buckets.map((values, index) => [(index + 0.5) * width, values.sort((a, b) => a - b)]).filter(([, values]) => values.length);
  return percents.map((percent) => ({ x: filled.map(([at]) => Math.min(at, end)), y: filled.map(([, values]) => percentileOf(values, percent)) }));
}

function dotsOf(one, places) {
  if (places.length <= MOST_DOTS) return places;
  return [...places].sort((a, b) => one.value[b] - one.value[a]).slice(0, MOST_DOTS / 4);
}

function overTime(metric, by) {
  const one = series[metric], unit = run.metrics[metric].unit, scale = SCALES[unit];
  const traces = [];
  groupsOf(one, by).forEach((group, index) => {
    const dots = dotsOf(one, group.places);
    traces.push({ type: "scatter", mode: "markers", name: by ? plain(group.name) : (dots.length < group.places.length ? "slowest values" : "values"),
      x: dots.map((place) => one.at_s[place]), y: dots.map((place) => one.value[place] * scale), customdata: dots.map((place) => one.row[place]),
      text: dots.map((place) => `call ${data.job[one.row[place]]}: ${figureText(one.value[place], unit)}`), legendgroup: group.name, showlegend: Boolean(by),
      marker: { color: ink(index), size: 5, opacity: 0.4 }, hovertemplate: "%{text} (click to open)<extra></extra>" });
    const lines = group.places.length > 2 * MOST_BUCKETS ? bucketed(one, group.places, by ? [95] : [50, 95]) : [];
    lines.forEach((points, line) => traces.push({ type: "scatter", mode: "lines", name: by ? `${plain(group.name)}, p95` : ["p50", "p95"][line], x: points.x, y: points.y.map((value) => value * scale),
      legendgroup: group.name, line: { color: by ? ink(index) : ink(line + 1), width: 2 }, hovertemplate: `%{y:.4~g} ${AXIS_UNITS[unit]}<extra></extra>` }));
  });
  const bounds = boundsOf(metric, "y");
  const most = Math.max(largest(one.value) * scale, ...bounds.map((bound) => bound.y0));
  return [traces, layout({ shapes: [...bounds, ...resumed()], xaxis: runAxis(), yaxis: { title: { text: AXIS_UNITS[unit] }, range: [0, most * 1.12 || 1] } })];
}

const runAxis = () => ({ title: { text: "seconds of the run", standoff: 4 }, range: [0, run.duration_s || 1] });

const resumed = () => run.resumed_at_s.map((at) => rule("x", at, "resumed", colour("lost"), "dash"));

function sessionsOverTime() {
  const { at_s: at, active, broken_at_s: brokenAt, broken, broken_width_s: width } = run.running;
  const traces = [{ type: "scatter", mode: "lines", name: "sessions at a time", x: at, y: active, line: { color: ink(0), width: 1.5, shape: "hv" }, fill: "tozeroy", fillcolor: `${ink(0)}33`, hovertemplate: "%{y} at a time<extra></extra>" }];
  if (broken.length) traces.push({ type: "bar", name: "tries that broke", x: brokenAt, y: broken, width: width * 1.5, marker: { color: colour("bad") }, hovertemplate: "%{y} broke<extra></extra>" });
  const cap = run.cap === null ? [] : [rule("y", run.cap, `cap ${run.cap}`, colour("soft"), "dash", "start")];
  return [traces, layout({ shapes: [...cap, ...resumed()], margin: { l: 50, r: 16, t: 26, b: 38 }, xaxis: runAxis(), yaxis: { range: [0, Math.max(largest(active), largest(broken), run.cap ?? 0) * 1.18 || 1] } })];
}

// --- drawing ---------------------------------------------------------------------------------------------------------

async function drawCharts() {
  const Plotly = await plotly();
  const metric = byId("metric").value, by = byId("split").value;
  const about = run.metrics[metric]?.about ?? "";
  if (metric) {
    byId("metric-about").textContent = series[metric].stride > 1 ? `${about}; the charts show one value in ${series[metric].stride}, by lot` : about;
    await Plotly.react("distribution", ...distribution(metric, by), CHART_SETTINGS);
    await Plotly.react("over-time", ...overTime(metric, by), CHART_SETTINGS);
  }
  await Plotly.react("running", ...sessionsOverTime(), CHART_SETTINGS);
  drawnTimes += 1;
  document.body.dataset.charts = drawnTimes;
}

async function startCharts() {
  series = await unpackJson("series");
  const names = Object.keys(series);
  byId("metric").append(...names.map((name) => make("option", { value: name }, name.replaceAll("_", " "))));
  if (!names.length) byId("metric-charts").classList.add("hidden");
  for (const [value, text] of [["", "together"], ["scenario", "by scenario"], ["status", "by status"], ["worker", "by worker"]]) {
    if (!value || new Set(data[value]).size > 1) byId("split").append(make("option", { value }, text));
  }
  for (const id of ["metric", "split"]) byId(id).addEventListener("change", drawCharts);
  for (const button of document.querySelectorAll("button[data-metric]")) {
    button.addEventListener("click", () => { byId("metric").value = button.dataset.metric; drawCharts(); byId("metric-charts").scrollIntoView({ block: "nearest" }); });
  }
  await drawCharts();
  byId("over-time")?.on?.("plotly_click", ({ points }) => {
    const row = points[0]?.customdata;
    if (typeof row !== "number") return;
    if (!shown.includes(row)) narrow({});
    openSession(row);
    byId("sessions").scrollIntoView();
  });
  repaint.push(drawCharts);
  addEventListener("beforeprint", () => { for (const chart of document.querySelectorAll(".chart")) window.Plotly.Plots.resize(chart); });
}

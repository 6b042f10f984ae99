// The chart of a comparison: for each metric, the share of values that lie below, in both runs.

let curves = null;
const SCALES = { ms: 1, share: 100, usd: 1, count: 1 };
const AXIS_UNITS = { ms: "ms", share: "%", usd: "US dollars", count: "" };

async function drawCurve() {
  const Plotly = await plotly();
  const one = curves[byId("metric").value], scale = SCALES[one.unit];
  byId("metric-about").textContent = one.about;
  const traces = ["a", "b"].map((side, index) => ({
    type: "scatter", mode: "lines", name: side.toUpperCase(), x: one[side].map((value) => value * scale),
    y: one[side].map((_, place) => (100 * (place + 1)) / one[side].length), line: { color: colour(`series-${index + 1}`), width: 2, shape: "hv" },
    hovertemplate: "%{y:.1f} % up to %{x:.4~g}<extra></extra>",
  }));
  await Plotly.react("curve", traces, layout({ xaxis: { title: { text: AXIS_UNITS[one.unit], standoff: 4 }, rangemode: "tozero" }, yaxis: { title: { text: "% of values up to" } } }), CHART_SETTINGS);
  document.body.dataset.charts = "true";
}

async function start() {
  startTheme();
  curves = await unpackJson("curves");
  const names = Object.keys(curves);
  if (!names.length) { byId("curves-panel").classList.add("hidden"); return; }
  byId("metric").append(...names.map((name) => make("option", { value: name }, name.replaceAll("_", " "))));
  byId("metric").addEventListener("change", drawCurve);
  await drawCurve();
  repaint.push(drawCurve);
}

start().catch((error) => {
  byId("trouble").textContent = `This page needs a browser from 2023 or later (Chrome 80, Firefox 113, Safari 16.4): ${error}`;
  byId("trouble").classList.remove("hidden");
  throw error;
});

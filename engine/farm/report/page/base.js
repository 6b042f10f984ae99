// What all pages share: elements made of text alone, figures with their unit, and what lies packed in the page.

const byId = (id) => document.getElementById(id);

/** Make an element. Text from outside only ever becomes a text node. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("aria-") && value !== null) { element.setAttribute(name, String(value)); continue; }
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, call] of Object.entries(value)) element.addEventListener(event, call);
    else if (name === "className") element.className = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Give the text that lies packed (gzip in base64) in the element of this id. */
async function unpack(id) {
  const stream = new Blob([bytesOf(byId(id).textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function unpackJson(id) {
  return JSON.parse(await unpack(id));
}

// --- figures ---------------------------------------------------------------------------------------------------------

const NOTHING = "\u2013";

function clockText(ms) {
  const seconds = Math.round(ms / 1000);
  const two = (value) => String(value).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} min`;
}

function msText(ms) {
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 9999.5) return `${Math.round(ms).toLocaleString("en")} ms`;
  return ms < 59950 ? `${(ms / 1000).toFixed(1)} s` : clockText(ms);
}

const TEXT_OF = {
  ms: msText,
  share: (share) => `${Number((share * 100).toPrecision(3))} %`,
  usd: (usd) => `$${usd === 0 || usd >= 1 ? usd.toFixed(2) : usd.toFixed(4)}`,
  count: (count) => Math.round(count).toLocaleString("en"),
};

function figureText(value, unit) {
  return value === null || value === undefined ? NOTHING : TEXT_OF[unit](value);
}

/** Give the value that so many percent of sorted values don't exceed (the nearest rank). */
function percentileOf(sorted, percent) {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length - 1e-9) - 1)];
}

// --- light and dark --------------------------------------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];
const repaint = [];  // called when colours change

function remembered(name, value) {
  try {  // a page from a file may have no storage
    if (value === undefined) return localStorage.getItem(name);
    localStorage.setItem(name, value);
  } catch { /* then it is not remembered */ }
  return null;
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Colours: ${theme}`;
  for (const call of repaint) call();
}

function startTheme() {
  let theme = remembered("farm-report-theme");
  if (!THEMES.includes(theme)) theme = "auto";
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    remembered("farm-report-theme", theme);
    setTheme(theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(theme));
  // Charts are drawn in colours of their own: on paper, in those for light.
  addEventListener("beforeprint", () => setTheme("light"));
  addEventListener("afterprint", () => setTheme(theme));
  byId("theme").classList.remove("hidden");
  setTheme(theme);
}

// --- charts ----------------------------------------------------------------------------------------------------------

let plotlyLoading = null;

/** Load Plotly, which lies packed in the page; the content security policy knows it by its hash. */
function plotly() {
  plotlyLoading ??= unpack("plotly").then((text) => {
    const script = make("script");
    script.textContent = text;
    document.head.append(script);
    return window.Plotly;
  });
  return plotlyLoading;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Plotly reads some tags in texts: what came from outside must not be read so. */
function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function layout(more) {
  const axis = { gridcolor: colour("line"), linecolor: colour("line"), zeroline: false, automargin: true };
  const { xaxis = {}, yaxis = {}, ...rest } = more;
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 50, r: 16, t: 30, b: 42 },
    font: { color: colour("ink"), size: 12, family: getComputedStyle(document.body).fontFamily },
    legend: { orientation: "h", y: 1.16, x: 0, xanchor: "left", font: { size: 11 } }, bargap: 0.04,
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("soft"), activecolor: colour("ink") },
    hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("line"), font: { color: colour("ink") } },
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis, rangemode: "tozero" }, ...rest,
  };
}

const CHART_SETTINGS = {
  displaylogo: false, responsive: true, modeBarButtons: [["toImage", "resetScale2d"]],
};

/** A line across the chart at a value, with its name. */
function rule(axis, value, text, ink, dash, textposition = "end") {
  const across = axis === "x" ? { x0: value, x1: value, y0: 0, y1: 1, yref: "paper" }
    : { y0: value, y1: value, x0: 0, x1: 1, xref: "paper" };
  return { type: "line", ...across, line: { color: ink, width: 1.5, dash }, label: {
    text, font: { size: 11, color: ink }, textposition, textangle: axis === "x" ? -90 : 0,
    ...(axis === "x" ? { yanchor: "top" } : { yanchor: "bottom", xanchor: "left" }),
  } };
}

// One session: why it ended as it did, its timeline, its words, and its audio.

const blocks = new Map();
let current = null;  // { row, number of the try, timeline, audio, close }

/** Give a block of sessions, unpacked once. */
function details(block) {
  if (!blocks.has(block)) blocks.set(block, unpackJson(`block-${block}`));
  return blocks.get(block);
}

async function sessionOf(row) {
  if (data.block[row] < 0) return null;
  return (await details(data.block[row])).find((session) => session.job === data.job[row]) ?? null;
}

// --- open and close --------------------------------------------------------------------------------------------------

async function openSession(row, { focus = true, attempt = null } = {}) {
  const session = await sessionOf(row);
  leave();
  chosen = row;
  const tries = session?.tries ?? [];
  const number = tries.findIndex((one) => (one.result.attempt ?? 1) === attempt);
  current = { row, session, number: number < 0 ? tries.length - 1 : number, close: () => {} };
  byId("browse").classList.add("open");
  byId("session").classList.remove("hidden");
  showTry();
  draw();
  bringIntoSight(row);
  writeAddress();
  if (focus) byId("session-title").focus({ preventScroll: true });
  if (matchMedia("(max-width: 1000px)").matches) byId("session").scrollIntoView();
}

function leave() {
  current?.close();
  current = null;
}

function closeSession({ focus = true } = {}) {
  if (!current) return;
  leave();
  byId("session").classList.add("hidden");
  byId("session").replaceChildren();
  byId("browse").classList.remove("open");
  draw();
  bringIntoSight(chosen);
  writeAddress();
  if (focus) byId("rows").focus({ preventScroll: true });
}

function step(by) {
  const place = shown.indexOf(current.row) + by;
  if (place >= 0 && place < shown.length) openSession(shown[place]);
}

// --- parts -----------------------------------------------------------------------------------------------------------

function titleOf(row, result) {
  const place = shown.indexOf(row);
  const button = (text, title, call, off) => make("button", { type: "button", title, disabled: off, on: { click: call } }, text);
  return make("div", { className: "title" },
    make("h3", { id: "session-title", tabindex: -1 }, `Call ${data.job[row]} `, make("span", { className: `badge ${result.status ?? "passed"}` }, `${STATUS_MARKS[result.status ?? "passed"]} ${result.status ?? "passed"}`)),
    make("span", { className: "set no-print" },
      button("\u2190 Previous", "Previous session of the list (K)", () => step(-1), place <= 0),
      button("Next \u2192", "Next session of the list (J)", () => step(1), place < 0 || place >= shown.length - 1),
      button("Close", "Back to the list (Esc)", () => closeSession())));
}

function triesOf(session) {
  if (session.tries.length < 2) return null;
  const buttons = session.tries.map(({ result }, index) => make("button", {
    type: "button", "aria-pressed": index === current.number, on: { click: () => { const { row } = current; openSession(row, { attempt: result.attempt ?? 1 }); } },
  }, `Try ${result.attempt ?? 1}: ${result.status ?? "passed"}${result.error_kind ? ` (${result.error_kind})` : ""}`));
  return make("p", { className: "set no-print" }, ...buttons.flatMap((button) => [button, " "]));
}

function factsOf(session, { result, files }) {
  const facts = [
    ["Scenario", result.scenario],
    ...Object.entries(session.values),
    ["Began", result.began_at ? new Date(result.began_at * 1000).toISOString().replace("T", " ").replace(/\..*/, " UTC") : NOTHING],
    ["Length", msText(result.duration_ms ?? 0)],
    ["Connected after", figureText(result.connect_ms, "ms")],
    ["Connections", result.links ?? 0],
    ["Tokens in, out", `${(result.input_tokens ?? 0).toLocaleString("en")}, ${(result.output_tokens ?? 0).toLocaleString("en")}`],
    ["Cost", result.cost_usd === undefined || result.cost_usd === null ? "not known" : TEXT_OF.usd(result.cost_usd)],
    ["Audio in, out", `${msText(result.audio_in_ms ?? 0)}, ${msText(result.audio_out_ms ?? 0)}`],
    result.audio_lost_ms ? ["Audio lost", msText(result.audio_lost_ms)] : null,
    ["Worker", result.worker ?? ""],
    ["Attempt", result.attempt_id],
    result.session_id ? ["Session", result.session_id] : null,
  ].filter(Boolean);
  const links = Object.entries(files ?? {}).map(([kind, address]) => make("a", { href: address }, kind));
  return make("dl", { className: "facts" },
    ...facts.map(([name, value]) => make("div", {}, make("dt", { className: "outside" }, name), make("dd", { className: "outside" }, String(value)))),
    links.length ? make("div", {}, make("dt", {}, "Files"), make("dd", {}, ...links.flatMap((link) => [link, " "]))) : null);
}

function checksOf(result) {
  if (!result.verdicts?.length) return null;
  return [make("h3", {}, "Expectations"), make("ul", { className: "checks" }, ...result.verdicts.map((verdict) => make("li", {},
    make("span", { className: verdict.held ? "held" : "crossed" }, verdict.held ? "\u2713 held " : "\u2717 failed "),
    make("span", { className: "outside" }, verdict.expected),
    verdict.found ? make("span", { className: "outside soft" }, ` (found: ${verdict.found})`) : null)))];
}

function turnHead(turn, seek) {
  const figure = (name, value, unit = "ms") => (value === undefined || value === null ? null : make("span", {}, `${name} ${figureText(value, unit)}`));
  return make("div", { className: "turn-head" },
    make("button", { type: "button", className: "link", title: "Hear it from here", on: { click: () => seek(turn.began_at_ms ?? 0) } }, `Turn ${turn.number}, ${momentText(turn.began_at_ms ?? 0)}`),
    make("span", { className: ["completed", undefined].includes(turn.status) ? "" : "crossed" }, turn.status ?? "unanswered"),
    turn.interrupted ? make("span", { className: "crossed" }, "interrupted") : null,
    figure("first audio", turn.time_to_first_audio_ms), figure("heard after", turn.time_to_first_audio_heard_ms),
    figure("response", turn.response_ms), figure("fell silent after", turn.interruption_latency_ms),
    figure("misheard words", turn.word_error_rate, "share"), turn.tokens ? figure("tokens", turn.tokens, "count") : null);
}

const lineOf = (who, name, text) => (text ? make("div", { className: `line ${who}` }, make("span", {}, name), make("span", { className: "outside" }, text)) : null);

const bare = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();

function turnOf(turn, seek) {
  const heard = typeof turn.heard === "string" && bare(turn.heard) !== bare(turn.said ?? "");
  const cut = turn.interrupted && turn.heard_ms < turn.audio_ms ? make("div", { className: "line" }, make("span"), make("span", { className: "soft small" }, `heard ${msText(turn.heard_ms)} of ${msText(turn.audio_ms)}`)) : null;
  return make("li", { "data-from": turn.began_at_ms ?? 0 }, turnHead(turn, seek),
    lineOf("caller", "Caller", turn.said), heard ? lineOf("", "understood", turn.heard || "(nothing)") : null,
    ...(turn.tools ?? []).map((tool) => make("div", { className: "line tool-use" }, make("span", {}, "Tool"), make("span", {},
      make("button", { type: "button", className: "link", on: { click: () => seek(tool.at_ms ?? 0) } }, momentText(tool.at_ms ?? 0)), " ",
      make("code", { className: "outside" }, `${tool.name}(${tool.arguments ?? ""})`), " \u2192 ",
      make("code", { className: `outside${tool.failed ? " crossed" : ""}` }, tool.result || (tool.failed ? "failed" : "")),
      make("span", { className: "soft" }, tool.duration_ms === undefined || tool.duration_ms === null ? "" : ` ${msText(tool.duration_ms)}`)))),
    lineOf("agent", "Agent", turn.answer), cut);
}

// --- audio -----------------------------------------------------------------------------------------------------------

function audioOf(session, { result, files }) {
  const inPage = byId(`sound-${session.job}-${result.attempt ?? 1}`);
  if (!inPage && !files?.audio) return null;
  const address = inPage ? URL.createObjectURL(new Blob([bytesOf(inPage.textContent)], { type: inPage.dataset.type })) : files.audio;
  const audio = make("audio", { controls: true, preload: "metadata", src: address, "aria-label": `Audio of call ${session.job}: caller left, agent right` });
  return { audio, inPage: Boolean(inPage), type: inPage?.dataset.type, free: () => { audio.pause(); audio.removeAttribute("src"); audio.load(); if (inPage) URL.revokeObjectURL(address); } };
}

function playerOf(sound, timeline) {
  const zoom = make("span", { className: "set" },
    make("button", { type: "button", title: "Wider", "aria-label": "Wider timeline", on: { click: () => timeline.zoomBy(2) } }, "+"), " ",
    make("button", { type: "button", title: "Narrower", "aria-label": "Narrower timeline", on: { click: () => timeline.zoomBy(0.5) } }, "\u2212"));
  if (!sound) return make("div", { className: "player" }, make("span", { className: "soft" }, "No audio was kept of this session."), zoom);
  const speed = make("select", { "aria-label": "Speed", on: { change: () => { sound.audio.playbackRate = Number(speed.value); } } },
    ...["0.5", "1", "1.5", "2"].map((rate) => make("option", { value: rate, selected: rate === "1" }, `${rate}\u00d7`)));
  const broken = make("span", { className: "crossed hidden", role: "alert" }, sound.inPage
    ? `This browser does not play its audio (${sound.type}): open the page in another one.`
    : "Its audio can't be loaded: keep the page in the run's folder, beside its files, and see whether this browser plays them.");
  sound.audio.addEventListener("error", () => { if (sound.audio.hasAttribute("src")) broken.classList.remove("hidden"); });
  return make("div", { className: "player" }, sound.audio, speed, zoom, broken);
}

/** Keep timeline and transcript where the audio is. */
function inStep(audio, timeline, list) {
  let frame = 0;
  const show = (ms) => {
    timeline.move(ms);
    let now = null;
    for (const item of list.children) { item.classList.remove("now"); if (Number(item.dataset.from) <= ms) now = item; }
    if (ms > 0) now?.classList.add("now");
  };
  const play = () => { show(audio.currentTime * 1000); timeline.follow(); frame = audio.paused ? 0 : requestAnimationFrame(play); };
  audio?.addEventListener("play", () => { cancelAnimationFrame(frame); play(); });
  for (const event of ["seeking", "timeupdate"]) audio?.addEventListener(event, () => show(audio.currentTime * 1000));
  const seek = (ms) => { if (audio) audio.currentTime = ms / 1000; show(ms); timeline.follow(); };
  return { seek, stop: () => cancelAnimationFrame(frame) };
}

/** From the caller's end to the first sound of the answer: what a caller calls slow. */
function waitsOf(result) {
  const waits = [];
  for (const { asked_at_ms: at, time_to_first_audio_heard_ms: heard, time_to_first_audio_ms: sent } of result.turns ?? []) {
    const ms = heard ?? sent;
    if (typeof at === "number" && typeof ms === "number") waits.push({ lane: "wait", at_ms: at, until_ms: at + ms });
  }
  return waits;
}

// --- all of it -------------------------------------------------------------------------------------------------------

function showTry() {
  const { row, session, number } = current;
  if (!session) {
    byId("session").replaceChildren(titleOf(row, { status: data.status[row] }), make("p", { className: "outside" }, data.why[row]),
      make("p", { className: "soft" }, "The page had no room for this session's words and timeline: they are in the ledger beside it."));
    return;
  }
  const one = session.tries[number], { result } = one;
  let step;
  const seek = (ms) => step.seek(ms);
  const timeline = new Timeline([...waitsOf(result), ...(result.spans ?? [])], result.duration_ms ?? 0, seek);
  const sound = audioOf(session, one);
  const list = make("ol", { className: "transcript" }, ...(result.turns ?? []).map((turn) => turnOf(turn, seek)));
  step = inStep(sound?.audio, timeline, list);
  const last = number === session.tries.length - 1;
  const why = last ? data.why[row] : result.error;
  byId("session").replaceChildren(...[titleOf(row, result), triesOf(session), why ? make("div", { className: "cause outside" }, why) : null,
    playerOf(sound, timeline), timeline.element, checksOf(result), make("h3", {}, "Transcript"),
    list.children.length ? list : make("p", { className: "soft" }, "Nothing was said."),
    ...(result.notes ?? []).map((note) => make("p", { className: "outside" }, `Note: ${note}`)),
    make("h3", {}, "Facts"), factsOf(session, one)].flat().filter(Boolean));
  timeline.draw();
  Object.assign(current, { timeline, audio: sound?.audio ?? null, close: () => { step.stop(); timeline.close(); sound?.free(); } });
}

function sessionKeys(event) {
  const writes = event.target.closest("input, select, textarea, audio");
  if (!current || writes || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") { event.preventDefault(); closeSession(); }
  if (event.key === "j" || event.key === "J") step(1);
  if (event.key === "k" || event.key === "K") step(-1);
  if (event.key === " " && current.audio && !event.target.closest("button, a")) {
    event.preventDefault();
    if (current.audio.paused) current.audio.play(); else current.audio.pause();
  }
}

// A session's timeline, in step with its audio: who was heard when, and where the playhead is.

const LANES = [
  { lane: "caller", name: "Caller" },
  { lane: "agent", name: "Agent sent" },
  { lane: "heard", name: "Agent heard" },
  { lane: "tool", name: "Tools" },
  { lane: "mark", name: "Events" },
];
const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

const momentText = (ms) => (ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`);

class Timeline {
  /**
   * @param spans as Python wrote them
   * @param lengthMs of the session
   * @param onSeek called with ms when the reader points somewhere
   */
  constructor(spans, lengthMs, onSeek) {
    this.lengthMs = spans.reduce((most, span) => Math.max(most, span.until_ms), Math.max(lengthMs, 1));
    this.spans = spans;
    this.onSeek = onSeek;
    this.zoom = 1;
    this.atMs = 0;
    this.playhead = make("div", { className: "playhead" });
    this.tracks = make("div", {
      className: "tracks", role: "slider", tabindex: 0, "aria-label": "Position in the session", "aria-valuemin": 0,
      "aria-valuemax": Math.round(this.lengthMs / 1000),
    });
    this.window = make("div", { className: "track-window" }, this.tracks);
    this.element = make("div", { className: "timeline" },
      make("div", { className: "lane-names", "aria-hidden": "true" }, make("div", {}, "Time"), ...LANES.map((lane) => make("div", {}, lane.name))), this.window);
    this.tracks.addEventListener("pointerdown", (event) => this.point(event));
    this.tracks.addEventListener("pointermove", (event) => { if (event.buttons & 1) this.point(event); });
    this.tracks.addEventListener("keydown", (event) => this.keys(event));
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.window);
  }

  close() { this.observer.disconnect(); }

  point(event) {
    if (event.button !== 0 && event.type === "pointerdown") return;
    const box = this.tracks.getBoundingClientRect();
    this.onSeek(Math.min(Math.max(0, ((event.clientX - box.left) / box.width) * this.lengthMs), this.lengthMs));
  }

  keys(event) {
    const step = event.shiftKey ? 5000 : 1000;
    const to = { ArrowLeft: this.atMs - step, ArrowRight: this.atMs + step, Home: 0, End: this.lengthMs }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.onSeek(Math.min(Math.max(0, to), this.lengthMs));
  }

  zoomBy(factor) {
    this.zoom = Math.min(Math.max(1, this.zoom * factor), 64);
    this.draw();
    this.follow();
  }

  draw() {
    const width = Math.floor(this.window.clientWidth * this.zoom);
    if (!width) return;
    this.tracks.style.width = `${width}px`;
    const px = (ms) => (ms / this.lengthMs) * width;
    const lanes = LANES.map(({ lane }) => make("div", { className: "lane" }, ...this.spans.filter((span) => span.lane === lane || (lane === "heard" && span.lane === "wait")).map((span) => this.shape(span, px, width))));
    this.tracks.replaceChildren(this.ticks(px, width), ...lanes, this.playhead);
    this.move(this.atMs);
  }

  ticks(px, width) {
    const step = STEPS_S.find((seconds) => px(seconds * 1000) >= 64) ?? STEPS_S.at(-1);
    const marks = [];
    for (let at = 0; at * 1000 <= this.lengthMs && px(at * 1000) < width - 30; at += step) {
      const mark = make("span", {}, step < 1 ? `${at.toFixed(1)} s` : at < 60 ? `${at} s` : momentText(at * 1000));
      mark.style.left = `${px(at * 1000)}px`;
      marks.push(mark);
    }
    return make("div", { className: "ticks" }, ...marks);
  }

  shape(span, px, width) {
    const ms = span.until_ms - span.at_ms;
    const title = `${momentText(span.at_ms)}${ms > 0 ? ` to ${momentText(span.until_ms)} (${msText(ms)})` : ""}${span.text ? `: ${span.text}` : ""}`;
    if (span.lane === "mark") {
      const flag = make("div", { className: "flag outside", title }, span.text);
      flag.style.left = `${Math.min(px(span.at_ms), width - 3)}px`;
      flag.style.maxWidth = "16rem";
      // Near the end, its words stand before it.
      if (px(span.at_ms) > width - 110) { flag.style.left = "auto"; flag.style.right = `${Math.max(0, width - px(span.at_ms) - 3)}px`; flag.style.borderLeft = "0"; flag.style.borderRight = "3px solid var(--mark)"; flag.style.padding = "0 4px 0 0"; }
      return flag;
    }
    if (span.lane === "wait") {
      const gap = make("div", { className: "gap", title: `waiting for the first sound: ${msText(ms)}` }, px(ms) > 44 ? msText(ms) : "");
      gap.style.left = `${px(span.at_ms)}px`;
      gap.style.width = `${Math.max(2, px(ms))}px`;
      return gap;
    }
    const wide = px(ms) > 26;
    const bar = make("div", { className: `bar ${span.lane}${wide ? " outside" : " thin"}`, title }, wide ? span.text : "");
    bar.style.left = `${px(span.at_ms)}px`;
    bar.style.width = `${Math.max(2, px(ms) - 1)}px`;
    return bar;
  }

  move(ms) {
    this.atMs = ms;
    this.playhead.style.left = `${(ms / this.lengthMs) * 100}%`;
    this.tracks.setAttribute("aria-valuenow", Math.round(ms / 1000));
    this.tracks.setAttribute("aria-valuetext", `${(ms / 1000).toFixed(1)} s of ${(this.lengthMs / 1000).toFixed(1)} s`);
  }

  /** Keep the playhead in sight when the timeline is wider than its window. */
  follow() {
    const x = (this.atMs / this.lengthMs) * this.tracks.clientWidth;
    const { scrollLeft, clientWidth } = this.window;
    if (x < scrollLeft || x > scrollLeft + clientWidth * 0.9) this.window.scrollLeft = x - clientWidth * 0.2;
  }
}

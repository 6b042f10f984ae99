// The page: one call at a time over one WebSocket. Bytes are PCM16 mono 24 kHz both ways, text is JSON.

import { Microphone, Player } from "./sound.js";
import { Transcript } from "./transcript.js";

const BYTES_PER_MS = 48;
const LINE_MAX_BYTES = 1000 * BYTES_PER_MS; // microphone audio that waits for the line; more would only come too late
const HERE_MS = 15000; // so often the server is told that somebody is there

const STATES = {
  idle: ["Ready", "Talk with the model. It hears your microphone; cut in whenever you like."],
  connecting: ["Connecting", "One moment, please."],
  listening: ["Listening", "Say something."],
  hearing: ["You are speaking", "The model answers when you pause."],
  thinking: ["Thinking", "The model prepares its answer."],
  speaking: ["The model is speaking", "Cut in whenever you like."],
  changing: ["Connecting again", "The line to the model broke; your words are kept."],
};

const $ = (id) => document.getElementById(id);
const main = document.querySelector("main");
const transcript = new Transcript($("transcript"));
let call = null;

class Call {
  constructor() {
    this.player = null;
    this.microphone = null;
    this.socket = null;
    this.item = null; // whose speech comes
    this.here = null;
    this.over = false;
    this.last = null; // what the server said at the end
    this.droppedMs = 0;
  }

  async begin() {
    transcript.clear();
    tell("");
    show("connecting");
    try {
      this.player = await Player.open((report) => this.heard(report));
      this.microphone = await Microphone.open(
        (pcm, level) => this.say(pcm, level),
        () => tell("The microphone is gone. You can still write."),
      );
    } catch (error) {
      if (!this.player) return this.end(`This browser can't play sound here: ${error.message}`);
      tell(microphoneTrouble(error));
    }
    if (!this.over) this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(`${scheme}//${location.host}/talk`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.told(JSON.parse(data)) : this.speech(data));
    this.here = setInterval(() => this.send({ type: "here" }), HERE_MS);
    this.socket.onclose = () => this.last || this.end("The line to the server broke.");
  }

  end(trouble) {
    if (this.over) return;
    this.over = true;
    clearInterval(this.here);
    this.socket?.close();
    this.microphone?.close();
    this.player?.close();
    call = null;
    transcript.forgetUnheard();
    if (trouble) tell(trouble);
    level("user-level", 0);
    level("agent-level", 0);
    show("idle");
  }

  // --- to the server

  say(pcm, loudness) {
    level("user-level", loudness);
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    if (this.socket.bufferedAmount > LINE_MAX_BYTES) {
      this.droppedMs += pcm.byteLength / BYTES_PER_MS;
      tell(`Your line is too slow: ${(this.droppedMs / 1000).toFixed(1)} s of what you said were lost.`);
      return;
    }
    this.socket.send(pcm);
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  type(text) {
    this.interrupt();
    transcript.typed(text);
    this.send({ type: "text", text });
  }

  interrupt() {
    if (main.dataset.state === "speaking" || main.dataset.state === "thinking") this.send({ type: "interrupt" });
  }

  /** The player tells where it is. The server makes of it what the model may believe was heard. */
  heard({ state, item, ms, overMs, level: loudness }) {
    if (this.over) return;
    if (item) this.send({ type: "played", item, ms, over_ms: overMs });
    level("agent-level", loudness);
    if (state === "playing") show("speaking");
    else if (state === "empty" && this.last) this.end(this.last);
    else if (state === "empty" && main.dataset.state === "speaking") show("listening");
  }

  // --- from the server

  speech(pcm) {
    transcript.spoken(this.item, pcm.byteLength / BYTES_PER_MS);
    this.player.play(this.item, pcm);
  }

  told(message) {
    this[`on_${message.type}`]?.(message);
  }

  on_open() {
    show("listening");
  }

  on_speech({ item }) {
    this.item = item;
  }

  on_thinking() {
    if (main.dataset.state !== "speaking") show("thinking");
  }

  on_answered() {
    if (main.dataset.state === "thinking") show("listening");
  }

  on_interrupted({ item, cut }) {
    this.player.flush();
    transcript.cutOff(cut);
    if (item) transcript.userSpeaks(item);
    show(item ? "hearing" : "listening");
  }

  on_words(message) {
    transcript.words(message);
  }

  on_connection({ state, reason }) {
    if (reason !== "renewal") show(state === "changing" ? "changing" : "listening");
  }

  on_error({ message }) {
    tell(message);
  }

  /** What the model has said is heard to its end. */
  on_over({ message }) {
    this.last = message ?? "The call is over.";
    if (main.dataset.state !== "speaking") this.end(this.last);
  }
}

function microphoneTrouble(error) {
  if (error.name === "NotAllowedError") return "The microphone is not allowed. Allow it and start again, or write.";
  if (error.name === "NotFoundError") return "There is no microphone. You can write.";
  return `The microphone can't be used: ${error.message} You can write.`;
}

function show(state) {
  if (main.dataset.state === state) return;
  main.dataset.state = state;
  [$("state").textContent, $("hint").textContent] = STATES[state];
  const talking = state !== "idle";
  const open = talking && state !== "connecting";
  $("call").textContent = talking ? "End the call" : "Start talking";
  $("mute").disabled = !(open && call?.microphone);
  $("interrupt").disabled = state !== "speaking" && state !== "thinking";
  for (const part of $("type").elements) part.disabled = !open;
  if (!talking) mute(false);
}

function tell(notice) {
  $("notice").textContent = notice;
  $("notice").hidden = notice === "";
}

/** Shows a level: 60 dB from silence to the loudest. */
function level(meter, loudness) {
  const shown = loudness > 0 ? Math.max(0, 1 + Math.log10(loudness) / 3) : 0;
  $(meter).ariaValueNow = Math.round(100 * shown);
  main.style.setProperty(`--${meter}`, shown.toFixed(3));
}

function mute(muted) {
  $("mute").setAttribute("aria-pressed", String(muted));
  $("mute").textContent = muted ? "Unmute" : "Mute";
  if (call?.microphone) call.microphone.muted = muted;
}

$("call").addEventListener("click", () => {
  if (call) {
    call.end(null);
  } else {
    call = new Call();
    call.begin();
  }
});
$("mute").addEventListener("click", () => mute($("mute").getAttribute("aria-pressed") === "false"));
$("interrupt").addEventListener("click", () => call?.interrupt());
$("type").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("words").value.trim();
  if (!text || !call) return;
  call.type(text);
  $("words").value = "";
});

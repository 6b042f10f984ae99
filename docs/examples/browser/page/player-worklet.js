// The player: queues speech of 24 kHz, plays it, throws it away on demand, and counts to the sample what was heard.
// The server sends at most three seconds ahead of what is reported here, so the queue needs no bound of its own.

const PREBUFFER_SAMPLES = 0.12 * sampleRate; // rides out a line that stutters
const PREBUFFER_MAX_S = 0.2; // a short answer does not wait for more
const REPORT_SAMPLES = 0.05 * sampleRate;
const FADE_SAMPLES = 0.005 * sampleRate; // cut off at once, it would click

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = []; // {item, samples, at}
    this.waiting = 0;
    this.since = null; // when the first of what waits came
    this.playing = false;
    this.item = null;
    this.played = 0; // of the item
    this.over = 0; // of everything: played or thrown away
    this.fading = 0;
    this.energy = 0;
    this.counted = 0;
    this.port.onmessage = ({ data }) => (data.pcm ? this.add(data) : this.flush());
  }

  add({ item, pcm }) {
    const samples = new Int16Array(pcm);
    this.queue.push({ item, samples, at: 0 });
    this.waiting += samples.length;
    this.since ??= currentTime;
  }

  flush() {
    this.fading = this.playing ? Math.min(FADE_SAMPLES, this.waiting) : 0;
    if (this.fading === 0) this.clear();
  }

  clear() {
    this.over += this.waiting;
    this.queue = [];
    this.waiting = this.fading = 0;
    this.playing = false;
    this.since = null;
    this.report("cut");
  }

  process(_, [output]) {
    const channel = output[0];
    const enough = this.waiting >= PREBUFFER_SAMPLES || currentTime - this.since >= PREBUFFER_MAX_S;
    if (!this.playing && this.waiting > 0 && enough) this.playing = true;
    if (!this.playing) return true;
    for (let n = 0; n < channel.length && this.playing; n++) channel[n] = this.next();
    return true;
  }

  next() {
    const piece = this.queue[0];
    if (piece.item !== this.item) this.begin(piece.item);
    let sample = piece.samples[piece.at++] / 32768;
    this.played++;
    this.over++;
    this.waiting--;
    if (piece.at === piece.samples.length) this.queue.shift();
    if (this.fading > 0) {
      sample *= this.fading / FADE_SAMPLES;
      if (--this.fading === 0) this.clear();
    }
    this.energy += sample * sample;
    if (++this.counted >= REPORT_SAMPLES) this.report("playing");
    if (this.waiting === 0 && this.playing) {
      this.playing = false;
      this.since = null;
      this.report("empty");
    }
    return sample;
  }

  begin(item) {
    if (this.item !== null) this.report("playing");
    this.item = item;
    this.played = 0;
  }

  report(state) {
    const ms = (samples) => (samples * 1000) / sampleRate;
    const level = state === "playing" && this.counted > 0 ? Math.sqrt(this.energy / this.counted) : 0;
    this.port.postMessage({ state, item: this.item, ms: ms(this.played), overMs: ms(this.over), level });
    this.energy = 0;
    this.counted = 0;
  }
}

registerProcessor("player", Player);

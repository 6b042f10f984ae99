// The microphone: whatever rate the device has becomes PCM16 mono 24 kHz, in frames of 40 ms with their level.

const RATE_HZ = 24000;
const FRAME_SAMPLES = 960;
const ZERO_CROSSINGS = 16; // of the filter, on each side. Measured: flat to 10 kHz; what would fold back is 77 dB down

/** Changes the rate: for each phase between two input samples a windowed sinc, applied as the samples come. */
class Resampler {
  constructor(fromHz, toHz) {
    const divisor = gcd(fromHz, toHz);
    this.step = fromHz / divisor;
    this.phases = toHz / divisor;
    const cutoff = Math.min(1, toHz / fromHz) * 0.92;
    this.half = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.filters = Array.from({ length: this.phases }, (_, phase) => filter(phase / this.phases, this.half, cutoff));
    this.heard = new Float32Array(2 * this.half);
    this.at = 0; // where in `heard` the next output lies, counted from its filter's first tap
    this.phase = 0;
  }

  push(samples, emit) {
    const heard = new Float32Array(this.heard.length + samples.length);
    heard.set(this.heard);
    heard.set(samples, this.heard.length);
    const taps = 2 * this.half;
    while (this.at + taps <= heard.length) {
      const filter = this.filters[this.phase];
      let sum = 0;
      for (let tap = 0; tap < taps; tap++) sum += filter[tap] * heard[this.at + tap];
      emit(sum);
      this.phase += this.step;
      this.at += Math.floor(this.phase / this.phases);
      this.phase %= this.phases;
    }
    const used = Math.min(this.at, heard.length);
    this.heard = heard.subarray(used);
    this.at -= used;
  }
}

function gcd(a, b) {
  return b === 0 ? a : gcd(b, a % b);
}

function filter(offset, half, cutoff) {
  const taps = Float32Array.from({ length: 2 * half }, (_, tap) => {
    const x = tap - half + 1 - offset;
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x);
    const u = Math.min(1, Math.abs(x) / half);
    return sinc * (0.42 + 0.5 * Math.cos(Math.PI * u) + 0.08 * Math.cos(2 * Math.PI * u)); // Blackman
  });
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
}

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE_HZ);
    this.frame = new Int16Array(FRAME_SAMPLES);
    this.filled = 0;
    this.energy = 0;
  }

  process([input]) {
    if (input.length > 0) this.resampler.push(input[0], (sample) => this.add(sample));
    return true;
  }

  add(sample) {
    const limited = Math.max(-1, Math.min(1, sample));
    this.frame[this.filled++] = Math.round(limited * 32767);
    this.energy += limited * limited;
    if (this.filled < FRAME_SAMPLES) return;
    const { buffer } = this.frame;
    this.port.postMessage({ pcm: buffer, level: Math.sqrt(this.energy / FRAME_SAMPLES) }, [buffer]);
    this.frame = new Int16Array(FRAME_SAMPLES);
    this.filled = 0;
    this.energy = 0;
  }
}

registerProcessor("microphone", Microphone);

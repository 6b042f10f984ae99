// Microphone and player: the page's side of the two worklets.

const START_DEADLINE_MS = 5000;

/** Starts the clock of a context. Without a device, some browsers would wait for one for ever. */
async function run(context) {
  await Promise.race([context.resume(), new Promise((resolve) => setTimeout(resolve, START_DEADLINE_MS))]);
  if (context.state !== "running") throw new Error("no sound device answers.");
}

/** The microphone. Calls `heard(pcm, level)` every 40 ms; `lost()` when the device goes away. */
export class Microphone {
  static async open(heard, lost) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("This browser gives the microphone only to pages from https or from this machine.");
    }
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    const microphone = new Microphone(stream);
    try {
      await microphone.start(heard);
    } catch (error) {
      await microphone.close();
      throw error;
    }
    stream.getAudioTracks()[0].onended = lost;
    return microphone;
  }

  constructor(stream) {
    this.stream = stream;
    this.context = new AudioContext(); // at the device's own rate: not every browser converts here
  }

  async start(heard) {
    await this.context.audioWorklet.addModule("microphone-worklet.js");
    const node = new AudioWorkletNode(this.context, "microphone", { channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }) => heard(data.pcm, data.level);
    this.context.createMediaStreamSource(this.stream).connect(node).connect(this.context.destination);
    await run(this.context);
  }

  set muted(muted) {
    for (const track of this.stream.getAudioTracks()) track.enabled = !muted;
  }

  async close() {
    for (const track of this.stream.getAudioTracks()) {
      track.onended = null;
      track.stop();
    }
    await this.context.close();
  }
}

/** The loudspeaker. Calls `report({state, item, ms, overMs, level})` every 50 ms while it plays, and when it stops. */
export class Player {
  static async open(report) {
    const player = new Player(report);
    try {
      await player.start();
    } catch (error) {
      await player.close();
      throw error;
    }
    return player;
  }

  constructor(report) {
    this.report = report;
    this.flushes = 0;
    this.flushing = 0; // those that the worklet has not carried out yet
    this.context = new AudioContext({ sampleRate: 24000 });
  }

  async start() {
    await this.context.audioWorklet.addModule("player-worklet.js");
    this.node = new AudioWorkletNode(this.context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    this.node.port.onmessage = ({ data }) => this.told(data);
    this.node.connect(this.context.destination);
    await run(this.context);
  }

  /** The sound leaves the loudspeaker a little later; said at once, it would count as heard too early. */
  told(data) {
    if (data.state === "cut") {
      this.flushing--;
      this.report(data);
    } else if (!this.flushing) {
      const { flushes } = this;
      setTimeout(() => flushes === this.flushes && this.report(data), 1000 * (this.context.outputLatency || 0));
    }
  }

  play(item, pcm) {
    this.node.port.postMessage({ item, pcm }, [pcm]);
  }

  /** Fall silent: what waits is thrown away. */
  flush() {
    this.flushes++;
    this.flushing++;
    this.node.port.postMessage({});
  }

  async close() {
    await this.context.close();
  }
}

// The transcript: one bubble for each turn of the user and each answer, in the order in which they began.

const EMPTY = "…";

export class Transcript {
  constructor(list) {
    this.list = list;
    this.bubbles = new Map(); // by item
  }

  clear() {
    this.list.replaceChildren();
    this.bubbles.clear();
  }

  /** The user begins to speak: what is said is written into this bubble later. */
  userSpeaks(item) {
    this.forgetUnheard();
    this.bubble("user", item);
  }

  words({ role, item, text, final }) {
    const bubble = this.bubble(role, item);
    if (bubble.cut) return;
    bubble.text = final ? text : bubble.text + text;
    this.show(bubble);
  }

  typed(text) {
    this.show(Object.assign(this.bubble("user", `typed-${this.list.children.length}`), { text }));
  }

  /** Speech of an answer came. */
  spoken(item, ms) {
    this.bubble("assistant", item).receivedMs += ms;
  }

  /** Answers were cut off, after so many ms of each: the same that the model was told. */
  cutOff(heardMs) {
    for (const [item, bubble] of this.bubbles) {
      if (item in heardMs || (bubble.role === "assistant" && bubble.receivedMs === 0)) this.cut(bubble, heardMs[item] ?? 0);
    }
  }

  /** Strikes out what was not heard, by its share of the sound. */
  cut(bubble, heardMs) {
    if (bubble.cut) return;
    bubble.cut = true;
    const share = heardMs / Math.max(heardMs, bubble.receivedMs, 1);
    const at = bubble.text.lastIndexOf(" ", Math.round(share * bubble.text.length));
    const heard = share === 1 ? bubble.text : bubble.text.slice(0, at + 1);
    const unheard = document.createElement("s");
    unheard.textContent = bubble.text.slice(heard.length);
    const note = document.createElement("small");
    note.textContent = heardMs > 0 ? `Interrupted after ${(heardMs / 1000).toFixed(1)} s` : "Interrupted before it was heard";
    bubble.words.replaceChildren(heard, unheard);
    bubble.element.append(note);
    bubble.element.dataset.heardMs = heardMs;
    this.follow();
  }

  /** A sound that nobody could write down, as a cough, leaves no bubble. */
  forgetUnheard() {
    for (const [item, bubble] of this.bubbles) {
      if (bubble.role !== "user" || bubble.text) continue;
      bubble.element.remove();
      this.bubbles.delete(item);
    }
  }

  bubble(role, item) {
    const known = this.bubbles.get(item);
    if (known) return known;
    const element = document.createElement("li");
    element.className = role;
    const who = document.createElement("b");
    who.textContent = role === "user" ? "You" : "Model";
    const words = document.createElement("p");
    words.textContent = EMPTY;
    element.append(who, words);
    this.list.append(element);
    const bubble = { role, element, words, text: "", receivedMs: 0, cut: false };
    this.bubbles.set(item, bubble);
    this.follow();
    return bubble;
  }

  show(bubble) {
    bubble.words.textContent = bubble.text.trim() || EMPTY;
    this.follow();
  }

  follow() {
    this.list.scrollTop = this.list.scrollHeight;
  }
}

"""Drives the browser example's page in headless Chromium, whose fake microphone hears a WAV file."""

import shutil
import wave
from contextlib import contextmanager

from engine.audio.pcm import PCM_RATE_HZ, SAMPLE_BYTES

SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,860",
    "--use-fake-device-for-media-stream",
)
ALLOWED, DENIED = "--use-fake-ui-for-media-stream", "--deny-permission-prompts"
"""What the user says when the page asks for the microphone."""

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = None if BROWSER and DRIVER else "needs Chromium: apt-get install chromium chromium-driver"

LISTEN = """
// Listens at the loudspeaker itself, whatever the page says of it.
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...rest) {
  if (to instanceof AudioDestinationNode && to.context.sampleRate === 24000) {
    window.ear = new AnalyserNode(to.context, { fftSize: 512 });
    connect.call(this, window.ear);
  }
  return connect.call(this, to, ...rest);
};
window.seen = [];
document.addEventListener("DOMContentLoaded", () => setInterval(() => {
  const samples = new Float32Array(512);
  window.ear?.getFloatTimeDomainData(samples);
  const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  window.seen.push([Math.round(performance.now()), document.querySelector("main").dataset.state, loudest]);
}, 20));
"""


def hearing(path, pcm):
    """Give the switch by which the fake microphone hears PCM16 mono 24 kHz, over and over, from a file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(PCM_RATE_HZ)
        file.writeframes(pcm)
    return f"--use-file-for-fake-audio-capture={path}"


@contextmanager
def chromium(profile, *switches):
    """Run Chromium for the time of the block.

    Args:
        profile: Empty folder.
        switches: Of its command line, beside ours.
    """
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for switch in (*SWITCHES, f"--user-data-dir={profile}", *switches):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTEN})
        yield browser
    finally:
        browser.quit()

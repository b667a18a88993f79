/**
 * A call between a command and Firefox, or WebKitGTK, which has Safari's engine: whether it comes
 * about, and what both sides say of it.
 *
 *     make web
 *     cd web && npm install --no-save puppeteer-core      (for Firefox)
 *     PYTHON=../.venv/bin/python node tools/other_browsers.mjs firefox speech.wav [picture.png]
 *     PYTHON=../.venv/bin/python node tools/other_browsers.mjs webkit speech.wav [picture.png]
 *
 * Debian's packages: firefox-esr; webkit2gtk-driver, gstreamer1.0-plugins-good and -bad,
 * gstreamer1.0-pulseaudio and a display (xvfb). Both want a sound card: on a machine without one
 * `pulseaudio -n --daemonize=yes --exit-idle-time=-1 --load=module-native-protocol-unix
 * --load=module-null-sink` is one. Their microphones are made up, and hum or beep.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const MINI_BROWSER = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";
const DRIVER_PORT = 4477;
const [kind, speech, picture] = process.argv.slice(2);
if (!["firefox", "webkit"].includes(kind) || speech === undefined) {
  console.error("usage: other_browsers.mjs firefox|webkit SPEECH.wav [PICTURE.png]");
  process.exit(2);
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** A command of ours, and what it says. */
function command(...parameters) {
  const python = process.env.PYTHON ?? "python3";
  const child = spawn(python, ["-m", "q2d2_stream", ...parameters], { cwd: ROOT });
  const said = { child, text: "" };
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data) => (said.text += data));
  return said;
}

async function until(said, pattern) {
  for (let n = 0; n < 300; n++) {
    const found = said.text.match(pattern);
    if (found) return found;
    await pause(0.1);
  }
  throw new Error(`waited 30 s for ${pattern}: ${said.text}`);
}

/** `evaluate` takes an expression's text. */
async function firefox(url) {
  const { default: puppeteer } = await import("puppeteer-core");
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: "/usr/bin/firefox-esr",
    headless: true,
    extraPrefsFirefox: {
      "media.navigator.streams.fake": true,
      "media.navigator.permission.disabled": true,
      "media.autoplay.default": 0,
      "media.autoplay.blocking_policy": 0,
    },
  });
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.log("error:", error.message));
  await page.goto(url);
  return {
    name: await browser.version(),
    evaluate: (text) => page.evaluate(text),
    shot: async () => Buffer.from(await page.screenshot()),
    close: () => browser.close(),
  };
}

async function webkit(url) {
  const driver = spawn("WebKitWebDriver", [`--port=${DRIVER_PORT}`], { stdio: "ignore" });
  await pause(2);
  const ask = async (method, path, body) => {
    const options = { method, body: body && JSON.stringify(body) };
    const answer = await fetch(`http://127.0.0.1:${DRIVER_PORT}/session${path}`, options);
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(JSON.stringify(value));
    return value;
  };
  const args = ["--automation", "--enable-media-stream=true", "--enable-mock-capture-devices=true"];
  const wanted = { "webkitgtk:browserOptions": { binary: MINI_BROWSER, args } };
  const session = await ask("POST", "", { capabilities: { alwaysMatch: wanted } });
  const at = `/${session.sessionId}`;
  await ask("POST", `${at}/url`, { url });
  return {
    name: `WebKitGTK ${session.capabilities.browserVersion}`,
    evaluate: (text) => ask("POST", `${at}/execute/sync`, { script: `return ${text}`, args: [] }),
    shot: async () => Buffer.from(await ask("GET", `${at}/screenshot`), "base64"),
    close: async () => {
      await ask("DELETE", at);
      driver.kill();
    },
  };
}

const relay = command("relay", "--listen", "127.0.0.1:0");
const [, port] = await until(relay, /port (\d+)/);
const maker = command("call", "--new-room", `http://127.0.0.1:${port}`, "--print-link");
const [link] = await until(maker, /http:\/\/\S+#\S+/);
const browser = await (kind === "firefox" ? firefox : webkit)(link);
console.log(browser.name);
await pause(1);
await browser.evaluate("document.querySelector('#join').click()");
const sound = ["--input", speech, "--output", "null", "--no-ns", "--no-hangup-at-end"];
const bob = command("call", link, "--name", "Bob", ...sound);
await pause(30);
console.log("state:", await browser.evaluate("document.querySelector('#state').dataset.state"));
console.log("page:", await browser.evaluate("JSON.stringify(window.q2d2.numbers, null, 1)"));
if (picture !== undefined) writeFileSync(picture, await browser.shot());
bob.child.kill("SIGINT");
await until(bob, /this program/);
console.log(bob.text.slice(bob.text.indexOf("\ncall  ")));
await browser.close();
for (const { child } of [relay, maker]) child.kill("SIGINT");

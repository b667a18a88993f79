/**
 * Bundles the pages into q2d2_stream/web/page/, with a .gz and a .br beside what gets
 * smaller. Entry points are found, not listed:
 *
 *     src/pages/NAME/main.ts    -> NAME.js, and NAME.css where it imports styles
 *     src/pages/NAME/index.html -> NAME.html
 *     src/.../NAME_worker.ts    -> NAME_worker.js, a classic script (LiteRT's glue needs one)
 *     src/.../NAME_worklet.ts   -> NAME_worklet.js, a module
 *     static/...               -> as they are
 *     apps/speech               -> example.flac
 *     LiteRT's wasm and glue    -> beside the workers, where it looks for them
 *
 * All but the pages goes into assets/HASH/; a service worker stays beside the pages, since it may
 * only serve what lies below itself.
 *
 * What the folder held before stays until the new one is whole.
 */
import { build, transform } from "esbuild";
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompress, constants, gzip } from "node:zlib";
import { promisify } from "node:util";

const HERE = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(HERE, "src");
const PAGE = join(HERE, "..", "q2d2_stream", "web", "page");
const LITERT = join(HERE, "node_modules", "@litertjs", "core", "wasm");
// With relaxed SIMD, and for browsers without it (Safari); src/engine/litert_module.ts chooses.
const LITERT_NAMES = ["litert_wasm_internal", "litert_wasm_compat_internal"];
// Speech for the page "hear yourself", CC0.
const EXAMPLE = join(HERE, "..", "apps", "speech", "kathleen_en_0.flac");
// 11 takes half a minute for the wasm file and saves 4 %.
const BROTLI_QUALITY = 9;
// Of files as long as this the server makes the .gz when it is asked: a wheel is smaller for it.
const SERVER_ZIPS = 1_000_000;

/** All files below a folder, relative to it. */
async function filesBelow(folder) {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

function entriesOf(files, pattern) {
  const entries = {};
  for (const file of files) {
    const match = pattern.exec(file.slice(SOURCES.length + 1).replaceAll("\\", "/"));
    if (match === null) continue;
    if (match[1] in entries) throw new Error(`two entry points are called ${match[1]}`);
    entries[match[1]] = file;
  }
  return entries;
}

async function bundle(entryPoints, format, out) {
  if (Object.keys(entryPoints).length === 0) return;
  await build({
    entryPoints,
    format,
    outdir: out,
    bundle: true,
    minify: true,
    target: ["chrome110", "firefox115", "safari16.4"],
    legalComments: "none",
    logLevel: "warning",
    loader: { ".svg": "text", ".wasm": "binary" },
    // Branches of LiteRT for node, never taken in a browser.
    external: ["node:*"],
  });
}

/** The licences of what is bundled, as they ask for. */
async function licences() {
  const { dependencies } = JSON.parse(await readFile(join(HERE, "package.json"), "utf8"));
  const parts = Object.keys(dependencies).map(async (name) => {
    const folder = join(HERE, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = join(folder, "LICENSE");
    const text = existsSync(file) ? await readFile(file, "utf8") : "";
    return `${name} ${version}: ${license}\n\n${text}`;
  });
  return (await Promise.all(parts)).join("\n\n");
}

async function compress(file) {
  const data = await readFile(file);
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = constants;
  const params = { [BROTLI_PARAM_QUALITY]: BROTLI_QUALITY, [BROTLI_PARAM_SIZE_HINT]: data.length };
  const [zipped, brotli] = await Promise.all([
    promisify(gzip)(data, { level: 9 }),
    promisify(brotliCompress)(data, { params }),
  ]);
  if (zipped.length < data.length && data.length < SERVER_ZIPS) await writeFile(`${file}.gz`, zipped);
  if (brotli.length < data.length) await writeFile(`${file}.br`, brotli);
  return { name: basename(file), raw: data.length, gzip: zipped.length, brotli: brotli.length };
}

/**
 * Puts every file into assets/HASH/, where HASH names the contents of all of them: browsers may keep
 * what they have for ever, and scripts find each other beside themselves. Returns the folder and the
 * files' names.
 */
async function moveIntoAssets(folder) {
  const hash = createHash("sha256");
  const files = (await filesBelow(folder)).sort();
  for (const file of files) hash.update(file.slice(folder.length)).update(await readFile(file));
  const path = `assets/${hash.digest("hex").slice(0, 12)}`;
  for (const file of files) {
    const target = join(folder, path, file.slice(folder.length + 1));
    await mkdir(dirname(target), { recursive: true });
    await rename(file, target);
  }
  return { path, names: files.map((file) => file.slice(folder.length + 1)) };
}

/** A page whose links to what lies beside it lead to where it was moved. */
function withAssets(html, { path, names }) {
  return html.replace(/\b(href|src)="([^"]+)"/g, (whole, attribute, target) =>
    names.includes(target) ? `${attribute}="/${path}/${target}"` : whole,
  );
}

const fresh = `${PAGE}.new`;
await rm(fresh, { recursive: true, force: true });
await mkdir(fresh, { recursive: true });

const sources = await filesBelow(SOURCES);
await bundle(entriesOf(sources, /^pages\/([^/]+)\/main\.ts$/), "esm", fresh);
await bundle(entriesOf(sources, /(?:^|\/)((?!service_)[^/]+_worker)\.ts$/), "iife", fresh);
await bundle(entriesOf(sources, /([^/]+_worklet)\.ts$/), "esm", fresh);
for (const name of LITERT_NAMES) {
  const glue = await readFile(join(LITERT, `${name}.js`), "utf8");
  const { code } = await transform(glue, { minify: true, legalComments: "none" });
  await writeFile(join(fresh, `${name}.js`), code);
  await writeFile(join(fresh, `${name}.wasm`), await readFile(join(LITERT, `${name}.wasm`)));
}
await cp(EXAMPLE, join(fresh, "example.flac"));
if (existsSync(join(HERE, "static"))) await cp(join(HERE, "static"), fresh, { recursive: true });
const assets = await moveIntoAssets(fresh);
await bundle(entriesOf(sources, /(?:^|\/)(service_worker)\.ts$/), "iife", fresh);
const pages = entriesOf(sources, /^pages\/([^/]+)\/index\.html$/);
for (const [name, file] of Object.entries(pages))
  await writeFile(join(fresh, `${name}.html`), withAssets(await readFile(file, "utf8"), assets));

await writeFile(join(fresh, "licenses.txt"), await licences());

const sizes = [];
for (const file of await filesBelow(fresh)) sizes.push(await compress(file));
await rm(PAGE, { recursive: true, force: true });
await rename(fresh, PAGE);

const kilobytes = (bytes) => (bytes / 1000).toFixed(1).padStart(9);
console.log(`${"kB".padEnd(30)}       raw     gzip   brotli`);
for (const { name, raw, gzip, brotli } of sizes)
  console.log(name.padEnd(30), kilobytes(raw), kilobytes(gzip), kilobytes(brotli));

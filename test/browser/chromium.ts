import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { repoRoot } from '../house/repository.ts';

const peerModules = join(repoRoot, 'peers', 'node_modules');
export const hasChromium =
  process.platform === 'linux' && process.arch === 'x64' && existsSync(join(peerModules, '@sparticuz', 'chromium'));

/** As much of Playwright as is used here: the peers' types are not installed where the types are checked. */
export interface Page {
  goto(url: string): Promise<unknown>;
  evaluate(expression: string): Promise<unknown>;
  /** Resolves once the expression is true. */
  waitForFunction(expression: string): Promise<unknown>;
  close(): Promise<void>;
}

export interface Browser {
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

/** Calls a function of a module that the page can import, with values of JSON. */
export function callIn(page: Page, module: string, name: string, ...args: readonly unknown[]): Promise<any> {
  return page.evaluate(
    `import(${JSON.stringify(module)}).then((module) => module[${JSON.stringify(name)}](...${JSON.stringify(args)}))`,
  );
}

/** As {@link callIn}, of in-page.mjs. */
export function callInPage(page: Page, name: string, ...args: readonly unknown[]): Promise<any> {
  return callIn(page, '/test/browser/in-page.mjs', name, ...args);
}

/** What is waited for comes, however busy the machine is: Playwright's own half a minute is soon over there. */
const PATIENCE = { timeout: 120_000 };

/**
 * WebGPU on the SwiftShader that comes with this Chromium. Without zeroed workgroup memory it compiles in a third of the time, and kernels
 * see what is harder for them.
 */
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-dawn-features=disable_workgroup_init'];

/** @param args flags of Chromium beside its software GPU's */
export async function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const { chromium, options } = await loadChromium(args);
  const browser = await chromium.launch(options);
  const { newContext } = browser;
  // Each page has a context, also one that is asked for alone.
  browser.newContext = async (...settings: unknown[]) => patient(await newContext.apply(browser, settings));
  return browser;
}

/** With a profile on the disk, where what pages store stays: all its pages share it. */
export async function launchWithProfile(folder: string, args: readonly string[] = []): Promise<Browser> {
  const { chromium, options } = await loadChromium(args);
  return patient(await chromium.launchPersistentContext(folder, options));
}

function patient(context: any): any {
  context.setDefaultTimeout(PATIENCE.timeout);
  return context;
}

async function loadChromium(args: readonly string[]): Promise<{ readonly chromium: any; readonly options: object }> {
  const { chromium } = await loadPeer('playwright-core', 'index.mjs');
  const flags = ['--no-sandbox', ...SOFTWARE_GPU, ...args];
  return { chromium, options: { ...PATIENCE, executablePath: await chromiumPath(), args: flags, headless: true } };
}

function loadPeer(...path: string[]): Promise<any> {
  return import(/* @vite-ignore */ pathToFileURL(join(peerModules, ...path)).href);
}

/** It is unpacked into the folder of temporary files, where it is not there yet. */
export async function chromiumPath(): Promise<string> {
  const { default: archive } = await loadPeer('@sparticuz', 'chromium', 'build', 'esm', 'index.js');
  return archive.executablePath();
}

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

/**
 * WebGPU on the SwiftShader that comes with this Chromium. Without zeroed workgroup memory it compiles in a third of the time, and kernels
 * see what is harder for them.
 */
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-dawn-features=disable_workgroup_init'];

/** @param args flags of Chromium beside its software GPU's */
export async function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const { chromium, options } = await loadChromium(args);
  return chromium.launch(options);
}

/** With a profile on the disk, where what pages store stays: all its pages share it. */
export async function launchWithProfile(folder: string): Promise<Browser> {
  const { chromium, options } = await loadChromium([]);
  return chromium.launchPersistentContext(folder, options);
}

async function loadChromium(args: readonly string[]): Promise<{ readonly chromium: any; readonly options: object }> {
  const load = (...path: string[]): Promise<any> => import(/* @vite-ignore */ pathToFileURL(join(peerModules, ...path)).href);
  const { default: archive } = await load('@sparticuz', 'chromium', 'build', 'esm', 'index.js');
  const { chromium } = await load('playwright-core', 'index.mjs');
  const flags = ['--no-sandbox', ...SOFTWARE_GPU, ...args];
  return { chromium, options: { executablePath: await archive.executablePath(), args: flags, headless: true } };
}

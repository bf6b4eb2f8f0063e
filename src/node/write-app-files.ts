/** The app into a folder, for hosts of static files. */
import { access, constants, copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../tensor/errors.ts';
import { appFiles, listAppFiles } from './app-files.ts';

/** The line of the page that says where its models are. */
const MODELS_LINE = '<meta name="ingot-models" content="browser"';

export interface WriteAppOptions {
  /** Address, from the page, of a list of models that its host has. Default: none. */
  readonly modelList?: string | undefined;
  /** Folder of the npm package espeak-ng (GPL 3), of which two files go beside the page, so that it can read aloud. Default: none. */
  readonly espeak?: string | undefined;
}

const ESPEAK_FILES = ['espeak-ng.js', 'espeak-ng.wasm'] as const;

/** @throws InputError for a folder that is not the package's */
async function checkEspeak(from: string): Promise<void> {
  for (const name of ESPEAK_FILES)
    await access(join(from, 'dist', name), constants.R_OK).catch((cause: Error) => {
      throw new InputError(`${from} is not the npm package espeak-ng: there is no dist/${name}. Name its folder.`, { cause });
    });
}

async function copyEspeak(from: string, folder: string): Promise<void> {
  await mkdir(join(folder, 'espeak'), { recursive: true });
  for (const name of ESPEAK_FILES) await copyFile(join(from, 'dist', name), join(folder, 'espeak', name));
}

/** The page with what its host adds to it. */
function pageWith(html: string, { modelList, espeak }: WriteAppOptions): string {
  const list = modelList === undefined ? '' : ` data-list="${quoted(modelList)}"`;
  return html.replace(MODELS_LINE, () => `${MODELS_LINE}${list}${espeak === undefined ? '' : ' data-espeak="espeak/"'}`);
}

/** @throws InputError for a folder that has something else in it */
async function checkFolder(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new InputError(`Cannot write the app into ${folder}: ${error.message}. Name a folder.`, { cause: error });
  });
  // The page comes last: without it these are of a writing that did not end.
  if (names.every((name) => name === 'espeak' || name === 'assets')) return;
  const page = await readFile(join(folder, 'index.html'), 'utf8').catch(() => '');
  if (page.includes(MODELS_LINE)) return;
  throw new InputError(`${folder} has files that are not of the app, such as ${names[0]}: name a new or an empty folder.`);
}

/** Files of assets/ that an app wrote which is there, as its service worker lists them: whatever else lies there is its host's. */
async function writtenAssets(folder: string): Promise<readonly string[]> {
  const worker = await readFile(join(folder, 'sw.js'), 'utf8').catch(() => '');
  return Array.from(worker.matchAll(/"\.\/(assets\/[\w.-]+)"/g), ([, name]) => name!);
}

/** As an attribute has it. */
function quoted(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}

/**
 * Writes the app's files; those of an app that was there are replaced, and what that had and this one has not goes, but for what its host
 * put beside them. The page comes last, so that one that is opened meanwhile finds its files.
 * @returns how many files they are
 * @throws InputError for a folder that has something else in it; CapacityError where the app is not built
 */
export async function writeAppFiles(folder: string, options: WriteAppOptions = {}): Promise<number> {
  await checkFolder(folder);
  if (options.espeak !== undefined) await checkEspeak(options.espeak);
  const [files, names] = [appFiles(), [...(await listAppFiles())]];
  if (options.espeak !== undefined) await copyEspeak(options.espeak, folder);
  const isPage = (name: string) => name === 'index.html' || name === 'sw.js';
  const before = await writtenAssets(folder);
  for (const name of names.toSorted((a, b) => Number(isPage(a)) - Number(isPage(b)))) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    const bytes = (await files.read(name))!;
    await writeFile(`${path}.new`, name === 'index.html' ? pageWith(Buffer.from(bytes).toString(), options) : bytes);
    await rename(`${path}.new`, path);
  }
  for (const name of before) if (!names.includes(name)) await rm(join(folder, name), { force: true });
  return names.length;
}

/** `ingot list`, `show` and `rm`: models of the hub, and of URLs, that are in the cache. */
import type { Command } from 'commander';
import { cachedCommit, cachedSnapshots, removeFiles, repositoryFolder } from '../node/hub/cache-layout.ts';
import type { CachedFile, CachedSnapshot } from '../node/hub/cache-layout.ts';
import { chooseFiles, ggufModels } from '../files/hub/choose-files.ts';
import { hubSettings } from '../node/hub/hub-settings.ts';
import { hubPageOf, MAIN_REVISION, printModelId } from '../files/hub/model-id.ts';
import { readUrlEntry, urlOfRepository } from '../node/hub/url-cache.ts';
import { UsageError } from './exit-codes.ts';
import { isUrl } from './input-path.ts';
import { pulledId } from './pull.ts';
import { formatBytes } from '../tensor/format-bytes.ts';
import { plural } from './quantities.ts';
import { closestTo } from './suggestions.ts';
import { tableLines } from './text-table.ts';

/** A model that can be run as it lies there, or a part of one. */
interface CachedModel {
  /** What every command takes. */
  readonly id: string;
  /** `pth`: as torch saved it. `other`: files of a URL that make no model by themselves. */
  readonly kind: 'gguf' | 'safetensors' | 'pth' | 'other';
  readonly isWhole: boolean;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly files: readonly CachedFile[];
  readonly snapshot: CachedSnapshot;
  /** The folder of URLs that it is of. */
  readonly url: string | undefined;
}

const LIST_EXAMPLES = `
Examples:
  $ ingot list
  $ ingot list --json
`;

const SHOW_EXAMPLES = `
Examples:
  $ ingot show qwen3:4b
`;

const RM_EXAMPLES = `
Examples:
  $ ingot rm Qwen/Qwen3-4B-GGUF:Q8_0
  $ ingot rm qwen3:4b
`;

export function registerList(program: Command): void {
  program
    .command('list')
    .summary('list models in the cache')
    .description('Lists models that are in the cache: of the hub (of other tools too) and of URLs.')
    .option('--json', 'as JSON')
    .addHelpText('after', LIST_EXAMPLES)
    .action(list);
}

export function registerShow(program: Command): void {
  program
    .command('show')
    .summary('show a model in the cache')
    .description('Shows the files of a model in the cache and where they are. "ingot inspect ID" shows what is in them.')
    .argument('<id>', 'as "ingot list" names it')
    .option('--json', 'as JSON')
    .addHelpText('after', SHOW_EXAMPLES)
    .action(show);
}

export function registerRm(program: Command): void {
  program
    .command('rm')
    .summary('remove models from the cache')
    .description(
      'Removes models of the hub from the cache. An id without :QUANT means all of its files, one without @REVISION all revisions.',
    )
    .argument('<ids...>', 'as "ingot list" names them')
    .addHelpText('after', RM_EXAMPLES)
    .action(remove);
}

async function cacheFolder(): Promise<string> {
  return (await hubSettings(process.env)).cacheFolder;
}

async function cachedModels(): Promise<readonly CachedModel[]> {
  const folder = await cacheFolder();
  const snapshots = await cachedSnapshots(folder);
  const found = snapshots.map(async (snapshot) => modelsOf(snapshot, await urlOfRepository(folder, snapshot.repository)));
  return (await Promise.all(found)).flat();
}

/** Of the models in the cache that are whole, as every command takes them. */
export async function cachedIds(): Promise<readonly string[]> {
  return (await cachedModels()).filter(({ isWhole, kind }) => isWhole && kind !== 'other').map(({ id }) => id);
}

function modelsOf(snapshot: CachedSnapshot, url: string | undefined): readonly CachedModel[] {
  const models = ggufModels(snapshot.files).map(({ quantization, files, isWhole }) => {
    const ofHub = `${snapshot.repository}${quantization === undefined ? '' : `:${quantization}`}`;
    return cachedModel(url === undefined ? ofHub : url + files[0]!.name, { files, isWhole, kind: 'gguf', snapshot, url });
  });
  if (models.length > 0) return models;
  const { files, repository } = snapshot;
  const isWhole = isWholeFolder(snapshot);
  const isSafetensors = files.some(({ name }) => /^(?!voices\/).*\.safetensors$/.test(name));
  // Other files that torch saved are of other programs' models.
  if (!isSafetensors && !isWhole) return url === undefined ? [] : files.map((file) => otherFile(file, snapshot, url));
  return [cachedModel(url ?? repository, { files, isWhole, kind: isSafetensors ? 'safetensors' : 'pth', snapshot, url })];
}

/** What was fetched by its URL stays listed: nothing else would say that it is there. */
function otherFile(file: CachedFile, snapshot: CachedSnapshot, url: string): CachedModel {
  return cachedModel(url + file.name, { files: [file], isWhole: true, kind: 'other', snapshot, url });
}

function isWholeFolder({ files, repository }: CachedSnapshot): boolean {
  try {
    return chooseFiles(files, { repository }).kind === 'folder';
  } catch {
    return false;
  }
}

function cachedModel(id: string, rest: Pick<CachedModel, 'files' | 'isWhole' | 'kind' | 'snapshot' | 'url'>): CachedModel {
  const sizeBytes = rest.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return { id, ...rest, sizeBytes, modifiedMs: Math.max(...rest.files.map((file) => file.modifiedMs)) };
}

async function list({ json }: { readonly json?: boolean }): Promise<void> {
  const models = await cachedModels();
  if (json === true) return void process.stdout.write(`${JSON.stringify(models.map(told), undefined, 2)}\n`);
  if (models.length === 0)
    return void process.stderr.write(
      `There are no models in ${await cacheFolder()}. "ingot pull qwen3:4b" fetches one; "ingot pull --help" lists names.\n`,
    );
  const rows = models.map(({ id, kind, isWhole, sizeBytes, modifiedMs }) => [
    id,
    kind,
    formatBytes(sizeBytes),
    new Date(modifiedMs).toISOString().slice(0, 10),
    isWhole ? '' : 'not whole: pull it again',
  ]);
  process.stdout.write(`${tableLines([['ID', 'FILES', 'SIZE', 'FETCHED', ''], ...rows], [2]).join('\n')}\n`);
}

function told({ id, kind, isWhole, sizeBytes, modifiedMs, files, snapshot }: CachedModel) {
  const shown = files.map(({ name, sizeBytes: bytes }) => ({ name, sizeBytes: bytes }));
  return {
    id,
    kind,
    isWhole,
    sizeBytes,
    fetched: new Date(modifiedMs).toISOString(),
    commit: snapshot.commit,
    path: snapshot.path,
    files: shown,
  };
}

/**
 * Those that an id means: the one with its quantisation, or all of its repository; of its revision, or of all.
 * @throws UsageError where none is there
 */
async function namedModels(text: string): Promise<readonly CachedModel[]> {
  const models = await cachedModels();
  if (isUrl(text) && hubPageOf(text) === undefined) return modelsOfUrl(text, models);
  const id = pulledId(text);
  const wanted = printModelId({ ...id, revision: MAIN_REVISION }).toLowerCase();
  const commit = id.revision === MAIN_REVISION ? undefined : await cachedCommit(await cacheFolder(), id);
  const isOfRevision = (snapshot: CachedSnapshot) => id.revision === MAIN_REVISION || snapshot.commit === commit;
  const found = models.filter(({ id: name, snapshot }) =>
    isOfRevision(snapshot) && (id.quantization === undefined ? snapshot.repository : name).toLowerCase() === wanted,
  );
  if (found.length > 0) return found;
  throw notThere(printModelId(id), models);
}

function notThere(name: string, models: readonly CachedModel[]): UsageError {
  const near = closestTo(name, models.map(({ id }) => id));
  return new UsageError(`${name} is not in the cache.${near === undefined ? '' : ` Did you mean ${near}?`} "ingot list" shows what is.`);
}

/** By a file's URL, or all of a folder's; queries and hashes are no part of the name. */
function modelsOfUrl(text: string, models: readonly CachedModel[]): readonly CachedModel[] {
  const { origin, pathname } = new URL(text);
  const name = origin + pathname;
  const found = models.filter(({ id, url }) => url !== undefined && [id, url, url.replace(/\/$/, '')].includes(name));
  if (found.length === 0) throw notThere(name, models);
  return found;
}

async function show(text: string, { json }: { readonly json?: boolean }): Promise<void> {
  const models = await namedModels(text);
  if (json === true) return void process.stdout.write(`${JSON.stringify(models.map(told), undefined, 2)}\n`);
  for (const { id, kind, sizeBytes, files, snapshot, isWhole, url } of models) {
    const head = [
      ['id', id],
      ...(url === undefined ? [['commit', snapshot.commit]] : await entryRows(url, snapshot, files)),
      ['folder', snapshot.path],
      ['files', `${plural(files.length, 'file')} (${kind}), ${formatBytes(sizeBytes)}${isWhole ? '' : ', not whole'}`],
    ];
    const rows = files.map(({ name, sizeBytes: bytes }) => [`  ${name}`, formatBytes(bytes)]);
    process.stdout.write(`${[...tableLines(head), ...tableLines(rows, [1])].join('\n')}\n`);
  }
  const [{ id, kind }] = models as [CachedModel];
  if (kind === 'other') return;
  // What Kokoro is published as: all others that are read are safetensors.
  process.stdout.write(kind === 'pth' ? `Run it: ingot speak "Hello." --model ${id} -o hello.wav\n` : `Run it: ingot chat ${id}\n`);
}

/** When it came, and what its bytes are. */
async function entryRows(url: string, { repository, path }: CachedSnapshot, files: readonly CachedFile[]): Promise<string[][]> {
  const place = { url, repository, folder: repositoryFolder(await cacheFolder(), repository), snapshot: path };
  const entry = (await readUrlEntry(place, files[0]!.name))?.entry;
  return entry === undefined ? [] : [['ETag', entry.etag ?? 'none'], ['SHA-256', entry.sha256], ['fetched', entry.fetched]];
}

async function remove(texts: readonly string[]): Promise<void> {
  const folder = await cacheFolder();
  // All names are looked at before anything goes.
  const named = await Promise.all(texts.map(namedModels));
  for (const model of new Set(named.flat())) {
    const files = isUrl(model.id) || pulledId(model.id).quantization !== undefined ? model.files : model.snapshot.files;
    const freed = await removeFiles(folder, model.snapshot, files);
    process.stderr.write(`removed ${model.id}: ${formatBytes(freed)} freed\n`);
  }
}

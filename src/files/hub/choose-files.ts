/** Which files of a repository make the model that is meant. Pure functions over names and sizes. */
import { parseSplitName } from '../gguf-reader.ts';
import { PART_FOLDERS } from '../hf-folder.ts';
import { projectorBeside } from '../projector-beside.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { formatBytes } from '../../tensor/format-bytes.ts';
import { HubRefusal } from './hub-refusal.ts';

export interface NamedFile {
  /** Path inside the repository. */
  readonly name: string;
  readonly sizeBytes: number;
}

/** One GGUF model: a file, or all parts of a split one. */
export interface GgufModel<File extends NamedFile = NamedFile> {
  /** As its name says, in capitals: `Q4_K_M`. Undefined where it says none. */
  readonly quantization: string | undefined;
  readonly files: readonly File[];
  readonly sizeBytes: number;
  /** Whether no part is missing. */
  readonly isWhole: boolean;
}

export interface Choice<File extends NamedFile = NamedFile> {
  readonly kind: 'gguf' | 'folder';
  /** Small ones first, so that weights that are there mean that all is. */
  readonly files: readonly File[];
  /** The tower of a GGUF model that sees, in the same folder of the repository (llama.cpp's mmproj). */
  readonly projector?: File | undefined;
  readonly quantization?: string | undefined;
  /** Why this one, where nobody named it. */
  readonly reason?: string | undefined;
}

export interface ChoiceOptions {
  readonly quantization?: string | undefined;
  /** Bytes that weights may take; undefined: any. */
  readonly roomBytes?: number | undefined;
  /** For messages. */
  readonly repository: string;
}

const TYPE = /(?:^|[-._/])((?:UD-)?(?:I?Q\d(?:_[0-9A-Z]+)*|TQ\d_\d|MXFP4(?:_MOE)?|NVFP4|BF16|F16|F32))$/i;
/** What Ingot has no kernels for (docs/formats.md). */
const NOT_RUN = /^(?:UD-)?(?:IQ[123]|TQ\d|Q1_|Q2_0)/;
/** What people who name none are given, best first: four bits lose little and read half of what eight do. */
const PREFERRED = [
  'Q4_K_M',
  'UD-Q4_K_XL',
  'MXFP4',
  'MXFP4_MOE',
  'Q4_K_S',
  'Q4_0',
  'IQ4_XS',
  'IQ4_NL',
  'Q4_1',
  'Q5_K_M',
  'Q5_K_S',
  'Q5_0',
  'Q5_1',
  'Q6_K',
  'Q8_0',
  'Q3_K_L',
  'Q3_K_M',
  'Q3_K_S',
  'Q2_K',
  'Q2_K_S',
  'BF16',
  'F16',
  'F32',
];
/** Small models lose most by four bits and are fast with eight. */
const SMALL_BYTES = 1.5e9;

const NO_MODEL = /(^|[-._/])(mmproj|imatrix)/i;

export function ggufModels<File extends NamedFile>(files: readonly File[]): readonly GgufModel<File>[] {
  const groups = new Map<string, File[]>();
  for (const file of files) {
    if (!/\.gguf$/i.test(file.name) || NO_MODEL.test(file.name)) continue;
    const split = parseSplitName(file.name);
    const key = split ? `${split.prefix} of ${split.count}` : file.name;
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return [...groups.values()].map((parts) => {
    const sorted = parts.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const split = parseSplitName(sorted[0]!.name);
    return {
      quantization: quantizationOf(split?.prefix ?? sorted[0]!.name.replace(/\.gguf$/i, '')),
      files: sorted,
      sizeBytes: sum(sorted),
      isWhole: split === undefined || sorted.length === split.count,
    };
  });
}

function quantizationOf(stem: string): string | undefined {
  return TYPE.exec(stem)?.[1]?.toUpperCase();
}

/**
 * @throws InputError where the repository holds no model that Ingot reads, or not the one that is named, with those that it has;
 *   CapacityError where none fits into `roomBytes`
 */
export function chooseFiles<File extends NamedFile>(files: readonly File[], options: ChoiceOptions): Choice<File> {
  const { repository, quantization } = options;
  const models = ggufModels(files).filter(({ isWhole }) => isWhole);
  const folder = folderFiles(files);
  if (quantization !== undefined) return withProjector(namedModel(models, quantization, options), files);
  if (models.length > 0) return withProjector(proposedModel(models, options), files);
  const found = folder ?? voiceFiles(files);
  if (found !== undefined) return { kind: 'folder', files: smallFirst(found) };
  const kinds = [...new Set(files.map(({ name }) => /\.[a-z0-9]+$/i.exec(name)?.[0] ?? name))].slice(0, 8).join(', ');
  throw new HubRefusal(
    `${repository} holds no model that Ingot reads: expected GGUF files, or config.json with model.safetensors, ` +
      `found ${kinds || 'no files'}.`,
  );
}

/** With a tower: of several, as of a folder. */
function withProjector<File extends NamedFile>(choice: Choice<File>, files: readonly File[]): Choice<File> {
  const names = files.map(({ name }) => name);
  const found = projectorBeside(names, choice.files[0]!.name);
  return found === undefined ? choice : { ...choice, projector: files.find(({ name }) => name === found) };
}

/** All that comes, in order: a model's weights are the last, so that with them all is there. */
export function filesOf<File extends NamedFile>({ files, projector }: Choice<File>): readonly File[] {
  return projector === undefined ? files : [projector, ...files];
}

/** The type as written, or what the name of one file alone holds. */
function namedModel<File extends NamedFile>(
  models: readonly GgufModel<File>[],
  wanted: string,
  { repository }: ChoiceOptions,
): Choice<File> {
  const lower = wanted.toLowerCase();
  const exact = models.filter((model) => model.quantization?.toLowerCase() === lower);
  const fitting = exact.length > 0 ? exact : models.filter(({ files }) => files[0]!.name.toLowerCase().includes(lower));
  if (fitting.length === 1) return choiceOf(fitting[0]!);
  const among = (fitting.length > 0 ? fitting : models).map(describe).slice(0, 24).join(', ');
  if (models.length === 0) throw new HubRefusal(`${repository} has no GGUF files, so that ":${wanted}" names none of them: leave it out.`);
  if (fitting.length > 1) throw new HubRefusal(`Several models of ${repository} are called ${wanted}: ${among}. Say which is meant.`);
  throw new HubRefusal(`${repository} has no model ${wanted}. It has: ${among}.`);
}

function proposedModel<File extends NamedFile>(
  models: readonly GgufModel<File>[],
  { repository, roomBytes = Infinity }: ChoiceOptions,
): Choice<File> {
  if (models.length === 1) return choiceOf(models[0]!, 'the only one there');
  const known = models.filter(({ quantization }) => quantization !== undefined && !NOT_RUN.test(quantization));
  if (known.length === 0)
    throw new HubRefusal(
      `Say which of ${repository} is meant, as in ${repository}:PART-OF-A-NAME. It has: ${models.map(describe).join(', ')}.`,
    );
  const fitting = known.filter(({ sizeBytes }) => sizeBytes <= roomBytes);
  if (fitting.length === 0) {
    const least = known.toSorted((a, b) => a.sizeBytes - b.sizeBytes)[0]!;
    throw new CapacityError(
      `No file of ${repository} fits into this machine's memory: weights may take ${formatBytes(roomBytes)} of it, ` +
        `the smallest is ${describe(least)}. ` +
        `Choose a smaller model, or ask for a file by name: ${repository}:${least.quantization}.`,
    );
  }
  const small = fitting.find(({ quantization, sizeBytes }) => quantization === 'Q8_0' && sizeBytes <= SMALL_BYTES);
  if (small !== undefined) return choiceOf(small, 'eight bits, as the model is small');
  const rank = ({ quantization }: GgufModel) => (PREFERRED.indexOf(quantization!) + PREFERRED.length + 1) % (PREFERRED.length + 1);
  const best = fitting.toSorted((a, b) => rank(a) - rank(b) || b.sizeBytes - a.sizeBytes)[0]!;
  return choiceOf(best, `${best.quantization} of ${models.length} there, by this machine's memory`);
}

function choiceOf<File extends NamedFile>({ files, quantization }: GgufModel<File>, reason?: string): Choice<File> {
  return { kind: 'gguf', files, quantization, reason };
}

function describe({ quantization, files, sizeBytes }: GgufModel): string {
  return `${quantization ?? files[0]!.name} (${formatBytes(sizeBytes)})`;
}

const WEIGHTS = /^model(-\d{5}-of-\d{5})?\.safetensors$/;
const FOLDERS = ['\\d+_\\w+', ...Object.values(PART_FOLDERS).flat()].join('|');
/** Beside the weights at the root; the modules of sentence-transformers, and further parts of a model, in folders of their own. */
const BESIDE = new RegExp(`^(?:[^/]+\\.(?:json|txt|jinja|model)|(?:${FOLDERS})/(?:config\\.json|model\\.safetensors))$`);

/** Undefined where there are no weights, or a part of them is missing. */
function folderFiles<File extends NamedFile>(files: readonly File[]): readonly File[] | undefined {
  const weights = files.filter(({ name }) => WEIGHTS.test(name));
  const counts = new Set(weights.map(({ name }) => /-of-(\d{5})/.exec(name)?.[1]).filter((count) => count !== undefined));
  const single = weights.some(({ name }) => name === 'model.safetensors');
  const isWhole = single || (counts.size === 1 && weights.length === Number([...counts][0]));
  if (!isWhole || !files.some(({ name }) => name === 'config.json')) return undefined;
  return [
    ...files.filter(({ name }) => BESIDE.test(name)),
    ...(single ? weights.filter(({ name }) => name === 'model.safetensors') : weights),
  ];
}

/** Of a model that speaks, as hexgrad/Kokoro-82M: its weights as torch saved them, or as safetensors, and its voices. */
function voiceFiles<File extends NamedFile>(files: readonly File[]): readonly File[] | undefined {
  const voices = files.filter(({ name }) => /^voices\/\w+\.(?:pt|safetensors|bin)$/.test(name));
  const weights = ['.safetensors', '.pth'].map((form) => files.find(({ name }) => name.startsWith('kokoro-') && name.endsWith(form)));
  const best = weights.find((one) => one !== undefined);
  const config = files.find(({ name }) => name === 'config.json');
  return best === undefined || config === undefined || voices.length === 0 ? undefined : [config, ...voices, best];
}

function smallFirst<File extends NamedFile>(files: readonly File[]): readonly File[] {
  return files.toSorted((a, b) => a.sizeBytes - b.sizeBytes);
}

function sum(files: readonly NamedFile[]): number {
  return files.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
}

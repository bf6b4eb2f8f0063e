/** A GGUF model, in one file or split as NAME-00001-of-0000N.gguf, as a checkpoint. */
import { FormatError } from '../tensor/errors.ts';
import type { ByteSource, ReadOptions, SourceFolder } from '../tensor/byte-source.ts';
import { openRequired } from '../tensor/open-required.ts';
import type { Checkpoint, TensorEntry } from '../tensor/checkpoint.ts';
import { metadataNumber, metadataString } from '../tensor/metadata.ts';
import { readGgufHeader } from './gguf-header.ts';
import type { GgufHeader } from './gguf-header.ts';
import { tensorEntry } from './tensor-entry.ts';

interface GgufPart {
  readonly fileName: string;
  readonly source: ByteSource;
  readonly header: GgufHeader;
}

interface SplitName {
  readonly prefix: string;
  /** From 1 on. */
  readonly part: number;
  readonly count: number;
}

/** Takes NAME-00001-of-00003.gguf apart; undefined for a name of another form. */
export function parseSplitName(fileName: string): SplitName | undefined {
  const match = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i.exec(fileName);
  return match ? { prefix: match[1]!, part: Number(match[2]), count: Number(match[3]) } : undefined;
}

/** The file name of a part, counted from 1. */
export function splitFileName(prefix: string, part: number, count: number): string {
  return `${prefix}-${String(part).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.gguf`;
}

/**
 * Opens a GGUF model; any part of a split one will do. Reads the headers and nothing of the tensors.
 * @throws FormatError for a damaged, unsupported or incomplete model. Sources it opened are then closed.
 */
export async function openGguf(folder: SourceFolder, fileName: string, options?: ReadOptions): Promise<Checkpoint> {
  const opened: ByteSource[] = [];
  try {
    const split = parseSplitName(fileName);
    const firstName = split ? splitFileName(split.prefix, 1, split.count) : fileName;
    const first = await openPart(folder, firstName, opened, options);
    const parts = [first];
    const count = splitCount(first, split);
    for (let part = 2; part <= count; part++) {
      parts.push(await openPart(folder, splitFileName(split?.prefix ?? '', part, count), opened, options));
    }
    if (count > 1) checkParts(parts);
    return ggufCheckpoint(parts);
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

async function openPart(
  folder: SourceFolder,
  fileName: string,
  opened: ByteSource[],
  options: ReadOptions | undefined,
): Promise<GgufPart> {
  const source = await openRequired(folder, fileName, {
    ...options,
    advice: parseSplitName(fileName) && 'All parts of a split model must lie in one folder.',
  });
  opened.push(source);
  return { fileName, source, header: await readGgufHeader(source, options) };
}

/** The number of parts, on which the first part's metadata and its file name must agree. */
function splitCount(first: GgufPart, split: SplitName | undefined): number {
  const inFile = metadataNumber(first.header.metadata, 'split.count', first.source.name) ?? 1;
  const inName = split?.count ?? 1;
  if (inFile <= 1 && inName <= 1) return 1;
  if (!split) {
    throw new FormatError(
      `${first.source.name} is one of ${inFile} parts of a split model, but its name is not of the form NAME-00001-of-0000N.gguf. ` +
        'Give the parts the names that they had.',
    );
  }
  if (inFile !== inName) {
    throw new FormatError(
      `${first.source.name}: the file name says ${inName} parts, its metadata (split.count) says ${inFile}. ` +
        'The file was renamed or is damaged.',
    );
  }
  return inName;
}

function checkParts(parts: readonly GgufPart[]): void {
  let tensors = 0;
  for (const [index, { source, header }] of parts.entries()) {
    const number = metadataNumber(header.metadata, 'split.no', source.name);
    const count = metadataNumber(header.metadata, 'split.count', source.name);
    if (number !== index || count !== parts.length) {
      throw new FormatError(
        `${source.name} should be part ${index} of ${parts.length} (split.no, from 0, and split.count), ` +
          `found part ${number ?? 'unknown'} of ${count ?? 'unknown'}. The files were renamed or are of different models.`,
      );
    }
    tensors += header.tensors.length;
  }
  const first = parts[0]!;
  const expected = metadataNumber(first.header.metadata, 'split.tensors.count', first.source.name);
  if (expected !== undefined && expected !== tensors) {
    throw new FormatError(
      `${first.source.name}: its parts hold ${tensors} tensors, but split.tensors.count is ${expected}. ` +
        'A part is damaged or of another model.',
    );
  }
}

function ggufCheckpoint(parts: readonly GgufPart[]): Checkpoint {
  const { source, header } = parts[0]!;
  const architecture = metadataString(header.metadata, 'general.architecture', source.name);
  if (!architecture) {
    throw new FormatError(
      `${source.name} has no general.architecture in its metadata, so that its kind is unknown. Is it a language model?`,
    );
  }
  const tensors = new Map<string, TensorEntry>();
  for (const part of parts) {
    for (const place of part.header.tensors) {
      if (tensors.has(place.name)) {
        throw new FormatError(
          `${part.source.name}: the tensor ${JSON.stringify(place.name.slice(0, 100))} is already in ` +
            `${tensors.get(place.name)!.fileName}. The files are damaged.`,
        );
      }
      tensors.set(place.name, tensorEntry(place, part.source, part.fileName));
    }
  }
  const sources = parts.map((part) => part.source);
  return {
    format: 'gguf',
    name: source.name,
    architecture,
    metadata: header.metadata,
    config: undefined,
    tensors,
    assets: new Map(),
    sizeBytes: sources.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    close: () => closeAll(sources),
  };
}

/** Closes every source, also when one of them fails to. */
export async function closeAll(sources: readonly ByteSource[]): Promise<void> {
  const results = await Promise.allSettled(sources.map((source) => source.close()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

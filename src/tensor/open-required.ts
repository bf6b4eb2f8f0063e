import type { ByteSource, ReadOptions, SourceFolder } from './byte-source.ts';
import { FormatError } from './errors.ts';

export interface RequiredFile extends ReadOptions {
  /** Says that the file is missing; by default that the folder has no such file. */
  readonly missing?: string | undefined;
  /** A sentence on what to do next. */
  readonly advice?: string | undefined;
}

/**
 * Opens a file that a model cannot do without.
 * @throws FormatError where the folder does not have it, with the folder's reason
 */
export async function openRequired(
  folder: SourceFolder,
  fileName: string,
  { missing, advice, ...options }: RequiredFile = {},
): Promise<ByteSource> {
  let reason = '';
  const onAbsent = (found: string) => {
    reason = ` (${found})`;
  };
  const source = await folder.open(fileName, { ...options, onAbsent });
  if (source) return source;
  const sentence = `${missing ?? `${folder.name} has no file ${JSON.stringify(fileName)}`}${reason}.`;
  throw new FormatError(advice === undefined ? sentence : `${sentence} ${advice}`);
}

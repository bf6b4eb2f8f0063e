/** What a program asks of the sampler that chooses tokens on its device. */
import type { TokenChoice } from '../../graph/executor.ts';
import type { Dispatch } from './bound-plan.ts';
import type { ReadRange } from './read-back.ts';

/** Inputs of the step that takes the tokens, a number a row. */
export interface TokenInputs {
  readonly tokens: GPUBuffer;
  readonly positions: GPUBuffer;
}

/** A row whose token is chosen: its row of the logits, and the number of its sequence. */
export interface ChosenRow {
  readonly logits: number;
  readonly choice: number;
}

export interface TokenSampler {
  readonly sizeBytes: number;
  /** Takes a sequence in, and gives its number: the lowest that is free. */
  open(choice: TokenChoice): number;
  close(choice: number): void;
  /**
   * Makes room for all sequences, where some are masked for their masks too, and enqueues the writes for new ones. Waits for the device
   * only where buffers grow.
   * @throws CapacityError where the device has no memory: all that was there stays, and new sequences are prepared by the next call
   */
  prepare(options: { readonly areMasked: boolean }): Promise<void>;
  /** Enqueues which rows {@link TokenSampler.dispatches} choose tokens for. */
  setRows(rows: readonly ChosenRow[]): void;
  /** Enqueues masks of rows of the logits, prepared as masked; what takes the other tokens out of these, before the choice. */
  masking(masks: readonly { readonly logits: number; readonly mask: Uint32Array }[]): readonly Dispatch[];
  /** What takes out of logits the tokens that the grammars of the rows' sequences do not allow; nothing where none has one. */
  narrowing(rows: readonly ChosenRow[]): readonly Dispatch[];
  /** What adds the biases of the rows' sequences to their logits, after masks and before the choice; nothing where none has any. */
  biasing(rows: readonly ChosenRow[]): readonly Dispatch[];
  /** What chooses a token for each row, of at least one. */
  dispatches(rows: readonly ChosenRow[], into: TokenInputs): readonly Dispatch[];
  /** What goes on in the grammars with the tokens that were chosen; nothing where no sequence has one. */
  following(rows: readonly ChosenRow[]): readonly Dispatch[];
  /** Encodes that a row's token is the one that was chosen for its sequence last. */
  copyLast(encoder: GPUCommandEncoder, choice: number, into: { readonly buffer: GPUBuffer; readonly row: number }): void;
  /** To be read after a submit, for {@link TokenSampler.tokensOf}. */
  results(rows: readonly ChosenRow[]): ReadRange;
  /** The last `count` tokens of a sequence, from what was read. @throws FormatError where its logits were of no use */
  tokensOf(results: ArrayBuffer, choice: number, count: number): readonly number[];
}

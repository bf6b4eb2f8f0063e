import type { PackedFormat } from '../../packed-layout.ts';
import type { LinearShape } from '../../linear-shape.ts';
import type { CodeField, CodeForm } from './code-form.ts';

/**
 * How a lane's codes lie in the words that it reads: nibbles as loaded, whose high halves are other elements; bytes as loaded; or a byte
 * for each code, put together from two planes or looked up.
 */
export type PieceArrangement = 'nibbles' | 'bytes' | 'joined';

/** What the text of one part of a product depends on. */
export interface PartContext {
  readonly n: number;
  readonly shape: LinearShape;
  readonly format: PackedFormat;
  readonly form: CodeForm;
  /** As the form reads codes. For float formats without meaning. */
  readonly field: Pick<CodeField, 'bits' | 'signed'>;
  readonly pieces: PieceArrangement;
  /** Number of the codebook's expansion (wgsl/codebook.ts), where codes are of one. */
  readonly book: number;
  /** Lanes that share a group of 32 elements of a block format. */
  readonly lanesPerGroup: 1 | 2;
  /** x in f16 registers. */
  readonly halfX: boolean;
}

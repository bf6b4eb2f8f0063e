import type { PackedFormat } from '../../packed-layout.ts';
import type { LinearShape } from '../../linear-shape.ts';
import type { CodeField, CodeForm } from './code-form.ts';

/** What the text of one part of a product depends on. */
export interface PartContext {
  readonly n: number;
  readonly shape: LinearShape;
  readonly format: PackedFormat;
  readonly form: CodeForm;
  /** For float formats without meaning. */
  readonly field: Pick<CodeField, 'bits' | 'signed'>;
  /** Lanes that share a group of 32 elements of a block format. */
  readonly lanesPerGroup: 1 | 2;
  /** x in f16 registers. */
  readonly halfX: boolean;
}

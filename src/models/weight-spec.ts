/**
 * Which weights a model has, and how a checkpoint's tensors are matched with them.
 * Every tensor of the file is read by some weight, or skipped for a stated reason; anything else is an error.
 */
import type { WeightSource } from '../graph/executor.ts';
import type { Checkpoint, CheckpointFormat } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { printExpression, tensor, tensorsOf } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import { shapeOf } from './weight-shape.ts';
import { weightReader } from './weight-reader.ts';

/** One weight, and what it is of a file's tensors in each format. */
export interface WeightSpec extends Readonly<Record<CheckpointFormat, WeightExpression>> {
  /** The id under which graph ops refer to it: `layers.0.attn.q`. */
  readonly id: string;
  readonly shape: readonly number[];
}

/** A weight that is a tensor of its own in both formats, called by these names. */
export function tensorSpec(id: string, shape: readonly number[], names: Readonly<Record<CheckpointFormat, string>>): WeightSpec {
  return { id, shape, gguf: tensor(names.gguf, shape), safetensors: tensor(names.safetensors, shape) };
}

/** A tensor that some files carry and no step needs. */
export interface SkipRule {
  readonly pattern: RegExp;
  readonly reason: string;
}

/** A pattern of these names and no others. */
export function exactNames(names: readonly string[]): RegExp {
  return new RegExp(`^(${names.map((name) => name.replaceAll('.', '\\.')).join('|')})$`);
}

export interface BoundWeights {
  readonly weights: ReadonlyMap<string, WeightSource>;
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/** @throws FormatError for missing, extra and misshapen tensors, and for types that have no kernels or do not allow an expression */
export function bindWeights(checkpoint: Checkpoint, specs: readonly WeightSpec[], skips: readonly SkipRule[]): BoundWeights {
  const weights = new Map<string, WeightSource>();
  const consumed = new Set<string>();
  const read = weightReader(checkpoint);
  for (const spec of specs) {
    const expression = spec[checkpoint.format];
    const source = read(spec.id, expression);
    checkShape(spec, expression);
    weights.set(spec.id, source);
    for (const name of tensorsOf(expression)) consumed.add(name);
  }
  return { weights, skipped: skippedTensors(checkpoint, consumed, skips) };
}

/** @throws Error where a family contradicts itself */
function checkShape({ id, shape }: WeightSpec, expression: WeightExpression): void {
  const found = shapeOf(expression, `weight ${id}`);
  if (found.length !== shape.length || found.some((size, i) => size !== shape[i]))
    throw new Error(`weight ${id}: expected shape [${shape.join(', ')}], found [${found.join(', ')}] of ${printExpression(expression)}`);
}

function skippedTensors(checkpoint: Checkpoint, consumed: ReadonlySet<string>, skips: readonly SkipRule[]) {
  const skipped = [...(checkpoint.superseded ?? [])];
  const extra: string[] = [];
  for (const [name, entry] of checkpoint.tensors) {
    if (consumed.has(name)) continue;
    const rule = skips.find(({ pattern }) => pattern.test(name));
    if (rule !== undefined) skipped.push({ name, reason: rule.reason });
    else if (entry.unlistedIn !== undefined) skipped.push({ name, reason: `${entry.unlistedIn} does not list it` });
    else extra.push(`${name.slice(0, 100)} [${entry.shape.join(', ')}] in ${entry.fileName}`);
  }
  if (extra.length > 0) {
    const more = extra.length > 3 ? ` and ${extra.length - 3} more` : '';
    throw new FormatError(
      `${checkpoint.name}: expected only tensors that the ${checkpoint.architecture} architecture has, found ` +
        `${extra.slice(0, 3).join('; ')}${more}. ` +
        'The file is of a variant that is not supported, or its metadata and weights do not belong together.',
    );
  }
  return skipped;
}

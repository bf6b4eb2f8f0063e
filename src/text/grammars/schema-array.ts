/** Arrays, item by item. */
import { EMPTY, sequence, textNode } from './grammar-node.ts';
import type { GrammarNode, StepsNode } from './grammar-node.ts';
import type { SchemaBuilder } from './schema-builder.ts';

export interface ArrayItems {
  readonly prefix: readonly GrammarNode[];
  /** Undefined: none. */
  readonly rest: GrammarNode | undefined;
  readonly min: number;
  readonly max: number;
  /** Each at most once, in any order, in place of `rest`. */
  readonly distinct: readonly GrammarNode[] | undefined;
}

export function arrayNode(builder: SchemaBuilder, items: ArrayItems): GrammarNode {
  const { space } = builder.texts;
  const steps = items.distinct === undefined ? listSteps(builder, items) : distinctSteps(builder, items, items.distinct);
  return sequence(textNode('['), space, steps, space, textNode(']'));
}

/** Places are `i` and how many items there are. */
function listSteps(builder: SchemaBuilder, { prefix, rest, min, max }: ArrayItems): StepsNode {
  const { space } = builder.texts;
  const comma = sequence(textNode(','), space);
  const members = [...prefix, ...(rest === undefined ? [] : [rest])];
  const behindComma = members.map((item) => sequence(comma, item));
  const [has, most] = lazily(() => {
    const found = members.map((item) => builder.hasTexts(item));
    const firstEmpty = found.indexOf(false);
    const end = rest === undefined ? prefix.length : Infinity;
    return [found, Math.min(max, firstEmpty < 0 ? end : firstEmpty)] as const;
  });
  return {
    kind: 'steps', start: 'i0', parts: members,
    hasTexts: (hasText) => min <= max && (min <= members.length ? members.slice(0, min) : members).every(hasText)
      && (min <= prefix.length || rest !== undefined),
    follow(at) {
      const count = Number(at.slice(1));
      if (count >= most()) return [];
      const index = Math.min(count, members.length - 1);
      if (has()[index] !== true) return [];
      // Past all that differs, an array without an end is in one place.
      const next = max === Infinity ? Math.min(count + 1, Math.max(min, members.length, 1)) : count + 1;
      return [{ node: (count === 0 ? members : behindComma)[index] as GrammarNode, to: `i${next}` }];
    },
    endsAt: (at) => Number(at.slice(1)) >= min,
  };
}

/** Places are `u` and a mark for each value that is there. */
function distinctSteps(builder: SchemaBuilder, { min, max }: ArrayItems, values: readonly GrammarNode[]): StepsNode {
  const comma = sequence(textNode(','), builder.texts.space);
  const behindComma = values.map((item) => sequence(comma, item));
  const counted = (at: string) => at.slice(1).replaceAll('0', '').length;
  return {
    kind: 'steps', start: `u${'0'.repeat(values.length)}`, parts: [EMPTY, ...values],
    hasTexts: () => min <= max && min <= values.length,
    follow(at) {
      const count = counted(at);
      if (count >= max) return [];
      return values.flatMap((value, i) => at[i + 1] === '1' ? [] : [{
        node: count === 0 ? value : (behindComma[i] as GrammarNode), to: `${at.slice(0, i + 1)}1${at.slice(i + 2)}`,
      }]);
    },
    endsAt: (at) => counted(at) >= min,
  };
}

/** Two values that are made when one is asked for. */
function lazily<A, B>(make: () => readonly [A, B]): [() => A, () => B] {
  let made: readonly [A, B] | undefined;
  const get = () => (made ??= make());
  return [() => get()[0], () => get()[1]];
}

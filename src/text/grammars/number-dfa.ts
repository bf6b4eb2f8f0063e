/**
 * Numbers between bounds, as automata over their digits. A number within bounds is written without an exponent and with no more digits
 * than a double tells apart, so that what is compared is what a parser reads.
 */
import { trim } from './char-dfa.ts';
import { codeRanges } from './code-ranges.ts';
import type { CharDfa, CodeRanges } from './grammar-node.ts';

export interface NumberBounds {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly isMinOut: boolean;
  readonly isMaxOut: boolean;
  /** Only whole numbers that are multiples of this whole number, at least 1. Undefined: decimals too. */
  readonly multipleOf: number | undefined;
}

/**
 * Digits of a number. A decimal of up to 18 that is not beyond a bound reads as a double that is not; up to 15, all are different as
 * doubles, so that one that is not the bound is not read as the bound.
 */
const MOST_DIGITS = 18;
const DISTINCT_DIGITS = 15;

/** A limit of a magnitude, by its decimal digits. */
interface Limit {
  readonly whole: string;
  readonly fraction: string;
  readonly isOut: boolean;
}

/** Decimal digits of a double, as JavaScript writes the shortest that reads back to it, without an exponent. */
function digitsOf(value: number): { whole: string; fraction: string } {
  const [mantissa = '0', exponent = '0'] = value.toExponential().split('e');
  const digits = mantissa.replace('.', '');
  const point = Number(exponent) + 1;
  if (point <= 0) return { whole: '0', fraction: '0'.repeat(-point) + digits.replace(/0+$/u, '') };
  return { whole: digits.padEnd(point, '0').slice(0, point), fraction: digits.slice(point).replace(/0+$/u, '') };
}

const limitOf = (value: number, isOut: boolean): Limit => ({ ...digitsOf(value), isOut });

/** How the digits so far compare with a limit's: less, equal or greater, as far as they are known. */
type Order = -1 | 0 | 1;

interface Magnitude {
  readonly phase: 'first' | 'zero' | 'whole' | 'point' | 'fraction';
  readonly count: number;
  readonly fractionCount: number;
  readonly low: Order;
  readonly high: Order;
  readonly rest: number;
}

/** @returns the automaton, without states where no number is between the bounds */
export function numberDfa(bounds: NumberBounds): CharDfa {
  const { min = -Infinity, max = Infinity, isMinOut, isMaxOut, multipleOf } = bounds;
  // Whole numbers are exact up to 15 digits.
  const mostDigits = isMinOut || isMaxOut || multipleOf !== undefined ? DISTINCT_DIGITS : MOST_DIGITS;
  const signs: { sign: '-' | ''; low: Limit | undefined; high: Limit | undefined }[] = [];
  if (max > 0 || (max === 0 && !isMaxOut))
    signs.push({ sign: '', low: min > 0 || (min === 0 && isMinOut) ? limitOf(min, isMinOut) : undefined, high: finite(max, isMaxOut) });
  if (min < 0) signs.push({ sign: '-', low: max < 0 || (max === 0 && isMaxOut) ? limitOf(-max, isMaxOut) : undefined, high: finite(-min,
    isMinOut) });
  const edges: { ranges: CodeRanges; to: number }[][] = [[]];
  const isFinal: boolean[] = [false];
  for (const { sign, low, high } of signs) {
    const offset = edges.length;
    const part = magnitudes({ low, high, multipleOf, mostDigits, isNegative: sign === '-' });
    for (const out of part.edges) edges.push(out.map(({ ranges, to }) => ({ ranges, to: to + offset })));
    isFinal.push(...part.isFinal);
    if (sign === '-') edges[0]?.push({ ranges: charRange('-'), to: offset });
    else edges[0]?.push(...(edges[offset] as { ranges: CodeRanges; to: number }[]));
  }
  return trim({ edges, isFinal });
}

const finite = (value: number, isOut: boolean) => (value === Infinity ? undefined : limitOf(value, isOut));
const charRange = (char: string): CodeRanges => codeRanges([[char.charCodeAt(0), char.charCodeAt(0)]]);

interface MagnitudeOptions {
  readonly low: Limit | undefined;
  readonly high: Limit | undefined;
  readonly multipleOf: number | undefined;
  readonly mostDigits: number;
  readonly isNegative: boolean;
}

function magnitudes(options: MagnitudeOptions): CharDfa {
  const ids = new Map<string, number>();
  const states: Magnitude[] = [];
  const idOf = (found: Magnitude): number => {
    const state = settled(found, options);
    const { phase, count, fractionCount, low, high, rest } = state;
    const key = `${phase},${count},${fractionCount},${low},${high},${rest}`;
    const known = ids.get(key);
    if (known !== undefined) return known;
    ids.set(key, states.length);
    return states.push(state) - 1;
  };
  idOf({ phase: 'first', count: 0, fractionCount: 0, low: 0, high: 0, rest: 0 });
  const edges: { ranges: CodeRanges; to: number }[][] = [];
  for (let id = 0; id < states.length; id++) {
    const out: { ranges: CodeRanges; to: number }[] = [];
    const state = states[id] as Magnitude;
    for (let digit = 0; digit <= 9; digit++) {
      const next = afterDigit(state, digit, options);
      if (next !== undefined) out.push({ ranges: charRange(String(digit)), to: idOf(next) });
    }
    if (options.multipleOf === undefined && (state.phase === 'zero' || state.phase === 'whole') && state.count < options.mostDigits)
      out.push({ ranges: charRange('.'), to: idOf({ ...state, phase: 'point', ...wholeOrders(state, options) }) });
    edges.push(mergeEdges(out));
  }
  return { edges, isFinal: states.map((state) => canEnd(state, options)) };
}

/** Where nothing more is to be compared, only the number of all digits counts. */
function settled(state: Magnitude, { low, high }: MagnitudeOptions): Magnitude {
  const isOpen = (low !== undefined && state.low === 0) || (high !== undefined && state.high === 0);
  if (isOpen || state.phase !== 'fraction') return state;
  return { ...state, count: state.count + state.fractionCount, fractionCount: 0 };
}

function mergeEdges(out: readonly { ranges: CodeRanges; to: number }[]): { ranges: CodeRanges; to: number }[] {
  const byTarget = new Map<number, [number, number][]>();
  for (const { ranges, to } of out) byTarget.set(to, [...(byTarget.get(to) ?? []), ...ranges.map(([a, b]): [number, number] => [a, b])]);
  return [...byTarget].map(([to, ranges]) => ({ ranges: codeRanges(ranges), to }));
}

function afterDigit(state: Magnitude, digit: number, options: MagnitudeOptions): Magnitude | undefined {
  const { low, high, multipleOf, mostDigits, isNegative } = options;
  const { phase, count, fractionCount, rest } = state;
  const compare = (limit: Limit | undefined, order: Order, digits: 'whole' | 'fraction', at: number): Order => {
    if (limit === undefined || order !== 0) return order;
    const other = Number(limit[digits][at] ?? (digits === 'whole' ? '-1' : '0'));
    return other < 0 ? 0 : (Math.sign(digit - other) as Order);
  };
  if (phase === 'point' || phase === 'fraction') {
    if (count + fractionCount >= mostDigits) return undefined;
    const above = compare(high, state.high, 'fraction', fractionCount);
    const over = compare(low, state.low, 'fraction', fractionCount);
    // No further digit brings it back between the bounds.
    if ((high !== undefined && above > 0) || (low !== undefined && over < 0)) return undefined;
    return { phase: 'fraction', count, rest, fractionCount: fractionCount + 1, low: over, high: above };
  }
  if (phase === 'zero' || count >= Math.min(mostDigits, high?.whole.length ?? Infinity)) return undefined;
  // A whole number has one nought.
  if (phase === 'first' && digit === 0 && isNegative && multipleOf !== undefined) return undefined;
  return {
    phase: phase === 'first' && digit === 0 ? 'zero' : 'whole',
    count: count + 1, fractionCount,
    low: compare(low, state.low, 'whole', count), high: compare(high, state.high, 'whole', count),
    rest: multipleOf === undefined ? 0 : (rest * 10 + digit) % multipleOf,
  };
}

/** How the whole part compares, now that its number of digits is known. */
function wholeOrders({ count, low, high }: Magnitude, options: MagnitudeOptions): { low: Order; high: Order } {
  const order = (limit: Limit | undefined, digits: Order): Order =>
    limit === undefined || count === limit.whole.length ? digits : count < limit.whole.length ? -1 : 1;
  return { low: order(options.low, low), high: order(options.high, high) };
}

function canEnd(state: Magnitude, options: MagnitudeOptions): boolean {
  const { phase, fractionCount, rest } = state;
  if (phase === 'first' || phase === 'point' || rest !== 0) return false;
  const orders = phase === 'fraction' ? state : wholeOrders(state, options);
  // Digits of the limit that were not written are noughts in the number.
  const settle = (limit: Limit | undefined, order: Order): Order =>
    order === 0 && limit !== undefined && limit.fraction.length > fractionCount ? -1 : order;
  const [low, high] = [settle(options.low, orders.low), settle(options.high, orders.high)];
  if (options.low !== undefined && (low < 0 || (low === 0 && options.low.isOut))) return false;
  return options.high === undefined || high < 0 || (high === 0 && !options.high.isOut);
}

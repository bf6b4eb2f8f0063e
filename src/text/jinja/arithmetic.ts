/** Python's arithmetic. */
import type { Budget } from './budget.ts';
import { exactQuotient, floatPower } from './exact-float.ts';
import { escapeText } from './html.ts';
import type { Arithmetic } from './nodes.ts';
import { percentFormat } from './percent-format.ts';
import { TemplateError } from './template-errors.ts';
import { asMarkup, concatTexts, concatWithin, markupLike } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { isInt, isList, isText, isTuple, numberOf, typeName } from './values.ts';
import type { Value } from './values.ts';

/** @throws TemplateError */
export function applyArithmetic(operator: Arithmetic, left: Value, right: Value, budget: Budget): Value {
  if (operator === '%' && isText(left)) return percentFormat(left, right, budget);
  if (isInt(left) && isInt(right)) return intArithmetic(operator, left, right);
  const a = numberOf(left);
  const b = numberOf(right);
  if (a !== undefined && b !== undefined) {
    checkFloat(left);
    checkFloat(right);
    return { float: floatArithmetic(operator, a, b) };
  }
  const joined = operator === '+' ? concatenation(left, right, budget) : operator === '*' ? repetition(left, right, budget) : undefined;
  if (joined !== undefined) return joined;
  throw new TemplateError(`${operator} cannot be applied to values of type ${typeName(left)} and ${typeName(right)}`);
}

function checkFloat(value: Value): void {
  if (typeof value === 'bigint' && !Number.isFinite(Number(value))) throw new TemplateError('an integer is too large for a float');
}

/** An int as a number where a double holds it exactly. */
export function intOf(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

const maxBits = 20_000;

function intArithmetic(operator: Arithmetic, left: number | bigint | boolean, right: number | bigint | boolean): Value {
  const a = Number(left);
  const b = Number(right);
  if (b === 0 && (operator === '/' || operator === '//' || operator === '%')) throw new TemplateError('division by zero');
  if (operator === '/') return divide(left, right);
  if (operator === '**' && b < 0) {
    if (a === 0) throw new TemplateError('zero to a negative power');
    return { float: power(a, b) };
  }
  const fast = Number.isSafeInteger(left) && Number.isSafeInteger(right) ? safeArithmetic(operator, a, b) : undefined;
  if (fast !== undefined && Number.isSafeInteger(fast)) return fast + 0;
  return intOf(bigArithmetic(operator, BigInt(left), BigInt(right)));
}

function divide(left: number | bigint | boolean, right: number | bigint | boolean): Value {
  if (Number.isSafeInteger(Number(left)) && Number.isSafeInteger(Number(right))) return { float: Number(left) / Number(right) };
  const float = exactQuotient(BigInt(left), BigInt(right));
  if (!Number.isFinite(float)) throw new TemplateError('an integer is too large for a float');
  return { float };
}

function safeArithmetic(operator: Arithmetic, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '//':
      return (a - modulo(a, b)) / b;
    case '%':
      return modulo(a, b);
    default:
      return a ** b;
  }
}

/** The remainder with the sign of the divisor. */
function modulo(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

function bigArithmetic(operator: Arithmetic, a: bigint, b: bigint): bigint {
  if (operator === '+') return a + b;
  if (operator === '-') return a - b;
  if (operator === '*') {
    checkBits(a.toString(16).length * 4 + b.toString(16).length * 4);
    return a * b;
  }
  if (operator === '**') {
    if (a >= -1n && a <= 1n) return a === -1n && b % 2n === 0n ? 1n : b === 0n ? 1n : a;
    checkBits(a.toString(16).length * 4 * Number(b));
    return a ** b;
  }
  const rest = a % b;
  const mod = rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
  return operator === '%' ? mod : (a - mod) / b;
}

function checkBits(bits: number): void {
  if (!(bits <= maxBits)) throw new TemplateError(`an integer has more than ${maxBits} bits`);
}

function floatArithmetic(operator: Arithmetic, a: number, b: number): number {
  if (b === 0 && (operator === '/' || operator === '//' || operator === '%')) throw new TemplateError('division by zero');
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return floorDivide(a, b);
    case '%':
      return floatModulo(a, b);
    case '**':
      return power(a, b);
    default:
      return operator satisfies never;
  }
}

function floatModulo(a: number, b: number): number {
  const rest = modulo(a, b);
  return rest === 0 ? (b < 0 ? -0 : 0) : rest;
}

function floorDivide(a: number, b: number): number {
  const quotient = (a - modulo(a, b)) / b;
  if (quotient === 0) return a / b < 0 || Object.is(a / b, -0) ? -0 : 0;
  const floor = Math.floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

function power(a: number, b: number): number {
  if (a === 0 && b < 0) throw new TemplateError('zero to a negative power');
  if (a === 1) return 1;
  if (a < 0 && !Number.isInteger(b) && Number.isFinite(b)) throw new TemplateError('a complex number is no value of a template');
  const result = floatPower(a, b);
  if (!Number.isFinite(result) && Number.isFinite(a) && Number.isFinite(b))
    throw new TemplateError('the result is too large for a float');
  return result;
}

function concatenation(left: Value, right: Value, budget: Budget): Value {
  if (isText(left) && isText(right)) {
    if (!left.markup && !right.markup) return concatWithin([left, right], budget);
    return asMarkup(concatWithin([escapeText(left, budget), escapeText(right, budget)], budget));
  }
  if (isList(left) && isList(right)) {
    budget.allowItems(left.length + right.length);
    return [...left, ...right];
  }
  if (isTuple(left) && isTuple(right)) {
    budget.allowItems(left.tuple.length + right.tuple.length);
    return { tuple: [...left.tuple, ...right.tuple] };
  }
  return undefined;
}

function repetition(left: Value, right: Value, budget: Budget): Value {
  const [value, count] = isInt(right) ? [left, right] : [right, left];
  if (!isInt(count)) return undefined;
  if (Math.abs(Number(count)) >= 2 ** 63) throw new TemplateError('*: an integer is too large');
  const times = Math.max(0, Number(count));
  if (isText(value)) return repeatText(value, times, budget);
  if (isList(value)) return repeatItems(value, times, budget);
  return isTuple(value) ? { tuple: repeatItems(value.tuple, times, budget) } : undefined;
}

function repeatItems(items: readonly Value[], times: number, budget: Budget): Value[] {
  if (items.length === 0) return [];
  budget.allowItems(items.length * times);
  return Array.from({ length: times }, () => items).flat();
}

function repeatText(value: TemplateText, times: number, budget: Budget): TemplateText {
  budget.allowText(value.text.length * times);
  budget.allowItems(times);
  if (value.foreign.length === 0) return markupLike(value, { text: value.text.repeat(times), foreign: [] });
  return markupLike(value, concatTexts(Array.from({ length: times }, () => value)));
}

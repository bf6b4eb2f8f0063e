/** Parsers of option values for commander: what is wrong with one is said before any model is loaded. */
import { InvalidArgumentError } from 'commander';
import { inWordsOfTheCommandLine } from './exit-codes.ts';

export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
}

function inRange(value: number, { min = -Infinity, max = Infinity }: NumberRange): boolean {
  return value >= min && value <= max;
}

function describeRange({ min, max }: NumberRange): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  return min === undefined ? '' : ` of at least ${min}`;
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

export function integerIn(range: NumberRange): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (DECIMAL.test(text) && Number.isSafeInteger(value) && inRange(value, range)) return value;
    throw new InvalidArgumentError(`Expected an integer${describeRange(range)}.`);
  };
}

export function numberIn(range: NumberRange): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (DECIMAL.test(text) && inRange(value, range)) return value;
    throw new InvalidArgumentError(`Expected a number${describeRange(range)}.`);
  };
}

/** @param check throws for a text that cannot be meant */
export function checkedText<Text extends string>(check: (text: Text) => unknown): (text: string) => Text {
  return (text) => {
    try {
      check(text as Text);
      return text as Text;
    } catch (error) {
      throw new InvalidArgumentError(inWordsOfTheCommandLine((error as Error).message));
    }
  };
}

/** @param check throws for a number that cannot be meant */
export function checkedNumber(check: (value: number) => number): (text: string) => number {
  return (text) => {
    if (!DECIMAL.test(text)) throw new InvalidArgumentError('Expected a number.');
    try {
      return check(Number(text));
    } catch (error) {
      throw new InvalidArgumentError(inWordsOfTheCommandLine((error as Error).message));
    }
  };
}

/** For options that may be given several times. */
export function collectTexts(text: string, before: readonly string[] = []): string[] {
  if (text === '') throw new InvalidArgumentError('Expected at least one character.');
  return [...before, text];
}

/** One of the names there are, which the help lists elsewhere. */
export function oneOf<Name extends string>(names: readonly Name[]): (text: string) => Name {
  return (text) => {
    const known = names.find((name) => name === text);
    if (known === undefined) throw new InvalidArgumentError(`Expected one of ${names.join(', ')}.`);
    return known;
  };
}

/** `a,b`: some of the names there are, each once, in the order given. */
export function listOf<Name extends string>(names: readonly Name[]): (text: string) => Name[] {
  return (text) => {
    const parts = [...new Set(text.split(',').map((part) => part.trim()).filter((part) => part !== ''))];
    const unknown = parts.find((part) => !(names as readonly string[]).includes(part));
    if (parts.length === 0 || unknown !== undefined)
      throw new InvalidArgumentError(`Expected some of ${names.join(', ')}, separated by commas.`);
    return parts as Name[];
  };
}

/** `1,2,3` or `1 2 3` */
export function parseIds(text: string): number[] {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '');
  if (parts.length === 0) throw new InvalidArgumentError('Expected token ids such as 1,2,3.');
  return parts.map((part) => {
    const id = Number(part);
    if (/^\d+$/.test(part) && Number.isSafeInteger(id)) return id;
    throw new InvalidArgumentError(`Expected token ids such as 1,2,3, found ${JSON.stringify(part)}.`);
  });
}

/**
 * Runs compiled patterns by backtracking, without recursion over the text and within a bound of steps, so that neither a
 * long text nor a hostile pattern overflows the stack or never ends.
 */
import { InputError } from '../../tensor/errors.ts';
import { createCaseFold } from './case-fold.ts';
import type { CaseFold } from './case-fold.ts';
import { ANCHORS, compilePattern, OP } from './compile-pattern.ts';
import type { PatternProgram } from './compile-pattern.ts';
import { wordClass } from './named-class.ts';
import type { AnchorKind } from './pattern-node.ts';
import type { CharSet } from './char-set.ts';
import { parsePattern } from './parse-pattern.ts';
import type { ParsedPattern } from './parse-pattern.ts';

export interface PatternMatcher {
  /** Starts and ends of all matches, in UTF-16 units: [start, end, start, end, ..]. @throws InputError beyond the bound of steps */
  findAll(text: string): number[];
}

/** @throws SyntaxError for a pattern that is wrong or has parts that are not supported */
export function createPatternMatcher(pattern: string): PatternMatcher {
  return matcherOf(parsePattern(pattern), pattern);
}

/** Finds a text as it is; the empty one lies between any two characters. */
export function createTextMatcher(wanted: string): PatternMatcher {
  if (wanted === '') return createPatternMatcher('');
  return {
    findAll(text) {
      const found: number[] = [];
      for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) found.push(at, at + wanted.length);
      return found;
    },
  };
}

function matcherOf(parsed: ParsedPattern, name: string): PatternMatcher {
  const program = compilePattern(parsed);
  const tools: Tools = { word: wordClass(), fold: createCaseFold(), stack: new Int32Array(entrySize * 1024), name };
  return { findAll: (text) => findAll(createRun(program, text, tools)) };
}

/** What a matcher keeps between texts. */
interface Tools {
  readonly word: CharSet;
  readonly fold: CaseFold;
  stack: Int32Array;
  readonly name: string;
}

interface Run {
  readonly program: PatternProgram;
  readonly text: string;
  readonly tools: Tools;
  readonly registers: Int32Array;
  searchStart: number;
  /** Where the instruction that has just run goes on. */
  nextPc: number;
  stackSize: number;
  stepsLeft: number;
}

const baseSteps = 10_000_000;
const stepsPerUnit = 1000;

function createRun(program: PatternProgram, text: string, tools: Tools): Run {
  const registers = new Int32Array(program.registers).fill(-1);
  const stepsLeft = baseSteps + stepsPerUnit * text.length;
  return { program, text, tools, registers, searchStart: 0, nextPc: 0, stackSize: 0, stepsLeft };
}

/** The iteration of tokenizers: an empty match that touches the match before it does not count, nor any in an empty text. */
function findAll(run: Run): number[] {
  const { text, program } = run;
  const found: number[] = [];
  if (text === '') return found;
  let lastEnd = -1;
  for (let from = 0; from <= text.length; ) {
    run.searchStart = from;
    let start = from;
    let end = -1;
    for (; start <= text.length; start += unitsAt(text, start)) {
      if (program.first !== undefined && !(start < text.length && program.first.has(text.codePointAt(start)!))) continue;
      end = execute(run, 0, start, -1);
      if (end >= 0) break;
    }
    if (end < 0) break;
    if (end === start && end === lastEnd) {
      from += unitsAt(text, from);
      continue;
    }
    found.push(start, end);
    lastEnd = end;
    from = end;
  }
  return found;
}

function unitsAt(text: string, at: number): number {
  return at + 1 < text.length && text.codePointAt(at)! > 0xffff ? 2 : 1;
}

function stepBack(text: string, at: number): number {
  const isPair = at > 1 && isLow(text.charCodeAt(at - 1)) && isHigh(text.charCodeAt(at - 2));
  return at - (isPair ? 2 : 1);
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

/**
 * An entry of the stack: instruction, position, and the least position of a loop that gives back (or -1). A negative
 * first word is a register to restore, as -1 - register, and its old value.
 */
const entrySize = 3;
const maxStackWords = entrySize * 8 * 1024 * 1024;

function pushEntry(run: Run, first: number, second: number, third: number): void {
  const { tools } = run;
  if (run.stackSize + entrySize > tools.stack.length) {
    if (tools.stack.length >= maxStackWords) throw tooLong(run);
    const grown = new Int32Array(tools.stack.length * 2);
    grown.set(tools.stack);
    tools.stack = grown;
  }
  const { stack } = tools;
  stack[run.stackSize] = first;
  stack[run.stackSize + 1] = second;
  stack[run.stackSize + 2] = third;
  run.stackSize += entrySize;
  if (--run.stepsLeft < 0) throw tooLong(run);
}

function tooLong(run: Run): InputError {
  return new InputError(
    `The tokenizer's pattern ${JSON.stringify(run.tools.name.slice(0, 120))} takes too many steps over this text of ` +
      `${run.text.length} characters. ` +
      'Patterns with repeats inside repeats do that; use the tokenizer of the original model.',
  );
}

function setRegister(run: Run, register: number, value: number): void {
  pushEntry(run, -1 - register, run.registers[register]!, -1);
  run.registers[register] = value;
}

/**
 * Runs from an instruction and position. With `mustEndAt` >= 0 only a match that ends there counts.
 * @returns the end of the match, or -1; the stack is as before, but registers keep what the match saved
 */
function execute(run: Run, startPc: number, startAt: number, mustEndAt: number): number {
  const { text, program } = run;
  const { code, sets } = program;
  const base = run.stackSize;
  let pc = startPc;
  let at = startAt;
  for (;;) {
    let failed = false;
    switch (code[pc]) {
      case OP.match:
        if (mustEndAt < 0 || at === mustEndAt) {
          run.stackSize = base;
          return at;
        }
        failed = true;
        break;
      case OP.set: {
        const char = at < text.length ? text.codePointAt(at)! : -1;
        failed = char < 0 || !sets[code[pc + 1]!]!.has(char);
        at += char > 0xffff ? 2 : 1;
        pc += 2;
        break;
      }
      case OP.split:
        pushEntry(run, code[pc + 2]!, at, -1);
        pc = code[pc + 1]!;
        break;
      case OP.jump:
        pc = code[pc + 1]!;
        break;
      case OP.jumpUnless:
        pc = at < text.length && sets[code[pc + 1]!]!.has(text.codePointAt(at)!) ? pc + 3 : code[pc + 2]!;
        break;
      case OP.loop: {
        const end = runLoop(run, pc, at);
        failed = end < 0;
        at = end;
        pc += 5;
        break;
      }
      case OP.fail:
        failed = true;
        break;
      default:
        at = runRarer(run, pc, at);
        failed = at < 0;
        pc = run.nextPc;
    }
    if (!failed) continue;
    const resumed = backtrack(run, base);
    if (resumed < 0) return -1;
    pc = resumed;
    at = run.tools.stack[run.stackSize + 1]!;
  }
}

/** Runs an instruction that is not in the inner loop. @returns the new position, or -1; the next instruction is run.nextPc */
function runRarer(run: Run, pc: number, at: number): number {
  const { code } = run.program;
  switch (code[pc]) {
    case OP.anchor:
      run.nextPc = pc + 2;
      return anchorHolds(run, ANCHORS[code[pc + 1]!]!, at) ? at : -1;
    case OP.lookAhead: {
      const isNegated = code[pc + 1] === 1;
      const isFound = execute(run, pc + 3, at, -1) >= 0;
      run.nextPc = code[pc + 2]!;
      return isFound === isNegated ? -1 : at;
    }
    case OP.lookBehind: {
      const isNegated = code[pc + 1] === 1;
      const isFound = looksBack(run, pc, at);
      run.nextPc = code[pc + 2]!;
      return isFound === isNegated ? -1 : at;
    }
    case OP.atomic: {
      const end = execute(run, pc + 2, at, -1);
      run.nextPc = code[pc + 1]!;
      return end;
    }
    case OP.save:
      setRegister(run, code[pc + 1]!, at);
      run.nextPc = pc + 2;
      return at;
    case OP.jumpIfEmpty:
      run.nextPc = run.registers[code[pc + 1]!] === at ? code[pc + 2]! : pc + 3;
      return at;
    case OP.backreference: {
      const group = code[pc + 1]!;
      const isUnset = run.registers[2 * group]! < 0 || run.registers[2 * group + 1]! < 0;
      run.nextPc = isUnset ? code[pc + 3]! : pc + 4;
      return isUnset ? at : matchAgain(run, group, { at, ignoreCase: code[pc + 2] === 1 });
    }
    default:
      throw new Error(`unknown instruction ${code[pc]}`);
  }
}

/** Undoes up to the last choice. @returns its instruction, or -1 where none is left; its position stands above the stack */
function backtrack(run: Run, base: number): number {
  const { registers, text } = run;
  const { stack } = run.tools;
  if (--run.stepsLeft < 0) throw tooLong(run);
  while (run.stackSize > base) {
    const entry = run.stackSize - entrySize;
    const first = stack[entry]!;
    if (first < 0) {
      registers[-1 - first] = stack[entry + 1]!;
      run.stackSize = entry;
      continue;
    }
    const least = stack[entry + 2]!;
    if (least < 0) {
      run.stackSize = entry;
      return first;
    }
    const at = stepBack(text, stack[entry + 1]!);
    stack[entry + 1] = at;
    if (at > least) {
      // The entry stays for the next time; what is read above the stack is a copy of it.
      pushEntry(run, first, at, -1);
      run.stackSize -= entrySize;
      return first;
    }
    run.stackSize = entry;
    return first;
  }
  return -1;
}

/** @returns where a loop over one set stops at first, or -1 */
function runLoop(run: Run, pc: number, start: number): number {
  const { text } = run;
  const { code, sets } = run.program;
  const set = sets[code[pc + 1]!]!;
  const min = code[pc + 2]!;
  const max = code[pc + 3]!;
  let at = start;
  let least = start;
  let count = 0;
  while (count < max && at < text.length) {
    const char = text.codePointAt(at)!;
    if (!set.has(char)) break;
    at += char > 0xffff ? 2 : 1;
    if (++count === min) least = at;
  }
  run.stepsLeft -= count;
  if (count < min) return -1;
  if (at > least && code[pc + 4] === 0) pushEntry(run, pc + 5, at, least);
  return at;
}

function looksBack(run: Run, pc: number, at: number): boolean {
  const shortest = run.program.code[pc + 3]!;
  const longest = run.program.code[pc + 4]!;
  let start = at;
  for (let count = 0; count <= longest; count++) {
    if (count >= shortest && execute(run, pc + 5, start, at) >= 0) return true;
    if (start === 0) return false;
    start = stepBack(run.text, start);
    if (--run.stepsLeft < 0) throw tooLong(run);
  }
  return false;
}

const newline = 0x0a;

function anchorHolds(run: Run, kind: AnchorKind, at: number): boolean {
  const { text } = run;
  switch (kind) {
    case 'textStart':
      return at === 0;
    case 'textEnd':
      return at === text.length;
    case 'textEndOrNewline':
      return at === text.length || (at === text.length - 1 && text.charCodeAt(at) === newline);
    case 'lineStart':
      return at === 0 || (at < text.length && text.charCodeAt(at - 1) === newline);
    case 'lineEnd':
      return at === text.length || text.charCodeAt(at) === newline;
    case 'searchStart':
      return at === run.searchStart;
    case 'wordBoundary':
      return isWordAt(run, at) !== isWordBefore(run, at);
    case 'notWordBoundary':
      return isWordAt(run, at) === isWordBefore(run, at);
    default:
      return kind satisfies never;
  }
}

function isWordAt({ text, tools }: Run, at: number): boolean {
  return at < text.length && tools.word.has(text.codePointAt(at)!);
}

function isWordBefore(run: Run, at: number): boolean {
  return at > 0 && isWordAt(run, stepBack(run.text, at));
}

function matchAgain(run: Run, group: number, { at, ignoreCase }: { at: number; ignoreCase: boolean }): number {
  const { text, tools } = run;
  const wanted = text.slice(run.registers[2 * group]!, run.registers[2 * group + 1]!);
  run.stepsLeft -= wanted.length;
  if (text.startsWith(wanted, at)) return at + wanted.length;
  if (!ignoreCase) return -1;
  const found = text.slice(at, at + wanted.length);
  const same = (a: string, b: string | undefined): boolean =>
    b !== undefined && tools.fold.variantsOf(a.codePointAt(0)!).includes(b.codePointAt(0)!);
  const foundChars = Array.from(found);
  const isSame = found.length === wanted.length && Array.from(wanted).every((char, index) => same(char, foundChars[index]));
  return isSame ? at + wanted.length : -1;
}

/** Writes the states of a grammar's table as words, as `tensor/byte-table.ts` lays them out. */
import { MOST_PUSHED, STATE_BITS, TABLE_CLASSES, TABLE_DEAD, TABLE_POP, TABLE_ROWS } from '../../tensor/byte-table.ts';
import type { Automaton } from './automaton.ts';
import { DEAD } from './automaton.ts';
import type { GrammarTable, NoTable, Rows, Steps } from './table-rows.ts';

/** States that a table may have, words of its rows (4 MiB), and different pushes. */
export const MOST_STATES = 6000;
const MOST_ROW_WORDS = 1 << 20;
/** Of rows before bytes that lead alike are one class. */
const MOST_CELLS = 3 << 20;
const MOST_PUSHES = 1 << 16;

export function* writeTable(automaton: Automaton, rows: Rows): Steps<GrammarTable | NoTable> {
  const isStart = new Uint8Array(256);
  for (const { ways } of rows.values()) for (const { from } of ways) isStart[from] = 1;
  const starts = [...isStart.keys()].filter((byte) => isStart[byte] === 1);
  if (rows.size * starts.length > MOST_CELLS) return 'states';
  const pushes = createPushes();
  const actions = yield* actionsOf(rows, starts, { pushes, numberOf: rowNumbers(automaton, rows) });
  if (pushes.longest > MOST_PUSHED) return 'pushes';
  const columns = yield* distinctColumns(actions, starts.length);
  const classes = columns.kept.length + 1;
  if (pushes.count > MOST_PUSHES || rows.size * classes > MOST_ROW_WORDS) return 'states';
  const pushesAt = TABLE_ROWS + rows.size * classes;
  const table = new Uint32Array(pushesAt + pushes.words);
  table.set([classes, pushesAt]);
  const classOf = new Uint8Array(table.buffer, TABLE_CLASSES * 4, 256);
  for (const [i, start] of starts.entries()) classOf.fill(columns.of[i] as number, start);
  let row = 0;
  for (const { isDone } of rows.values()) {
    const at = TABLE_ROWS + row * classes;
    for (let own = 0; own < classes - 1; own++) table[at + own] = actions[row * starts.length + (columns.kept[own] as number)] as number;
    table[at + classes - 1] = isDone ? TABLE_POP : TABLE_DEAD;
    row++;
    yield;
  }
  pushes.writeTo(table, pushesAt);
  return { table, start: { state: 0, stack: [] } };
}

/** A state's number in the table, by a state of the automaton that returns to it or by a set. */
interface RowNumbers {
  ofSet(set: number): number;
  ofState(state: number): number;
}

function rowNumbers(automaton: Automaton, rows: Rows): RowNumbers {
  const numbers = new Int32Array(automaton.setCount).fill(-1);
  let next = 0;
  for (const set of rows.keys()) numbers[set] = next++;
  const ofSet = (set: number) => numbers[set] as number;
  return { ofSet, ofState: (state) => ofSet(automaton.setAt(state)) };
}

interface Writing {
  readonly pushes: Pushes;
  readonly numberOf: RowNumbers;
}

/** What each row does for each of the bytes from which on some row leads elsewhere. */
function* actionsOf(rows: Rows, starts: readonly number[], { pushes, numberOf }: Writing): Steps<Uint32Array> {
  const actions = new Uint32Array(rows.size * starts.length);
  let cell = 0;
  for (const { ways, isDone } of rows.values()) {
    const none = isDone ? TABLE_POP : TABLE_DEAD;
    let way = -1;
    let action = none;
    for (const start of starts) {
      const next = ways[way + 1];
      if (next?.from === start) {
        way++;
        const push = next.to === DEAD ? 0 : pushes.numberOf(next.returns, numberOf);
        action = next.to === DEAD ? none : ((push << STATE_BITS) | numberOf.ofSet(next.to)) >>> 0;
      }
      actions[cell++] = action;
    }
    yield;
  }
  return actions;
}

/** Lists of states that are put on the stack together, each once. */
interface Pushes {
  /** @param returns states of the automaton */
  numberOf(returns: readonly number[], numberOf: RowNumbers): number;
  readonly count: number;
  readonly longest: number;
  /** How many all of them take. */
  readonly words: number;
  /** Where each lies, then how many states each has and those. */
  writeTo(table: Uint32Array, from: number): void;
}

function createPushes(): Pushes {
  const numbers = new Map([['', 0]]);
  const lists: number[][] = [[]];
  return {
    numberOf(returns, numberOf) {
      if (returns.length === 0) return 0;
      const key = returns.join();
      let known = numbers.get(key);
      if (known === undefined) numbers.set(key, (known = lists.push(returns.map(numberOf.ofState)) - 1));
      return known;
    },
    get count() {
      return lists.length;
    },
    get longest() {
      return lists.reduce((most, { length }) => Math.max(most, length), 0);
    },
    get words() {
      return lists.reduce((sum, { length }) => sum + length + 2, 0);
    },
    writeTo(table, from) {
      let at = from + lists.length;
      for (const [i, list] of lists.entries()) {
        table[from + i] = at;
        table.set([list.length, ...list], at);
        at += list.length + 1;
      }
    },
  };
}

/** Of a matrix by rows: the columns that differ, and for each column which of those it is. */
function* distinctColumns(cells: Uint32Array, width: number): Steps<{ readonly kept: readonly number[]; readonly of: readonly number[] }> {
  const hashes = new Uint32Array(width);
  for (let row = 0; row < cells.length; row += width) {
    for (let column = 0; column < width; column++) {
      const hash = hashes[column] as number;
      hashes[column] = Math.imul(hash ^ (cells[row + column] as number), 0x01000193) + (hash >>> 15);
    }
    yield;
  }
  const areAlike = (a: number, b: number) => {
    for (let row = 0; row < cells.length; row += width) if (cells[row + a] !== cells[row + b]) return false;
    return true;
  };
  const kept: number[] = [];
  const of: number[] = [];
  for (const [column, hash] of hashes.entries()) {
    const known = kept.findIndex((other) => hashes[other] === hash && areAlike(other, column));
    of.push(known < 0 ? kept.push(column) - 1 : known);
    yield;
  }
  return { kept, of };
}

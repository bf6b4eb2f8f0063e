/**
 * Grammars that the device follows by itself: the tables of those that answers have, the bytes of the vocabulary, and each sequence's
 * place. A table stays while there is room for it, since the next answer may well have the same.
 */
import type { TokenGrammar, TokenSpans } from '../../tensor/byte-table.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { PLACE_WORDS, placeWords } from '../kernels/sample/table-walk.ts';
import { growBuffers } from './grow-buffers.ts';

export interface GrammarRows {
  readonly sizeBytes: number;
  /** By the names of the kernels' bindings; others where {@link GrammarRows.set} says that they are new. */
  readonly buffers: ReadonlyMap<string, GPUBuffer>;
  /**
   * Makes room for so many sequences, and enqueues what is new of some of them; waits for the device only where buffers grow. True: buffers
   * are new.
   * @throws CapacityError where the device has no memory: then those have no grammar yet, and others what they had
   */
  set(sequences: number, fresh: readonly FreshGrammar[]): Promise<boolean>;
  /** A sequence needs its table no more. */
  leave(sequence: number): void;
}

/** A sequence has this grammar from now on, or none. */
export interface FreshGrammar {
  readonly sequence: number;
  readonly grammar: TokenGrammar | undefined;
}

interface HeldTable {
  readonly table: Uint32Array<ArrayBuffer>;
  /** The word at which it begins. */
  readonly at: number;
}

/** Words of tables for a start: most grammars have some thousand. */
const FIRST_WORDS = 1 << 16;

/** Tables in one buffer, each behind the other or in the gap of one that was dropped. */
class TableRoom {
  /** The table that each sequence has. */
  readonly owners: (Uint32Array | undefined)[] = [];
  /** In the order in which they lie; never changed in place, so that what was held before can be held again. */
  held: readonly HeldTable[] = [];

  /** Where the tables of some sequences lie, those that are to be written, and how many words all take. @param words that there are */
  holdAll(fresh: readonly FreshGrammar[], words: number) {
    const written: HeldTable[] = [];
    const places: (readonly [sequence: number, words: Uint32Array<ArrayBuffer>])[] = [];
    let room = words;
    for (const { sequence, grammar } of fresh) {
      this.owners[sequence] = grammar?.place === undefined ? undefined : grammar.table;
      if (grammar?.place === undefined) {
        places.push([sequence, Uint32Array.of(0)]);
        continue;
      }
      const { at, isNew } = this.#hold(grammar.table, room);
      const end = at + grammar.table.length;
      if (isNew) written.push({ table: grammar.table, at });
      if (end > room) room = Math.max(FIRST_WORDS, 2 ** Math.ceil(Math.log2(end)));
      places.push([sequence, placeWords(at, grammar.place)]);
    }
    return { written, places, words: room };
  }

  /** Finds a place for a table, which counts as held from then on. @param end words that there are, or will be */
  #hold(table: Uint32Array<ArrayBuffer>, end: number): { readonly at: number; readonly isNew: boolean } {
    const known = this.held.find((each) => each.table === table);
    if (known !== undefined) return { at: known.at, isNew: false };
    const last = this.held.at(-1);
    const behind = last === undefined ? 0 : last.at + last.table.length;
    const staying = this.held.filter((each) => this.owners.includes(each.table));
    const at = gapIn(this.held, table.length, end) ?? gapIn(staying, table.length, end) ?? behind;
    const others = this.held.filter((each) => each.at >= at + table.length || each.at + each.table.length <= at);
    this.held = [...others, { table, at }].sort((a, b) => a.at - b.at);
    return { at, isNew: true };
  }
}

/** The first gap between these tables that holds so many words. */
function gapIn(held: readonly HeldTable[], words: number, end: number): number | undefined {
  let at = 0;
  for (const { at: next, table } of held) {
    if (next - at >= words) break;
    at = next + table.length;
  }
  return at + words <= end ? at : undefined;
}

export function createGrammarRows(gpu: GpuDevice): GrammarRows {
  const buffers = new Map<string, GPUBuffer>();
  const room = new TableRoom();
  let spans: TokenSpans | undefined;
  const write = (name: string, at: number, data: Uint32Array<ArrayBuffer>) =>
    gpu.queue.writeBuffer(buffers.get(name) as GPUBuffer, at * 4, data);

  return {
    buffers,
    get sizeBytes() {
      return [...buffers.values()].reduce((sum, { size }) => sum + size, 0);
    },
    leave(sequence) {
      room.owners[sequence] = undefined;
    },
    async set(sequences, fresh) {
      const before = room.held;
      const { written, places, words } = room.holdAll(fresh, (buffers.get('tables')?.size ?? 0) / 4);
      const given = fresh.find(({ grammar }) => grammar?.place !== undefined)?.grammar?.spans ?? spans;
      const sizes = { places: sequences * PLACE_WORDS, tables: words, spans: given?.words.length ?? 0 };
      const wanted = Object.entries(sizes).map(([name, count]) => ({ name, label: `grammar ${name}`, size: count * 4, isKept: true }));
      const areNew = await growBuffers(buffers, { gpu, doing: 'Allocating grammars', wanted }).catch((error: unknown) => {
        room.held = before;
        for (const { sequence } of fresh) room.owners[sequence] = undefined;
        throw error;
      });
      for (const { table, at } of written) write('tables', at, table);
      for (const [sequence, place] of places) write('places', sequence * PLACE_WORDS, place);
      if (given !== undefined && given !== spans) write('spans', 0, given.words);
      spans = given;
      return areNew;
    },
  };
}

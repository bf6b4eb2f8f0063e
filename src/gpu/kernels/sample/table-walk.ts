/** How kernels follow a grammar's table (tensor/byte-table.ts), and what is kept of each answer's place in one. */
import {
  END_SPAN, MOST_PUSHED, MOST_STACK, SPAN_LENGTH_BITS, STATE_BITS, TABLE_CLASSES, TABLE_DEAD, TABLE_POP, TABLE_ROWS,
} from '../../../tensor/byte-table.ts';
import type { TablePlace } from '../../../tensor/byte-table.ts';
import type { Binding, BindingAccess } from '../../kernel.ts';

/**
 * Words of a place: one more than where the table begins among the tables, 0 where there is no grammar (any more); the state; how many
 * states lie under it; one that pads; those states, the topmost last.
 */
export const PLACE_HEADER = 4;
export const PLACE_WORDS = PLACE_HEADER + MOST_STACK;

/** The words of a place that count. @param tableAt where its table begins */
export function placeWords(tableAt: number, { state, stack }: TablePlace): Uint32Array<ArrayBuffer> {
  return Uint32Array.of(tableAt + 1, state, stack.length, 0, ...stack);
}

/** `places` a sequence; `tables` of all grammars; `spans` of the vocabulary. */
export function tableBindings(places: BindingAccess): readonly Binding[] {
  return [
    { name: 'places', access: places, type: 'array<u32>' },
    { name: 'tables', access: 'read', type: 'array<u32>' },
    { name: 'spans', access: 'read', type: 'array<u32>' },
  ];
}

/** Up to one byte of a token, whatever the vocabulary. */
const BYTE_WALK = `var<private> table: u32;
var<private> classes: u32;
var<private> stack: u32;
var<private> state: u32;
var<private> depth: u32;
var<private> pushes: u32;
var<private> pushed: array<u32, ${MOST_PUSHED}>;
fn beginAt(place: u32) -> bool {
  let found = places[place];
  if (found == 0u) { return false; }
  table = found - 1u;
  classes = tables[table];
  stack = place + ${PLACE_HEADER}u;
  state = places[place + 1u];
  depth = places[place + 2u];
  pushes = 0u;
  return true;
}
fn actionOf(column: u32) -> u32 {
  for (var turn = 0u; turn <= ${MOST_STACK + MOST_PUSHED}u; turn++) {
    let action = tables[table + ${TABLE_ROWS}u + state * classes + column];
    if (action != ${TABLE_POP}u || depth + pushes == 0u) { return action; }
    if (pushes > 0u) {
      pushes--;
      state = pushed[pushes];
    } else {
      depth--;
      state = places[stack + depth];
    }
  }
  return ${TABLE_DEAD}u;
}
fn takeByte(byte: u32) -> bool {
  let action = actionOf((tables[table + ${TABLE_CLASSES}u + (byte >> 2u)] >> ((byte & 3u) * 8u)) & 0xffu);
  if (action >= ${TABLE_POP}u) { return false; }
  state = action & ${(1 << STATE_BITS) - 1}u;
  let push = action >> ${STATE_BITS}u;
  if (push == 0u) { return true; }
  let list = table + tables[table + tables[table + 1u] + push];
  let count = tables[list];
  if (pushes + count > ${MOST_PUSHED}u || depth + pushes + count > ${MOST_STACK}u) { return false; }
  for (var i = 0u; i < count; i++) { pushed[pushes + i] = tables[list + 1u + i]; }
  pushes += count;
  return true;
}
`;

/**
 * `beginAt(place)`: takes up a place, a word's number in `places`; false where it has no grammar. `takeToken(token)`: goes on with a
 * token's bytes; false where they cannot follow. `mayEnd()`. Then the place is `state`, the lowest `depth` states of the old stack, and on
 * them `pushes` of `pushed`.
 */
export function tableWalk(vocab: number): string {
  return `${BYTE_WALK}fn takeToken(token: u32) -> bool {
  let span = spans[token];
  if (span == 0u || span == ${END_SPAN}u) { return false; }
  let first = ${vocab}u + (span >> ${SPAN_LENGTH_BITS}u);
  let length = span & ${(1 << SPAN_LENGTH_BITS) - 1}u;
  for (var i = 0u; i < length; i++) {
    if (!takeByte((spans[first + (i >> 2u)] >> ((i & 3u) * 8u)) & 0xffu)) { return false; }
  }
  return true;
}
fn mayEnd() -> bool {
  return actionOf(classes - 1u) == ${TABLE_POP}u;
}
`;
}

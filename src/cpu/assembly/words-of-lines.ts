/** A word of every cache line of [from, from + bytes), upwards, so that they come from memory side by side; nobody needs the result. */
export function wordsOfLines(from: usize, bytes: i32): i32 {
  const end = from + <usize>bytes;
  let words = 0;
  for (; from + 256 <= end; from += 256) {
    words |= load<i32>(from) | load<i32>(from, 64) | load<i32>(from, 128) | load<i32>(from, 192);
  }
  for (; from < end; from += 64) words |= load<i32>(from);
  return words;
}

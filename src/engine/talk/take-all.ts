/**
 * So many numbers of pages or slots, free ones first: all of them, or none. Where `make` throws, those that were taken are free again.
 * @param make a number that is new
 */
export function takeAll(count: number, free: number[], make: () => number): number[] {
  const taken: number[] = [];
  try {
    while (taken.length < count) taken.push(free.pop() ?? make());
    return taken;
  } catch (error) {
    free.push(...taken);
    throw error;
  }
}

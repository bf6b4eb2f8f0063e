/** A binary heap of numbers. */
export interface MinHeap {
  push(key: number): void;
  /** Removes and gives the smallest, or undefined when there is none. */
  pop(): number | undefined;
}

export function createMinHeap(): MinHeap {
  const keys: number[] = [];
  const push = (key: number): void => {
    let at = keys.length;
    keys.push(key);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[at] = keys[parent]!;
      at = parent;
    }
    keys[at] = key;
  };
  const pop = (): number | undefined => {
    const top = keys[0];
    const last = keys.pop();
    if (last === undefined || keys.length === 0) return top;
    let at = 0;
    for (let child = 1; child < keys.length; child = 2 * at + 1) {
      if (child + 1 < keys.length && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= last) break;
      keys[at] = keys[child]!;
      at = child;
    }
    keys[at] = last;
    return top;
  };
  return { push, pop };
}

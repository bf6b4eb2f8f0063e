/** Builds records of 32-bit words, as the classes of `assembly/step-records.ts` lay them out. */

export interface RecordWriter {
  /** Appends integers and addresses. */
  ints(...values: readonly number[]): void;
  float(value: number): void;
  /** Words so far. */
  readonly length: number;
  /** Overwrites one word. */
  patch(index: number, value: number): void;
  toWords(): Uint32Array;
}

export function createRecordWriter(): RecordWriter {
  const words: number[] = [];
  const bits = new Uint32Array(1);
  const floats = new Float32Array(bits.buffer);
  return {
    ints: (...values) => void words.push(...values.map((value) => value >>> 0)),
    float(value) {
      floats[0] = value;
      words.push(bits[0] as number);
    },
    get length() {
      return words.length;
    },
    patch: (index, value) => void (words[index] = value >>> 0),
    toWords: () => Uint32Array.from(words),
  };
}

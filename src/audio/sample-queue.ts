/** Samples that wait for a window around them to be whole: added at the end, read anywhere, dropped at the front. */
export interface SampleQueue {
  readonly length: number;
  append(samples: Float32Array): void;
  /** All that wait, until the next append. */
  view(): Float32Array;
  drop(count: number): void;
}

export function createSampleQueue(): SampleQueue {
  let buffer = new Float32Array(1024);
  let start = 0;
  let end = 0;
  return {
    get length() {
      return end - start;
    },
    append(samples) {
      const length = end - start;
      if (end + samples.length > buffer.length) {
        const wanted = length + samples.length;
        const next = wanted * 2 > buffer.length ? new Float32Array(wanted * 2) : buffer;
        next.set(buffer.subarray(start, end));
        buffer = next;
        start = 0;
        end = length;
      }
      buffer.set(samples, end);
      end += samples.length;
    },
    view: () => buffer.subarray(start, end),
    drop(count) {
      start = Math.min(end, start + count);
    },
  };
}

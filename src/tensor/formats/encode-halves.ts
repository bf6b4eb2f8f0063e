/** Writes values one by one in 16 bits, lower byte first. */
export function encodeHalves(bitsOf: (value: number) => number): (values: Float32Array, out: Uint8Array) => void {
  return (values, out) => {
    for (let i = 0, at = 0; i < values.length; i++, at += 2) {
      const bits = bitsOf(values[i]!);
      out[at] = bits;
      out[at + 1] = bits >> 8;
    }
  };
}

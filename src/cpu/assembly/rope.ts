/** Rotary position embedding (Su et al. 2021), halves form, of one head in place. */

/** Turns (x[i], x[i + half]) by the angle whose cosine is table[i] and whose sine is table[half + i]. */
export function ropeVector(x: usize, table: usize, half: i32): void {
  const far = <usize>(half * 4);
  let i = 0;
  for (; i + 4 <= half; i += 4) {
    const at = <usize>(i * 4);
    const cos = v128.load(table + at);
    const sin = v128.load(table + far + at);
    const a = v128.load(x + at);
    const b = v128.load(x + far + at);
    v128.store(x + at, f32x4.sub(f32x4.mul(a, cos), f32x4.mul(b, sin)));
    v128.store(x + far + at, f32x4.add(f32x4.mul(b, cos), f32x4.mul(a, sin)));
  }
  for (; i < half; i++) {
    const at = <usize>(i * 4);
    const cos = load<f32>(table + at);
    const sin = load<f32>(table + far + at);
    const a = load<f32>(x + at);
    const b = load<f32>(x + far + at);
    store<f32>(x + at, a * cos - b * sin);
    store<f32>(x + far + at, b * cos + a * sin);
  }
}

/** x + sin(a x)^2 / a, with a of each channel (Ziyin et al. 2020). */
import { itemsPerTake, takeItems } from './control';
import { madd, nmadd } from './float-math';
import { NumberRecord, rowsOf, StepRecord } from './step-records';

/** `weight` is f32[cols]. */
export function runSnake(control: usize, op: NumberRecord, step: StepRecord): void {
  const rows = rowsOf(op, step);
  const take = itemsPerTake(control, rows);
  for (let first = takeItems(control, take); first < rows; first = takeItems(control, take)) {
    for (let row = first; row < min(first + take, rows); row++)
      snakeRow(op.x + <usize>row * op.xStride, op.weight, op.out + <usize>row * op.outStride, op.cols);
  }
}

function snakeRow(x: usize, frequencies: usize, out: usize, count: i32): void {
  let c = 0;
  for (; c + 4 <= count; c += 4) {
    const at = <usize>c * 4;
    v128.store(out + at, snakeOf(v128.load(x + at), v128.load(frequencies + at)));
  }
  for (; c < count; c++) {
    const at = <usize>c * 4;
    store<f32>(out + at, f32x4.extract_lane(snakeOf(v128.load32_zero(x + at), v128.load32_splat(frequencies + at)), 0));
  }
}

/**
 * The sine's square is the same whole half turns away: what is left of a x without them is within a quarter turn, where the sine's power
 * series up to the eleventh power is good to 6e-8. Pi is taken off in two parts, the first of which has few bits.
 */
// @ts-ignore: decorator
@inline
function snakeOf(x: v128, a: v128): v128 {
  const angle = f32x4.mul(a, x);
  const turns = f32x4.nearest(f32x4.mul(angle, f32x4.splat(0.318309886)));
  let r = f32x4.sub(angle, f32x4.mul(turns, f32x4.splat(3.140625)));
  r = nmadd(turns, f32x4.splat(9.67653589793e-4), r);
  const z = f32x4.mul(r, r);
  let sine = madd(f32x4.splat(-2.50521084e-8), z, f32x4.splat(2.75573192e-6));
  sine = madd(sine, z, f32x4.splat(-1.98412698e-4));
  sine = madd(sine, z, f32x4.splat(8.33333333e-3));
  sine = madd(sine, z, f32x4.splat(-1.66666667e-1));
  sine = madd(f32x4.mul(sine, z), r, r);
  return f32x4.add(x, f32x4.div(f32x4.mul(sine, sine), a));
}

/** Growing the memory of states: buffers are new at once, and whether the device had the memory for them is known later. */
import type { GpuDevice } from '../device/gpu-device.ts';
import type { Arena, Growth } from './state-memory.ts';

export interface StateGrowth {
  /** Makes `count` units of an arena exist. @throws CapacityError where kernels could not see them */
  ensure(arena: Arena, count: number, what: string): void;
  /** Settles what {@link StateGrowth.ensure} began, and begins again where that failed and as many units are needed. */
  settle(needs: ReadonlyMap<Arena, number>): Promise<void>;
}

/** @param onNewBuffers called where what refers to buffers must be made again */
export function createStateGrowth(gpu: GpuDevice, onNewBuffers: () => void): StateGrowth {
  /** Whatever allocating said after the call that did it had returned. */
  let growing: Promise<unknown> = Promise.resolve();
  /** Units that were asked for, had or not. */
  const promised = new Map<Arena, { readonly count: number; readonly what: string }>();
  const ensure: StateGrowth['ensure'] = (arena, count, what) => {
    arena.check(count);
    if (count > (promised.get(arena)?.count ?? 0)) promised.set(arena, { count, what });
    // The usual case, once for every step: the memory is there.
    if (count <= arena.capacity) return void arena.grow(count);
    let growth: Growth | undefined;
    const judged = gpu.guard(`Allocating ${count} ${what}`, () => (growth = arena.grow(count)));
    const settled = judged.then(
      () => growth?.keep(),
      (error: Error) => {
        // Who needs the memory hears of it; what fits in that before goes on.
        growth?.undo();
        onNewBuffers();
        throw error;
      },
    );
    settled.catch(() => {});
    growing = Promise.all([growing, settled]);
    growing.catch(() => {});
    if (growth !== undefined) onNewBuffers();
  };
  const settle = async (needs: ReadonlyMap<Arena, number>): Promise<void> => {
    const begun = growing;
    growing = Promise.resolve();
    await begun;
    const missing = [...needs].filter(([arena, count]) => count > arena.count && count <= (promised.get(arena)?.count ?? 0));
    if (missing.length === 0) return;
    for (const [arena, count] of missing) ensure(arena, count, promised.get(arena)?.what ?? '');
    await settle(new Map());
  };
  return { ensure, settle };
}

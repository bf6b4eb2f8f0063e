/** What becomes of speed over minutes, and beside other work of the machine. */
import { availableParallelism } from 'node:os';
import { startBusyWork } from './busy-client.ts';
import type { TurnTimes } from './engine.ts';
import { summarise } from './statistics.ts';
import { SHARED } from './task.ts';
import type { Figure, Task, TaskInput, TaskOptions } from './task.ts';

/** Turns of one conversation after another, without rest: tokens a second, first tokens and memory of each sample. */
export function driftTasks({ sizes: { driftSeconds, driftSample, turns, userTokens, answerTokens } }: TaskOptions): Task[] {
  const ends = Array.from({ length: Math.max(1, Math.floor(driftSeconds / driftSample)) }, (_, i) => (i + 1) * driftSample);
  const isLast = (end: number) => end === ends[0] || end === ends.at(-1);
  return [
    {
      ...SHARED, workload: 'drift', name: `drift over ${driftSeconds} s`, contextTokens: turns * (userTokens + answerTokens),
      purpose: 'conversation', runs: 1, seconds: driftSeconds, asks: JSON.stringify([driftSample, turns, userTokens, answerTokens]),
      figures: ends.flatMap((end): Figure[] => [
        { name: `drift at ${end} s, decode`, unit: 'tok/s', isShown: isLast(end) },
        { name: `drift at ${end} s, first token`, unit: 'ms', isShown: isLast(end) },
        { name: `drift at ${end} s, memory`, unit: 'MB', isShown: isLast(end) },
      ]),
      async run({ engine, ids, signal }) {
        const startMs = performance.now();
        const figures: (number | undefined)[] = [];
        let part = 0;
        for (const end of ends) {
          const sample: TurnTimes[] = [];
          // A conversation that begins within a sample belongs to it as a whole; each sample has one at least.
          do {
            signal.throwIfAborted();
            const spoken = Array.from({ length: turns }, () => ids(userTokens, ++part));
            sample.push(...(await engine.converse({ turns: spoken, answerTokens, reusesPrefix: true })));
          } while (performance.now() - startMs < 1000 * end);
          const rates = sample.flatMap(({ tokensPerSecond }) => tokensPerSecond ?? []);
          figures.push(
            rates.length === 0 ? undefined : summarise(rates).median,
            summarise(sample.map(({ firstMs }) => firstMs)).median,
            (await engine.memory()).residentBytes / 1e6,
          );
        }
        return figures;
      },
    },
  ];
}

/** Decoding while other cores compute, and while other work is on the GPU. */
export function busyTasks({ sizes: { decodeAfter, decodeTokens }, isGpu, threads, gpu }: TaskOptions): Task[] {
  const after = Math.min(...decodeAfter);
  const all = availableParallelism();
  // Cores that the engine's threads leave; where they leave none, half of all are shared.
  const others = isGpu || threads === undefined || threads >= all ? Math.max(1, all >> 1) : all - threads;
  const decodeBeside = (what: string, work: Parameters<typeof startBusyWork>[0]): Task => {
    const name = `decode ${decodeTokens} after ${after}, ${what}`;
    return {
      ...SHARED, workload: 'busy', name, contextTokens: after + decodeTokens + 1, figures: [{ name, unit: 'tok/s', isShown: true }],
      async run({ engine, ids, signal }: TaskInput) {
        const busy = await startBusyWork(work, signal);
        try {
          return [await engine.decode(ids(after), decodeTokens)];
        } finally {
          await busy.end();
        }
      },
    };
  };
  const cores = decodeBeside(`${others} ${others === 1 ? 'core' : 'cores'} busy`, { cores: others });
  return isGpu ? [cores, decodeBeside('GPU busy', { cores: 0, gpu: gpu ?? 0 })] : [cores];
}

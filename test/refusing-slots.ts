import type { Executor, Program, StatePlace } from '../src/graph/executor.ts';
import { CapacityError } from '../src/tensor/errors.ts';

/**
 * Programs of a device that says only when it runs that it has no memory for slots from `count` on, as a GPU does; `refused` counts how
 * often it said so.
 */
export function refusingSlots(executor: Executor, count: number): { readonly executor: Executor; readonly log: { refused: number } } {
  const log = { refused: 0 };
  const isRefused = ({ slots }: StatePlace) => slots !== undefined && slots.write >= count;
  const refuse = () => {
    log.refused++;
    throw new CapacityError('the device is out of memory');
  };
  const load: Executor['load'] = async (request) => {
    const program = await executor.load(request);
    const run: Program['run'] = async (runs) => {
      if (runs.some(({ sequences = [] }) => sequences.some(isRefused))) refuse();
      return program.run(runs);
    };
    const { chooser } = program;
    const choosing: Program['chooser'] = chooser && {
      mostSequences: chooser.mostSequences,
      mostSteps: chooser.mostSteps,
      followsGrammars: chooser.followsGrammars,
      open: (choice) => chooser.open(choice),
      close: (choice) => chooser.close(choice),
      prepare: (batch) => chooser.prepare(batch),
      async submit(batch) {
        if (batch.sequences.some(isRefused)) refuse();
        return chooser.submit(batch);
      },
    };
    const proxied: { readonly [name: string]: unknown } = { run, chooser: choosing };
    return new Proxy(program, {
      get(target, name) {
        const value = String(name) in proxied ? proxied[String(name)] : Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  return { executor: { ...executor, load }, log };
}

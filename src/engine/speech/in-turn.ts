/** Runs work one after another. */
export type InTurn = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** A program takes one list of runs at a time: whoever shares one takes turns. A turn that fails does not stop the next. */
export function createTurns(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
}

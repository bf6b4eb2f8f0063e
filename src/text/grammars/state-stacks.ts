/** Stacks of states to return to, as a tree: each is a state on top of another one, so that what two have in common stands once. */

/** The stack without a state. */
export const NO_STACK = 0;

export class StateStacks {
  /** By stack: the state on top, the stack below it, and how many states there are. */
  readonly #states: number[] = [0];
  readonly #below: number[] = [0];
  readonly #depths: number[] = [0];
  readonly #ids = new Map<number, number>();

  push(state: number, below: number): number {
    const key = state * 0x4000000 + below;
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.#states.push(state) - 1;
      this.#below.push(below);
      this.#depths.push(this.depthOf(below) + 1);
      this.#ids.set(key, id);
    }
    return id;
  }

  topOf(stack: number): number {
    return this.#states[stack] as number;
  }

  below(stack: number): number {
    return this.#below[stack] as number;
  }

  depthOf(stack: number): number {
    return this.#depths[stack] as number;
  }

  /** The topmost last. */
  statesOf(stack: number): number[] {
    const states: number[] = [];
    for (let at = stack; at !== NO_STACK; at = this.below(at)) states.push(this.topOf(at));
    return states.toReversed();
  }

  /** The largest stack on which both stand. */
  common(one: number, other: number): number {
    let [a, b] = [one, other];
    while (a !== b) {
      const [depthA, depthB] = [this.depthOf(a), this.depthOf(b)];
      if (depthA >= depthB) a = this.below(a);
      if (depthB >= depthA) b = this.below(b);
    }
    return a;
  }

  /** A stack without the one that it stands on. */
  without(stack: number, under: number): number {
    if (under === NO_STACK) return stack;
    const states: number[] = [];
    for (let at = stack; at !== under && at !== NO_STACK; at = this.below(at)) states.push(this.topOf(at));
    return states.reduceRight((below, state) => this.push(state, below), NO_STACK);
  }
}

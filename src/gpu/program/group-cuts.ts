/** Where the dispatches of a token are cut into groups: by layers, so that groups of different layers have the same texts. */

export interface CutOptions<Use> {
  /** Equal for dispatches of the same kernel. */
  keyOf(use: Use): string;
  /** Whether a device may bind what all of them see. */
  fits(uses: readonly Use[]): boolean;
}

/** Groups of more gain nothing (docs/experiments.md), and have more texts. */
const MOST_OF_GROUP = 8;

/**
 * A group begins with each dispatch of the kernel that comes most often, of several such of the first: layers that differ in their other
 * kernels have one in common. None is longer than from one of those to the next, so that what follows the last layer is by itself.
 */
export function cutGroups<Use>(uses: readonly Use[], { keyOf, fits }: CutOptions<Use>): readonly (readonly Use[])[] {
  const places = new Map<string, number[]>();
  for (const [at, use] of uses.entries()) places.set(keyOf(use), [...(places.get(keyOf(use)) ?? []), at]);
  const layers = [...places.values()].reduce<readonly number[]>((most, each) => (each.length > most.length ? each : most), []);
  const longest = Math.max(...layers.slice(1).map((at, i) => at - (layers[i] as number)));
  const most = layers.length < 2 ? MOST_OF_GROUP : Math.min(MOST_OF_GROUP, longest);
  const beginsLayer = new Set(layers);
  const groups: Use[][] = [];
  for (const [at, use] of uses.entries()) {
    const last = groups.at(-1);
    if (last === undefined || beginsLayer.has(at) || last.length === most || !fits([...last, use])) groups.push([use]);
    else last.push(use);
  }
  return groups;
}

/**
 * Which GPUs there are. Dawn's binding for Node gives one adapter a request: the best, or the best whose name holds a given text. Asked for
 * a name that there is not, it refuses with the names of all. So GPUs are told apart by name, and of two of one name the second cannot be
 * opened; that is said, not passed over.
 */
import type { AdapterFacts } from '../gpu/device/adapter-facts.ts';
import { adapterName } from '../gpu/device/adapter-facts.ts';

export interface ListedGpu {
  /** Dawn's name, which it is opened by. */
  readonly device: string;
  readonly name: string;
  readonly facts: AdapterFacts;
  /** Why it cannot be opened. */
  readonly problem: string | undefined;
}

/** A name that no adapter has. */
export const NO_ADAPTER = 'ingot-lists-adapters';

/** Names in what Dawn says of a name that it does not find, best first. */
export function adapterNames(refusal: string): readonly string[] {
  return [...refusal.matchAll(/^ \* backend: '[^']*', name: '(.*)'$/gm)].map(([, name]) => name as string);
}

/** @param open facts of the adapter that Dawn gives for a name; undefined where it gives none */
export async function listGpus(
  names: readonly string[],
  open: (name: string) => Promise<AdapterFacts | undefined>,
  isWanted: (facts: AdapterFacts) => boolean,
): Promise<readonly ListedGpu[]> {
  const found = new Map<string, AdapterFacts | undefined>();
  for (const name of new Set(names)) found.set(name, await open(name));
  const listed: ListedGpu[] = [];
  for (const device of names) {
    const facts = found.get(device);
    if (facts === undefined || !isWanted(facts)) continue;
    const first = listed.findIndex((other) => other.device === device);
    listed.push({ device, name: adapterName(facts), facts, problem: problemOf(device, facts, first) });
  }
  return listed;
}

/** `NVIDIA H200` and `nvidia-h200`: WebGPU's facts may have a name in the second form. */
function identifierOf(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}

function problemOf(device: string, facts: AdapterFacts, first: number): string | undefined {
  const taken = first >= 0 ? `gpu:${first}` : identifierOf(facts.device) === identifierOf(device) ? undefined : `"${facts.device}"`;
  if (taken === undefined) return undefined;
  return (
    `it is called as ${taken} is, and WebGPU for Node chooses by name, so that it would open that one; ` +
    'hide the other from the process (in a container, by NVIDIA_VISIBLE_DEVICES), and use "gpu"'
  );
}

/** The one of a number, or why not, which names those that there are. */
export function chooseGpu(gpus: readonly ListedGpu[], index: number): ListedGpu | string {
  const gpu = gpus[index];
  if (gpu === undefined) return `there is no gpu:${index} here, ${there(gpus)}`;
  return gpu.problem === undefined ? gpu : `gpu:${index} (${gpu.name}) cannot be chosen: ${gpu.problem}`;
}

function there(gpus: readonly ListedGpu[]): string {
  if (gpus.length === 0) return 'nor any other GPU';
  return `only ${gpus.map(({ name }, i) => `gpu:${i} (${name})`).join(' and ')}`;
}

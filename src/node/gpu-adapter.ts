/**
 * Dawn, WebGPU for Node: loaded only when a GPU is asked for, and never a reason to crash. A machine without a GPU gets words for that
 * in a few milliseconds, once for the process.
 */
import { adapterFacts, adapterName } from '../gpu/device/adapter-facts.ts';
import type { AdapterFacts } from '../gpu/device/adapter-facts.ts';
import { adapterNames, chooseGpu, listGpus, NO_ADAPTER } from './gpu-list.ts';
import type { ListedGpu } from './gpu-list.ts';

/** `hardware` is never a CPU in disguise; `software` is nothing else. */
export type AdapterKind = 'hardware' | 'software';

/**
 * How far Dawn guards kernels against themselves. `fast`: no bounds on array indices, plain division; for kernels that the tests have run
 * with `safe`. Workgroup memory is zeroed in neither: no kernel may count on it, and SwiftShader compiles several times as fast without.
 * WebGPU's own validation of calls is on in both.
 */
export type GpuToggles = 'safe' | 'fast';

export interface FindAdapterOptions {
  /** Default: `fast` on hardware, `safe` on a software adapter, which is there for tests. */
  readonly toggles?: GpuToggles | undefined;
  /** Which adapter of its kind, as {@link listAdapters} has them. Default: the first. */
  readonly index?: number | undefined;
}

export type FoundAdapter =
  | { readonly adapter: GPUAdapter; readonly facts: AdapterFacts; readonly description: string; readonly problem?: undefined }
  | { readonly adapter?: undefined; readonly problem: string };

/** `allow_unsafe_apis` is for features that Dawn calls experimental; f16 on NVIDIA is behind a toggle since old drivers had faults. */
const SAFE = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia', 'disable_workgroup_init'];
const TOGGLES: { readonly [Name in GpuToggles]: readonly string[] } = {
  safe: SAFE,
  fast: [...SAFE, 'disable_robustness', 'disable_polyfills_on_integer_div_and_mod'],
};

interface Dawn {
  readonly create: (flags: string[]) => GPU;
  readonly globals: object;
}

/**
 * What Dawn's create() returned must outlive everything that came from it: Node aborts when it is collected. It lies on the process's
 * global object because this module may be loaded twice in one process.
 */
interface Kept {
  /** By toggles and the name of the adapter that is asked for. */
  readonly instances: Map<string, Promise<GPU | string>>;
  readonly without: Map<string, string>;
  readonly lists: Map<AdapterKind, Promise<readonly ListedGpu[]>>;
}

const KEPT = Symbol.for('ingot.gpu');

function kept(): Kept {
  const holder = globalThis as { [KEPT]?: Kept };
  return (holder[KEPT] ??= { instances: new Map(), without: new Map(), lists: new Map() });
}

const usualToggles = (kind: AdapterKind): GpuToggles => (kind === 'software' ? 'safe' : 'fast');

/** Adapters are asked for and listed in this order. */
const BEST_FIRST = { powerPreference: 'high-performance' } as const;

/**
 * The adapter to compute on. Ask again for each device: an adapter gives one.
 * That there is none is remembered for the process.
 */
export async function findAdapter(
  kind: AdapterKind,
  { toggles = usualToggles(kind), index }: FindAdapterOptions = {},
): Promise<FoundAdapter> {
  const { without } = kept();
  const key = `${kind} ${toggles} ${index ?? 'first'}`;
  const known = without.get(key);
  if (known !== undefined) return { problem: known };
  const found = await (index === undefined ? requestAdapter(kind, toggles) : requestListed(kind, toggles, index));
  if (found.adapter === undefined) without.set(key, found.problem);
  return found;
}

/** All adapters of a kind, best first: `gpu:1` is the second of those of hardware. Opens no device; found out once for the process. */
export function listAdapters(kind: AdapterKind): Promise<readonly ListedGpu[]> {
  const { lists } = kept();
  const known = lists.get(kind);
  if (known !== undefined) return known;
  const list = findAll(kind);
  lists.set(kind, list);
  return list;
}

async function findAll(kind: AdapterKind): Promise<readonly ListedGpu[]> {
  const toggles = usualToggles(kind);
  const gpu = await instance(toggles, NO_ADAPTER);
  if (typeof gpu === 'string') return [];
  const refusal = await gpu.requestAdapter(BEST_FIRST).then(() => '', messageOf);
  const open = async (name: string) => {
    const named = await instance(toggles, name);
    const adapter = typeof named === 'string' ? null : await named.requestAdapter(BEST_FIRST).catch(() => null);
    return adapter === null ? undefined : adapterFacts(adapter);
  };
  return listGpus(adapterNames(refusal), open, ({ isSoftware }) => isSoftware === (kind === 'software'));
}

async function requestListed(kind: AdapterKind, toggles: GpuToggles, index: number): Promise<FoundAdapter> {
  const chosen = chooseGpu(await listAdapters(kind), index);
  return typeof chosen === 'string' ? { problem: chosen } : requestAdapter(kind, toggles, chosen.device);
}

/** @param device name of the one that is wanted; undefined: the best */
async function requestAdapter(kind: AdapterKind, toggles: GpuToggles, device?: string): Promise<FoundAdapter> {
  const gpu = await instance(toggles, device);
  if (typeof gpu === 'string') return { problem: gpu };
  const isSoftware = kind === 'software';
  try {
    const adapter = await gpu.requestAdapter(isSoftware ? { forceFallbackAdapter: true } : BEST_FIRST);
    if (adapter === null) return { problem: `WebGPU finds no ${isSoftware ? 'software adapter' : 'GPU'} on this machine${driverHint()}` };
    const facts = adapterFacts(adapter);
    if (facts.isSoftware === isSoftware) return { adapter, facts, description: adapterName(facts) };
    const name = adapterName(facts);
    return {
      problem: isSoftware
        ? `there is no software adapter here, only ${name}`
        : `there is no GPU here, only a software adapter (${name}), which the device "software" uses`,
    };
  } catch (error) {
    return { problem: `WebGPU failed to find an adapter: ${messageOf(error)}` };
  }
}

function driverHint(): string {
  return process.platform === 'linux' ? ': it needs a Vulkan driver' : '';
}

function instance(toggles: GpuToggles, device?: string): Promise<GPU | string> {
  const { instances } = kept();
  const key = `${toggles} ${device ?? ''}`;
  const known = instances.get(key);
  if (known !== undefined) return known;
  const opening = openDawn(toggles, device);
  instances.set(key, opening);
  return opening;
}

/** Dawn, or why it cannot be had. */
async function openDawn(toggles: GpuToggles, device: string | undefined): Promise<GPU | string> {
  const missing = missingLoader();
  if (missing !== undefined) return missing;
  let dawn: Dawn;
  try {
    // A plain string to the compiler: the package's types are another copy of the DOM's, and would be merged with them.
    dawn = (await import('webgpu' as string)) as Dawn;
  } catch (error) {
    const platform = `${process.platform}-${process.arch}`;
    return `the package webgpu has no working binary for ${platform} (${messageOf(error).split('\n')[0]})`;
  }
  for (const [name, value] of Object.entries(dawn.globals)) {
    // src/gpu uses WebGPU's constants by the names that a browser has for them.
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true, enumerable: false });
  }
  try {
    const named = device === undefined ? [] : [`adapter=${device}`];
    return dawn.create([`enable-dawn-features=${TOGGLES[toggles].join(',')}`, ...named]);
  } catch (error) {
    return `WebGPU could not be started: ${messageOf(error)}`;
  }
}

/** Dawn writes a warning to stderr where Vulkan's loader is missing, so that is found out first, by trying to load it. */
function missingLoader(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    process.dlopen({ exports: {} }, 'libvulkan.so.1');
  } catch (error) {
    if (/cannot open shared object|No such file/.test(messageOf(error)))
      return "there is no Vulkan here: libvulkan.so.1, which comes with a GPU's driver, is not installed";
  }
  return undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Picks the device in a browser: the GPU by WebGPU where there is one, else the CPU, with threads where the page may share memory. */
import { createCpuExecutor } from '../cpu/cpu-executor.ts';
import { adapterFacts, adapterName } from '../gpu/device/adapter-facts.ts';
import { openGpuDevice } from '../gpu/device/gpu-device.ts';
import { createGpuExecutor } from '../gpu/gpu-executor.ts';
import { profileFor } from '../gpu/profile/profile-for.ts';
import type { Executor } from '../graph/executor.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { checkInteger, describeValue } from '../tensor/option-names.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { fetchKernelModules } from './fetch-kernel-modules.ts';
import type { KernelModuleUrls } from './fetch-kernel-modules.ts';
import type { RunsOn } from './runs-on.ts';
import { createThreadHost } from './thread-host.ts';

/** `auto` takes the GPU where there is one; `software` is a CPU in the guise of a GPU, for tests. */
export type BrowserDevice = 'auto' | 'gpu' | 'software' | 'cpu';

export const BROWSER_DEVICES: readonly BrowserDevice[] = ['auto', 'gpu', 'software', 'cpu'];

export interface ExecutorChoice {
  readonly device?: BrowserDevice | undefined;
  readonly threads?: number | undefined;
  readonly kernels?: Omit<KernelModuleUrls, 'signal'> | undefined;
  readonly signal?: CancelSignal | undefined;
}

export interface OpenedExecutor {
  readonly executor: Executor;
  readonly runsOn: RunsOn;
}

const MOST_THREADS = 256;

/** @throws CapacityError for a device that is not there; InputError for one that is none, and for threads that cannot be */
export async function openBrowserExecutor(choice: ExecutorChoice): Promise<OpenedExecutor> {
  const { device = 'auto', threads } = choice;
  if (!BROWSER_DEVICES.includes(device))
    throw new InputError(`device must be one of ${BROWSER_DEVICES.join(', ')} in a browser, found ${describeValue(device)}.`);
  checkInteger('threads', threads, { min: 1, max: MOST_THREADS });
  if (threads !== undefined && (device === 'gpu' || device === 'software'))
    throw new InputError(
      `threads ${threads} is for the CPU, and device is ${JSON.stringify(device)}: leave out threads, or pass device "cpu".`,
    );
  if (device === 'cpu') return openCpu(choice, []);
  const found = await findGpu(device === 'software');
  if ('executor' in found) return found;
  if (device === 'auto') return openCpu(choice, [`The GPU is not used: ${found.problem}.`]);
  throw new CapacityError(`The device "${device}" cannot be used: ${found.problem}. Use "cpu", or "auto", which takes what there is.`);
}

async function findGpu(isSoftware: boolean): Promise<OpenedExecutor | { readonly problem: string }> {
  const first = await requestAdapter(isSoftware);
  if ('problem' in first) return first;
  const facts = adapterFacts(first.adapter);
  const kind = isSoftware ? 'software' : 'gpu';
  let unused: typeof first | undefined = first;
  const open = async () => {
    // An adapter gives one device.
    const found = unused ?? (await requestAdapter(isSoftware));
    unused = undefined;
    if ('problem' in found) throw new CapacityError(`The GPU is not there any more: ${found.problem}.`);
    return openGpuDevice(found.adapter);
  };
  const executor = createGpuExecutor({ open, name: adapterName(facts), kind, profile: profileFor(facts) });
  return { executor, runsOn: { device: kind, description: executor.description, threads: undefined, reasons: [] } };
}

async function requestAdapter(isSoftware: boolean): Promise<{ readonly adapter: GPUAdapter } | { readonly problem: string }> {
  const gpu = (navigator as { readonly gpu?: GPU | undefined }).gpu;
  if (gpu === undefined)
    return {
      problem:
        globalThis.isSecureContext === false
          ? 'WebGPU needs a page over https, or from localhost'
          : 'this browser has no WebGPU, or none in workers',
    };
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter === null) return { problem: 'WebGPU finds no GPU that it may use here' };
    const facts = adapterFacts(adapter);
    if (facts.isSoftware === isSoftware) return { adapter };
    return {
      problem: isSoftware
        ? `there is no software adapter, only ${adapterName(facts)}`
        : `WebGPU has only a software adapter (${adapterName(facts)}), which is slower than the CPU itself`,
    };
  } catch (error) {
    return { problem: `WebGPU failed to find an adapter: ${error instanceof Error ? error.message : String(error)}` };
  }
}

async function openCpu({ threads, kernels, signal }: ExecutorChoice, reasons: readonly string[]): Promise<OpenedExecutor> {
  const isIsolated = globalThis.crossOriginIsolated;
  if (!isIsolated && threads !== undefined && threads > 1)
    throw new CapacityError(`threads ${threads} cannot be had on this page. ${NOT_ISOLATED}`);
  const count = isIsolated ? (threads ?? Math.min(navigator.hardwareConcurrency, MOST_THREADS)) : 1;
  const modules = await fetchKernelModules({ ...kernels, signal });
  const executor = await createCpuExecutor({ threads: count, modules, threadHost: createThreadHost({ mayShare: isIsolated }) });
  const why = isIsolated ? reasons : [...reasons, `One thread computes. ${NOT_ISOLATED}`];
  return { executor, runsOn: { device: 'cpu', description: executor.description, threads: count, reasons: why } };
}

const NOT_ISOLATED =
  'Threads share memory, which a browser allows on cross-origin isolated pages only: serve the page with the headers ' +
  '"Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: require-corp" (over https or from localhost).';

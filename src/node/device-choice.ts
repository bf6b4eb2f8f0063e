/** Where to compute, as callers say it. */
import type { DeviceKind } from '../graph/executor.ts';
import { InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';

/** `auto` takes the fastest that there is; `gpu:1` is the second of the GPUs that `ingot doctor` lists. */
export type DeviceChoice = 'auto' | DeviceKind | `gpu:${number}`;

/** Those that have a name of their own. */
export const DEVICE_NAMES = ['auto', 'gpu', 'software', 'cpu', 'reference'] as const;

/** For help and errors. */
export const DEVICE_WORDS = 'auto, gpu, gpu:N, software, cpu or reference';

/** As a JSON Schema has it. */
export const DEVICE_PATTERN = String.raw`^(auto|gpu|gpu:\d{1,3}|software|cpu|reference)$`;

export interface ChosenDevice {
  readonly kind: 'auto' | DeviceKind;
  /** Which of the machine's GPUs, from 0; undefined: the first. */
  readonly index: number | undefined;
}

const NUMBERED = /^gpu:(\d{1,3})$/;

/** @throws InputError for what is no device */
export function parseDevice(device: DeviceChoice | (string & {}) = 'auto'): ChosenDevice {
  const name = DEVICE_NAMES.find((each) => each === device);
  if (name !== undefined) return { kind: name, index: undefined };
  const number = NUMBERED.exec(String(device))?.[1];
  if (number !== undefined) return { kind: 'gpu', index: Number(number) };
  throw new InputError(`device must be ${DEVICE_WORDS} (gpu:0, gpu:1, ... as "ingot doctor" lists them), found ${describeValue(device)}.`);
}

/** Threads are for the CPU device, which `auto` may take. */
export function takesThreads(device: DeviceChoice = 'auto'): boolean {
  return device === 'auto' || device === 'cpu';
}

/**
 * What a run hands to the device: some dispatches are submitted while those after them are encoded, so that the device begins at once. For
 * 128 rows of a 4B model encoding takes 2.5 ms before 14 ms of work on an H200 (docs/experiments.md).
 */
import type { GpuDevice } from '../device/gpu-device.ts';
import { dispatchEncoder } from './bound-plan.ts';
import type { Dispatch } from './bound-plan.ts';

/**
 * Dispatches of the first part, which the device waits for, of the second, and at most of one, over all runs of a list. Each is twice the
 * one before: a submit costs about 0.1 ms of the host, and the device has ever more to do meanwhile.
 */
const FIRST_PART = 16;
const SECOND_PART = 48;
const MOST_OF_PART = 192;

export interface Submission {
  /** For what is encoded next; another one after {@link Submission.dispatch} and {@link Submission.submit}. */
  readonly encoder: GPUCommandEncoder;
  /** Encodes dispatches in order, and submits those that are encoded while there are more. */
  dispatch(dispatches: readonly Dispatch[]): void;
  /** Hands over what is encoded. */
  submit(): void;
}

export function createSubmission({ device, queue }: Pick<GpuDevice, 'device' | 'queue'>): Submission {
  let encoder: GPUCommandEncoder | undefined;
  const current = () => (encoder ??= device.createCommandEncoder());
  let [inPart, most] = [0, FIRST_PART];
  const submit = () => {
    queue.submit([current().finish()]);
    encoder = undefined;
    [inPart, most] = [0, most === FIRST_PART ? SECOND_PART : Math.min(MOST_OF_PART, 2 * most)];
  };
  return {
    get encoder() {
      return current();
    },
    dispatch(dispatches) {
      let pass = current().beginComputePass();
      let encode = dispatchEncoder(pass);
      for (const dispatch of dispatches) {
        if (inPart === most) {
          pass.end();
          submit();
          pass = current().beginComputePass();
          encode = dispatchEncoder(pass);
        }
        encode(dispatch);
        inPart++;
      }
      pass.end();
    },
    submit,
  };
}

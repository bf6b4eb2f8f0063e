/** The group of each column, where a folder gives it: only groups in order can be blocks. */
import type { ReadOptions } from '../../tensor/byte-source.ts';
import type { TensorEntry } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { tensorInFile, wholeTensor } from './joined-tensor.ts';
import { checkedPlane } from './plane.ts';
import type { Plane } from './plane.ts';

/** The same plane, which looks at the groups of columns before it is read for the first time. `index` is i32 [cols]. */
export function withGroupsInOrder(plane: Plane, index: TensorEntry | undefined, group: number): Plane {
  return index === undefined ? plane : checkedPlane(plane, (options) => checkOrder(index, group, options));
}

/** @throws FormatError for columns whose groups were ordered by their activations */
async function checkOrder(index: TensorEntry, group: number, options: ReadOptions | undefined): Promise<void> {
  const bytes = await wholeTensor(index, options);
  const groups = new Int32Array(bytes.buffer);
  // compressed-tensors fills it with -1 where there is no order.
  if (groups.every((one) => one === -1)) return;
  const at = groups.findIndex((one, column) => one !== Math.floor(column / group));
  if (at < 0) return;
  throw new FormatError(
    `${tensorInFile(index)}: expected groups of ${group} columns in order, found group ${groups[at]} at column ${at}: groups ordered by ` +
      'activations (desc_act, actorder) are not supported. Get a file of the model without them.',
  );
}

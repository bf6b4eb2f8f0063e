/** WGSL of the repacking of block formats, from the record's code planes and scales: an invocation makes 32 codes. */
import { CapacityError } from '../../../tensor/errors.ts';
import { LINEAR_WORKGROUP, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { PackedBlocks } from '../../packed-layout.ts';
import { checkCodes, codesCheck, readCodes, storeCodes } from './repack-codes.ts';
import { checkScales, isOncePerBlock, storeScales } from './repack-scales.ts';

export function repackBlocks(format: PackedBlocks): string {
  const { blockSize, blockBytes } = format.layout;
  if (!Number.isInteger(Math.log2(blockSize)) || blockSize < 32)
    throw new CapacityError(`The GPU has no repacking for ${format.type}: blocks of ${blockSize} elements.`);
  checkCodes(format);
  checkScales(format);
  const groupsPerBlock = blockSize / 32;
  const shift = Math.log2(groupsPerBlock);
  const report = `report(((piece.firstRow * groups) >> ${shift}u) + block);`;
  const check = codesCheck(format);
  return `
@compute @workgroup_size(SIZE)
fn main(${MAIN_ARGUMENTS}) {
  let index = ${LINEAR_WORKGROUP} * SIZE + lane;
  let groups = piece.cols >> 5u;
  if (index >= piece.rows * groups) {
    return;
  }
  let row = index / groups;
  let to = matrixRow(row) * groups + (index - row * groups);
  let block = index >> ${shift}u;
  let start = block * ${blockBytes}u;
  let first = (index & ${groupsPerBlock - 1}u) << 5u;
${readCodes(format)}
${storeCodes(format)}${check === '' ? '' : `\n${check}\n  if (!areNumbers) {\n    ${report}\n  }`}
  ${isOncePerBlock(format) ? 'if (first == 0u) ' : ''}{
${storeScales(format)}
    if (!finite) {
      ${report}
    }
  }
}`;
}

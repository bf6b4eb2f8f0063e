/**
 * gpt-oss as it is published (quant_method mxfp4; openai/gpt-oss, transformers' `convert_moe_packed_tensors`): the experts' matrices as
 * `NAME_blocks` [experts, out, in / 32, 16], elements 2k and 2k + 1 in byte k, and `NAME_scales` [experts, out, in / 32], exponents.
 */
import { elementsOf } from '../../tensor/tensor-type.ts';
import { expectPlane, wrongPlane } from './folder-planes.ts';
import type { JoinedFolder, PackedFolder } from './folder-planes.ts';
import { joinedTensor, rowPlane } from './joined-tensor.ts';

const BLOCKS = '_blocks';

export function joinGptOssBlocks(folder: PackedFolder): JoinedFolder {
  const found = [...folder.tensors.values()].filter(({ name }) => name.endsWith(BLOCKS));
  const joined = found.map((blocks) => {
    const name = blocks.name.slice(0, -BLOCKS.length);
    const outer = blocks.shape.slice(0, -2);
    const groups = blocks.shape.at(-2) ?? 0;
    if (blocks.type !== 'u8' || blocks.shape.at(-1) !== 16 || outer.length < 1 || elementsOf(blocks.shape) === 0)
      throw wrongPlane(blocks, 'u8 [..., out, groups, 16]');
    const because = 'a scale for each 16 bytes of the blocks';
    const scales = expectPlane(folder, `${name}_scales`, { types: ['u8'], shape: [...outer, groups], because });
    const rows = elementsOf(outer);
    const planes = { codes: rowPlane(blocks, rows), scales: rowPlane(scales, rows) };
    return {
      tensor: joinedTensor({ name, type: 'mxfp4', shape: [...outer, groups * 32], planes, from: blocks }),
      planes: [blocks.name, scales.name],
    };
  });
  return { joined };
}

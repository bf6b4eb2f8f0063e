import { affineFormats } from './affine.ts';

export const AFFINE_8 = affineFormats(8);

import { affineFormats } from './affine.ts';

export const AFFINE_4 = affineFormats(4);

import { affineFormats } from './affine.ts';

export const AFFINE_3 = affineFormats(3);

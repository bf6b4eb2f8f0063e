import { affineFormats } from './affine.ts';

export const AFFINE_2 = affineFormats(2);

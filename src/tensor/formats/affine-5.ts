import { affineFormats } from './affine.ts';

export const AFFINE_5 = affineFormats(5);

import { affineFormats } from './affine.ts';

export const AFFINE_6 = affineFormats(6);

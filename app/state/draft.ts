import { forTab, kept } from './kept.ts';

/** The message that is being written; a page that goes and comes back has it still. */
export const draft = kept(forTab, 'draft', '');

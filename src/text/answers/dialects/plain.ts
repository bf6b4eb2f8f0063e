/** Any other family: text, and thoughts between one of the usual pairs of marks. */
import { formDialect } from '../form-dialect.ts';
import { OTHER_MARKS, THINK } from '../reasoning-marks.ts';

export const plain = formDialect({ name: 'plain', isFor: () => true, form: { reasoning: [THINK, ...OTHER_MARKS] } });

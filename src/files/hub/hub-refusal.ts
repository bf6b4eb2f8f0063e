/** What is wrong with an id, or with a choice among a repository's files, where that may be told to others than the machine's owner. */
import { InputError } from '../../tensor/errors.ts';

export class HubRefusal extends InputError {
  /** Without advice for the owner: tokens, settings. */
  readonly forOthers: string;

  constructor(message: string, forOthers = message) {
    super(message);
    this.forOthers = forOthers;
  }
}

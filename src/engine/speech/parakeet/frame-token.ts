/** A token, and where it was said, in frames of the encoder. */
export interface FrameToken {
  readonly id: number;
  readonly frame: number;
  /** How many it takes; 0 where the next one is said in the same frame. */
  readonly frames: number;
}

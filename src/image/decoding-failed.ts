/** Of a decoder that gave up, trapped, or ran out of its memory. Inside of `image/` only. */
export class DecodingFailed extends Error {
  override readonly name = 'DecodingFailed';
}

/** 128 random bits in hexadecimal. `crypto.randomUUID` is not there on pages without TLS, as those of a server in one's own network are. */
export function newId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

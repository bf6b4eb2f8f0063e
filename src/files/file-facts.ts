/** What the first answer tells of a file; later ones must agree. */
export interface FileFacts {
  readonly sizeBytes: number;
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** A file that is not there, as far as this server says. */
export interface AbsentFile {
  /** A clause: `the server has no such file (status 404)`. */
  readonly reason: string;
  readonly advice: string;
}

/** Bytes as people read them: decimal (1 MB = 10^6 bytes), as disks and networks count. */

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** `336 MB`, `1.5 GB`, `912 bytes` */
export function formatBytes(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : threeDigits(value)} ${UNITS[unit]}`;
}

/** `1.23`, `12.3`, `123` */
export function threeDigits(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

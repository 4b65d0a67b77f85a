/** Arrays of numbers that are equal byte by byte are equal: asked first, as vitest goes through them element by element. */
import { expect } from 'vitest'

expect.addEqualityTesters([
  (a: unknown, b: unknown): boolean | undefined =>
    ArrayBuffer.isView(a) &&
    ArrayBuffer.isView(b) &&
    Object.getPrototypeOf(a) === Object.getPrototypeOf(b) &&
    a.byteLength === b.byteLength &&
    Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength))
      ? true
      : undefined,
])

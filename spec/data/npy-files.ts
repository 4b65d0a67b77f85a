/** Arrays as NumPy writes them, and archives of them. */
import { crc32 } from 'node:zlib'

const le16 = (n: number): Buffer => {
  const b = Buffer.alloc(2)
  b.writeUInt16LE(n)
  return b
}
const le32 = (n: number): Buffer => {
  const b = Buffer.alloc(4)
  b.writeUInt32LE(n >>> 0)
  return b
}

/** A .npy file of these bytes. */
export const npy = (descr: string, shape: ReadonlyArray<number>, bytes: Uint8Array): Buffer => {
  const text =
    `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`.padEnd(117) + '\n'
  return Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY\x01\x00'), le16(text.length), Buffer.from(text, 'latin1'), bytes])
}

export const bytesOf = (a: ArrayBufferView): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength)

/** Numbers 0, 1, 2, … of a shape, or what `f` makes of them. */
export const counting = (
  descr: '|u1' | '<u2' | '<i2' | '<f4',
  shape: ReadonlyArray<number>,
  f: (i: number) => number = (i) => i,
): Buffer => {
  const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => f(i))
  const array =
    descr === '|u1'
      ? Uint8Array.from(values)
      : descr === '<u2'
        ? Uint16Array.from(values)
        : descr === '<i2'
          ? Int16Array.from(values)
          : Float32Array.from(values)
  return npy(descr, shape, bytesOf(array))
}

/** Texts of code points. */
export const texts = (all: ReadonlyArray<string>): Buffer => {
  const n = Math.max(...all.map((t) => t.length))
  return npy(
    `<U${n}`,
    [all.length],
    bytesOf(Uint32Array.from(all.flatMap((t) => Array.from({ length: n }, (_, i) => t.codePointAt(i) ?? 0)))),
  )
}

/** A .npz archive, its members stored plainly. */
export const archive = (members: Readonly<Record<string, Buffer>>): Buffer => {
  const files: Buffer[] = []
  const central: Buffer[] = []
  let at = 0
  for (const [name, body] of Object.entries(members)) {
    const path = Buffer.from(`${name}.npy`)
    const common = Buffer.concat([
      le16(20),
      le16(0),
      le16(0),
      le16(0),
      le16(33),
      le32(crc32(body)),
      le32(body.length),
      le32(body.length),
      le16(path.length),
      le16(0),
    ])
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, path, body])
    central.push(Buffer.concat([Buffer.from('PK\x01\x02'), le16(20), common, le16(0), le16(0), le16(0), le32(0), le32(at), path]))
    files.push(local)
    at += local.length
  }
  const listing = Buffer.concat(central)
  return Buffer.concat([
    ...files,
    listing,
    Buffer.from('PK\x05\x06'),
    le16(0),
    le16(0),
    le16(central.length),
    le16(central.length),
    le32(listing.length),
    le32(at),
    le16(0),
  ])
}

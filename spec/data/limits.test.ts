/** Sizes that files state, held against what they can contain and against the limit, before anything is made of that size. */
import { mkdir, mkdtemp, readdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'
import * as E from 'fp-ts/lib/Either.js'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { parseCsv } from '../../data/formats/csv.ts'
import { npyHeader } from '../../data/formats/npy.ts'
import { zipMembers } from '../../data/formats/zip.ts'
import { openData } from '../../data/readers/index.ts'
import { labelsIn } from '../../data/readers/npz/labels.ts'
import { npz } from '../../data/readers/npz/npz.ts'
import { readPicture } from '../../data/readers/pictures/file.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { dicomBytes, slice } from './dicom-files.ts'
import { left, right, rightOf } from './either.ts'
import { archive, counting, npy } from './npy-files.ts'

const scratch = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-limits-'))

const MiB = 2 ** 20

/** A NIfTI-1 header of bytes with these dimensions. */
const niftiOf = (dims: ReadonlyArray<number>): Buffer => {
  const b = Buffer.alloc(352)
  b.writeInt32LE(348, 0)
  ;[dims.length, ...dims].forEach((d, i) => b.writeInt16LE(d, 40 + 2 * i))
  b.writeInt16LE(2, 70)
  b.writeInt16LE(8, 72)
  b.writeFloatLE(352, 108)
  b.write('n+1\0', 344, 'latin1')
  return b
}

/** An archive of one deflated member that states any size. */
const packed = (name: string, plain: Buffer, stated = plain.length): Buffer => {
  const body = deflateRawSync(plain, { level: 9 })
  const head = (signature: number, more: number): Buffer => {
    const b = Buffer.alloc(more)
    b.writeUInt32LE(signature, 0)
    const at = signature === 0x04034b50 ? 4 : 6
    b.writeUInt16LE(20, at)
    b.writeUInt16LE(8, at + 4)
    b.writeUInt32LE(crc32(plain), at + 10)
    b.writeUInt32LE(body.length, at + 14)
    b.writeUInt32LE(stated, at + 18)
    b.writeUInt16LE(name.length, at + 22)
    return b
  }
  const local = Buffer.concat([head(0x04034b50, 30), Buffer.from(name), body])
  const central = Buffer.concat([head(0x02014b50, 46), Buffer.from(name)])
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(local.length, 16)
  return Buffer.concat([local, central, end])
}

/** A bitmap of runs none of which says anything: 1 kB whatever its sides. */
const emptyBitmap = (side: number): Buffer => {
  const b = Buffer.alloc(54 + 1024 + 2)
  b.write('BM', 0, 'latin1')
  b.writeUInt32LE(54 + 1024, 10)
  b.writeUInt32LE(40, 14)
  b.writeInt32LE(side, 18)
  b.writeInt32LE(side, 22)
  b.writeUInt16LE(8, 28)
  b.writeUInt32LE(1, 30)
  b.writeUInt8(1, 54 + 1025)
  return b
}

/** The main header of a JPEG 2000 codestream of one component (ITU-T T.800 A.5.1), and room behind it. */
const codestream = (side: number): Buffer => {
  const b = Buffer.alloc(4000)
  b.writeUInt32BE(0xff4fff51, 0)
  b.writeUInt16BE(41, 4)
  ;[side, side, 0, 0, side, side, 0, 0].forEach((v, i) => b.writeUInt32BE(v, 8 + 4 * i))
  b.writeUInt16BE(1, 40)
  b.set([7, 1, 1], 42)
  return b
}

const fileOf = async (name: string, bytes: Uint8Array): Promise<string> => {
  const path = join(await scratch(), name)
  await writeFile(path, bytes)
  return path
}

/** Bytes of memory that something takes at most beyond what there was, outside of JavaScript's heap. */
const grown = async (body: () => Promise<unknown>): Promise<number> => {
  const before = process.memoryUsage()
  await body()
  const after = process.memoryUsage()
  return after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed
}

describe('what a file states', () => {
  test('of a gzipped volume is more than it can unpack to', async () => {
    const path = await fileOf('bomb.nii.gz', gzipSync(niftiOf([32767, 32767, 32767])))
    let found = ''
    const bytes = await grown(async () => {
      found = left(await openData(path)()).found
    })
    expect(found).toMatch(/bytes are stated of \d+ packed ones, which unpack to \d+ at most/)
    expect(bytes).toBeLessThan(64 * MiB)
  })

  test('of an array in an archive is more than it can unpack to', async () => {
    const path = await fileOf('lying.npz', packed('images.npy', npy('|u1', [4, 8, 8], new Uint8Array(256)), 2 ** 31))
    const members = right(await zipMembers(path, { memoryBytes: 2 ** 40, folder: await scratch() })())
    expect(left(await members[0].content()).found).toContain('which unpack to')
  })

  test('of slices makes no list of them', async () => {
    // a hundred million slices of one voxel, which deflate holds in 100 kB
    const path = await fileOf('thin.nii.gz', gzipSync(Buffer.concat([niftiOf([1, 1, 10000, 10000]), Buffer.alloc(1e8)])))
    let length = 0
    const bytes = await grown(async () => {
      length = right(datasetOf(right(await openData(path)()))).length
    })
    expect(length).toBe(1e8)
    expect(bytes).toBeLessThan(64 * MiB)
  })
})

describe('what may be taken for one thing', () => {
  const itemBytes = 8 * MiB
  test.each([
    ['volume.nii.gz', () => Promise.resolve(gzipSync(Buffer.concat([niftiOf([300, 300, 300]), Buffer.alloc(27e6)]))), 26],
    ['volume.nii', () => Promise.resolve(Buffer.concat([niftiOf([300, 300, 300]), Buffer.alloc(27e6)])), 26],
    ['arrays.npz', () => Promise.resolve(packed('images.npy', npy('|u1', [300, 300, 300], new Uint8Array(27e6)))), 26],
    [
      'picture.png',
      () =>
        sharp(Buffer.alloc(2000 * 2000), { raw: { width: 2000, height: 2000, channels: 1 } })
          .png()
          .toBuffer(),
      46,
    ],
    [
      'picture.tif',
      () =>
        sharp(Buffer.alloc(2000 * 2000), { raw: { width: 2000, height: 2000, channels: 1 } })
          .tiff({ compression: 'deflate' })
          .toBuffer(),
      46,
    ],
    ['picture.bmp', () => Promise.resolve(emptyBitmap(2000)), 46],
    ['picture.pgm', () => Promise.resolve(Buffer.concat([Buffer.from('P5 2000 2000 255\n'), Buffer.alloc(4e6)])), 46],
    ['slice.dcm', () => Promise.resolve(dicomBytes(slice(0, {}, 2000))), 16],
  ] as const)('is limited for %s, and the setting that the fault names reads it', async (name, bytes, MiBs) => {
    const path = await fileOf(name, await bytes())
    const read = async (limit: number) => E.chain(datasetOf)(await openData(path, { itemBytes: limit })())
    const opened = await read(itemBytes)
    const refused = E.isLeft(opened) ? opened.left : left(await opened.right.item(0)())
    expect(refused.allowed).toBe('at most 8 MiB')
    const named = Number(/data\.limits\.item=(\d+)/.exec(refused.remedy)?.[1])
    expect(named).toBeLessThanOrEqual(MiBs)
    right(await right(await read(named * MiB)).item(0)())
  })
})

describe('a decoder', () => {
  test.each([
    ['bmp', emptyBitmap(16000)],
    ['j2k', codestream(20000)],
    ['pgm', Buffer.from('P2 20000 20000 255\n1 2 3')],
  ])('makes nothing of the size that a header of %s states before it is allowed', async (ending, bytes) => {
    const path = await fileOf(`a.${ending}`, bytes)
    let allowed = ''
    const memory = await grown(async () => {
      allowed = left(await readPicture(path, { itemBytes: 64 * MiB })()).allowed
    })
    expect(allowed).toBe('at most 64 MiB')
    expect(memory).toBeLessThan(32 * MiB)
  })

  test('of labels keeps them as small as they are stored: four million in 4 kB', async () => {
    const n = 4e6
    const header = npyHeader(npy('|u1', [n], new Uint8Array(0)))
    const stored = Uint8Array.from({ length: n }, (_, i) => i % 3)
    const memory = await grown(() => {
      const { labels } = labelsIn(rightOf(header), stored, n, [])
      expect([labels?.values instanceof Int8Array, labels?.values[4]]).toEqual([true, 1])
      return Promise.resolve()
    })
    expect(memory).toBeLessThan(24 * MiB)
  })
})

describe('what large arrays unpack to', () => {
  const arrays = packed(
    'images.npy',
    npy(
      '|u1',
      [4, 8, 8],
      Uint8Array.from({ length: 256 }, (_, i) => i),
    ),
  )
  const first = async (path: string, folder: string) => {
    const [d] = right(await npz(path, { memoryBytes: 16, folder })()).splits.values()
    return [...right(await d.item(0)()).image.data]
  }
  const truth = Array.from({ length: 64 }, (_, i) => i)

  test('is taken from the folder only as it was put there, and goes after some days', async () => {
    const [path, folder] = [await fileOf('arrays.npz', arrays), join(await scratch(), 'unpacked')]
    expect(await first(path, folder)).toEqual(truth)
    const [name] = await readdir(folder)
    // planted: as long, with other bytes
    await writeFile(
      join(folder, name),
      new Uint8Array(arrays.length + 1000).fill(7).subarray(0, (await import('node:fs')).statSync(join(folder, name)).size),
    )
    expect(await first(path, folder)).toEqual(truth)
    const old = new Date(Date.now() - 8 * 24 * 3600 * 1000)
    await writeFile(join(folder, 'of-another-archive'), '')
    await utimes(join(folder, 'of-another-archive'), old, old)
    await writeFile(join(folder, name), '')
    expect(await first(path, folder)).toEqual(truth)
    expect(await readdir(folder)).toEqual([name])
  })

  test('is not put where others may write', async () => {
    const [path, folder] = [await fileOf('arrays.npz', arrays), join(await scratch(), 'unpacked')]
    await mkdir(folder, { mode: 0o777 })
    await (await import('node:fs/promises')).chmod(folder, 0o777)
    expect(await first(path, folder)).toEqual(truth)
    expect(await readdir(folder)).toEqual([])
    const link = join(await scratch(), 'link')
    await symlink(folder, link)
    expect(await first(path, link)).toEqual(truth)
    expect(await readdir(folder)).toEqual([])
  })
})

describe('NumPy', () => {
  test('takes any byte but 0 as true', async () => {
    const path = await fileOf('bool.npz', archive({ images: npy('|b1', [1, 2, 2], Uint8Array.of(0, 1, 2, 255)) }))
    const [d] = right(await npz(path)()).splits.values()
    expect([...right(await d.item(0)()).image.data]).toEqual([0, 1, 1, 1])
  })

  test('reads labels of many classes, and of many more than a call may have arguments', async () => {
    const n = 300000
    const path = await fileOf(
      'many.npz',
      archive({
        images: counting('|u1', [n, 1, 1]),
        labels: npy('<i4', [n], new Uint8Array(Int32Array.from({ length: n }, (_, i) => i).buffer)),
      }),
    )
    const [d] = right(await npz(path)()).splits.values()
    expect(d.classes).toHaveLength(n)
    expect(right(await d.item(n - 1)()).label).toBe(n - 1)
  })

  test.each([
    "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), ",
    "'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), } x",
  ])('refuses the header %s', (text) => {
    const bytes = npy('<f4', [3], new Uint8Array(12))
    bytes.fill(32, 10, 127)
    bytes.write(text, 10, 'latin1')
    expect(E.isLeft(npyHeader(bytes))).toBe(true)
    expect(rightOf(npyHeader(npy('<f4', [3], new Uint8Array(12)))).shape).toEqual([3])
  })
})

describe('a table', () => {
  test('with text behind a closing quote is refused by its line', () => {
    expect(parseCsv('path,label\n"a.png"x,1\n')).toEqual(E.left('"x" behind a closing quote in line 2'))
    expect(rightOf(parseCsv('path,label\n"a.png" ,"b, ""c"""\n')).columns).toEqual([['a.png'], ['b, "c"']])
  })
})

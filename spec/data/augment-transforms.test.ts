import { readFileSync } from 'node:fs'
import * as t from 'io-ts'
import { describe, expect, test } from 'vitest'
import { readSafetensors } from '../../data/safetensors.ts'
import { toLevels, transforms, transformsConfig } from '../parity/kinds/transforms.ts'
import { right } from './either.ts'

const folder = new URL('../parity/fixtures/transforms/', import.meta.url)
const caseFile = t.type({
  config: transformsConfig,
  tensors: t.array(t.intersection([t.type({ name: t.string, role: t.string }), t.partial({ atol: t.number })])),
})

/** Levels of 255 by which the 8-bit pipeline may differ: it rounds between steps, and its hue has 256 values. */
const levels = (name: string): number => (name.startsWith('out/hue') ? 8 : name.includes('blur_v1') ? 2 : 1)

const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length)
  return Array.from(a).reduce((m, x, i) => Math.max(m, Math.abs(x - b[i])), 0)
}

describe('the official transforms', async () => {
  const given: unknown = JSON.parse(readFileSync(new URL('case.json', folder), 'utf8'))
  const decoded = caseFile.decode(given)
  if (decoded._tag === 'Left') throw new Error('case.json has another form')
  const { config, tensors } = decoded.right
  const file = right(await readSafetensors(new URL('tensors.safetensors', folder).pathname)()).tensors
  const image = file.get('in/image')
  if (image?.dtype !== 'f32') throw new Error('in/image is missing')
  const got = transforms(config, image.data)
  const outputs = tensors.filter((x) => x.role === 'output')

  test('all 35 outputs are there', () => { expect(outputs.length).toBe(35) })

  test.each(outputs.filter((x) => !x.name.endsWith('_pil_u8')))('$name', ({ name, atol }) => {
    const [ours, theirs] = [got.get(name), file.get(name)]
    if (ours === undefined || theirs === undefined || atol === undefined) throw new Error(`${name} is missing`)
    expect(maxDifference(ours, theirs.data)).toBeLessThanOrEqual(atol)
  })

  test.each(outputs.filter((x) => x.name.endsWith('_pil_u8')))('$name', ({ name }) => {
    const plain = name.slice(0, -'_pil_u8'.length)
    const ours = got.get(`${plain}_clamped`) ?? got.get(plain)
    const theirs = file.get(name)
    if (ours === undefined || theirs === undefined) throw new Error(`${name} is missing`)
    expect(maxDifference(toLevels(ours), theirs.data)).toBeLessThanOrEqual(levels(name))
  })
})

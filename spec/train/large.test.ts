/** Pictures larger than canvases, as a process; and a run on such that an earlier release had begun, which shrank them. */
import { mkdir, mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import sharp from 'sharp'
import { beforeAll, expect, test } from 'vitest'
import { isRecord } from '../../data/formats/codec.ts'
import { latest, save } from '../../train/run/checkpoints.ts'
import { right } from '../data/either.ts'
import { live } from './lived.ts'
import { quickOn } from './quick.ts'

let [data, out] = ['', '']

beforeAll(async () => {
  const root = await mkdtemp(join(tmpdir(), 'dinograph-large-'))
  ;[data, out] = [join(root, 'data'), join(root, 'run')]
  await mkdir(data)
  for (let k = 0; k < 6; k++)
    await sharp({ create: { width: 640, height: 560, channels: 3, background: { r: 40 * k, g: 90, b: 200 - 20 * k } } })
      .jpeg()
      .toFile(join(data, `${k}.jpg`))
})

/** Ends a run as soon as it has said something: what comes after training takes longer than all that is asked here. */
const until = (whenSaid: RegExp, ...words: ReadonlyArray<string>) => live(words, { whenSaid, signal: 'SIGKILL' })

test('pictures of more than 512 pixels are trained on from all of their pixels, which is said', async () => {
  const { stderr } = await until(/for Hugging Face/, ...quickOn(data, out, 2))
  expect(stderr).toMatch(
    /note: 5 of 5 images of data\/train whose sizes are known are larger than canvases of \d+ x \d+: their crops are cut/,
  )
  expect((await readFile(join(out, 'metrics.jsonl'), 'utf8')).trim().split('\n')).toHaveLength(2)
}, 300_000)

test('a run of version 0.1 goes on by the new reading, which is said, or by the old one', async () => {
  /** The newest checkpoint as release 0.1 has written it: without the setting. */
  const older = async (): Promise<void> => {
    const { found } = right(await latest(join(out, 'checkpoints'))())
    if (O.isNone(found)) throw new Error('no checkpoint')
    const { config } = found.value.checkpoint
    if (!isRecord(config) || !isRecord(config['data'])) throw new Error('no configuration')
    const { canvas, ...rest } = config['data']
    expect(canvas).toBeNull()
    const past = { ...found.value.checkpoint, config: { ...config, data: rest } }
    right(await save(join(out, 'checkpoints'), { keepLast: 1, keepEvery: 0 })(past)())
  }
  const told = /note: this run was begun by version 0\.1, which shrank [^\n]*--set data\.canvas=512/
  await older()
  const first = await until(/version 0\.1[^\n]*\n/, '--resume', '--out', out, '--steps', '3')
  expect(first.stderr).toMatch(told)
  const shrunk = await until(/step 3\/3/, '--resume', '--out', out, '--steps', '3', '--set', 'data.canvas=512')
  expect(shrunk.stderr).toMatch(/and are shrunk, as 560 x 640 to 448 x 512[^]*at step 2/)
  expect(shrunk.stderr).not.toMatch(told)
}, 300_000)
